//! `hybridge certificate rotate` and `status`: Hybridge's own certificate over its life.

use std::{fs::File, path::Path};

use hybridge_connect::rotation::{
    Ended, Error, Options, Rotation, SigningState, Stage, State, Urgency, urgency,
};
use hybridge_dynamics::AlertLevel;
use hybridge_net::{Clock as _, SystemClock};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::json;

use super::held::{self, Held};
use crate::{
    cli::{RotateArgs, RotateTarget, StageName},
    config::{self, Config},
    error::{Failure, Result},
    exit::Exit,
    output::{Output, local},
    trust::{self, OwnApp},
    wiring,
};

/// For how many days a new certificate is valid when nothing else is said.
const DAYS: u32 = 365;

/// Rotates, goes on with a rotation, or goes back.
pub(crate) async fn rotate(file: &Path, args: &RotateArgs, output: Output) -> Result<Exit> {
    let app = match args.target {
        RotateTarget::Native => return super::rotate_signing::rotate(file, args, output).await,
        RotateTarget::Graph => OwnApp::Mail,
        RotateTarget::Tasks => OwnApp::Tasks,
    };
    if args.certificate.is_some() {
        return Err(Failure::new(Exit::Configuration, "--certificate is for --target native")
            .help("Hybridge's own certificate is always made by Hybridge. For the one that Dynamics signs with: --target native"));
    }
    let config = config::load(file)?;
    if args.dry_run {
        return foretell(&config, app, args, output);
    }
    let _only_one = lock(&config)?;
    let parts = trust::rotation(&config, app).await?;
    let mut journal = trust::journal(&config)?;
    let mut rotation = Rotation::new(&parts, &mut journal);
    if args.back {
        let state = rotation.back().await.map_err(failure)?;
        match &state {
            Some(state) => output.line(format!("Back to {}; the new certificate is gone.", state.old)),
            None => output.line("No rotation is under way: there is nothing to go back from."),
        }
        output.json(&json!({ "back": state.map(|state| state.old) }));
        return Ok(Exit::Done);
    }
    let options = Options {
        until: args.until.map(StageName::stage).transpose()?,
        ..options(&config, app, args.days.unwrap_or(DAYS), i64::from(args.keep_days))
    };
    let ended =
        rotation.forward(&options, |state| output.line(format!("  ok  {}", state.stage.words()))).await;
    let ended = ended.map_err(failure)?;
    output.line("");
    output.line(told(app, &ended));
    output.json(&match &ended {
        Ended::Stopped(state) => json!({ "ended": "stopped", "rotation": state }),
        Ended::Keeping(state) => json!({ "ended": "keeping", "rotation": state }),
        Ended::Done { new, left } => json!({ "ended": "done", "certificate": new, "left": left }),
    });
    Ok(match ended {
        Ended::Done { left: Some(_), .. } => Exit::WithTroubles,
        _ => Exit::Done,
    })
}

fn options(config: &Config, app: OwnApp, days: u32, keep_days: i64) -> Options {
    let keep = SignedDuration::from_hours(24 * keep_days);
    let name = match app {
        OwnApp::Mail => config.connect.name.clone(),
        OwnApp::Tasks => format!("{} Tasks", config.connect.name),
    };
    Options { name, days, keep, until: None }
}

/// Looks after the certificates while Hybridge runs: ends a rotation whose time has come, renews where it may, and warns
/// otherwise. The days that are left, for the metric.
pub(crate) async fn look_after(config: &Config) -> Result<Vec<(String, i64)>> {
    // Without the registration's id an administrator would have to sign in, and nobody sits here.
    if config.tenant.registration_id.is_some() {
        renew(config, OwnApp::Mail).await?;
    }
    if config.tenant.tasks_registration_id.is_some() {
        // The other certificates are looked after all the same.
        if let Err(failure) = renew(config, OwnApp::Tasks).await {
            tracing::warn!(trouble = %failure.message, "the certificate of the application for To Do");
        }
    }
    let (held, _) = held::held(config).await?;
    if let Some(drift) = held::drift(config, &held)? {
        tracing::warn!("{drift}");
    }
    warn(config, &held).await;
    Ok(held.into_iter().map(|one| (one.name, one.days_left)).collect())
}

async fn renew(config: &Config, app: OwnApp) -> Result<()> {
    const KEEP_DAYS: i64 = 7;
    let files = trust::own_files(config, app)?;
    let credential = files.current().map_err(failure)?;
    let (certificate, now) = (credential.certificate(), SystemClock.now());
    let urgency = urgency(certificate.valid_from(), certificate.valid_until(), now);
    let state = files.state().map_err(failure)?;
    let ending = state.as_ref().is_some_and(|state| state.keep_until.is_some_and(|until| until <= now));
    let due = urgency >= Urgency::Due || state.as_ref().is_some_and(|state| state.stage < Stage::Observed);
    if ending || (config.tenant.renew_certificate && due) {
        let _only_one = lock(config)?;
        let parts = trust::rotation(config, app).await?;
        let mut journal = trust::journal(config)?;
        let mut rotation = Rotation::new(&parts, &mut journal);
        let seen = |state: &State| tracing::info!(stage = state.stage.words(), "the certificate is rotated");
        let ended = rotation.forward(&options(config, app, DAYS, KEEP_DAYS), seen).await.map_err(failure)?;
        tracing::warn!("{}", told(app, &ended));
    }
    Ok(())
}

/// Looks after the certificates without `hybridge run`.
pub(crate) async fn watch(file: &Path, once: bool, output: Output) -> Result<Exit> {
    let config = config::load(file)?;
    loop {
        let seen = look_after(&config).await?;
        for (name, left) in &seen {
            output.line(format!("{left:>8} days  {name}"));
        }
        if once {
            let days: serde_json::Map<_, _> =
                seen.into_iter().map(|(name, left)| (name, json!(left))).collect();
            output.json(&json!({ "days_left": days }));
            return Ok(Exit::Done);
        }
        tokio::select! {
            () = super::run::interrupted() => return Ok(Exit::Done),
            () = tokio::time::sleep(std::time::Duration::from_hours(1)) => {}
        }
    }
}

fn told(app: OwnApp, ended: &Ended) -> String {
    match ended {
        Ended::Stopped(state) => {
            format!("Stopped: {}. `{}` goes on, --back goes back.", state.stage.words(), app.command())
        }
        Ended::Keeping(state) => format!(
            "The new certificate {} is in use. The old one is kept until {}; run this again after that (a `hybridge run` does \
             it by itself), with --keep-days 0 to remove it now, or with --back to go back.",
            state.new,
            state.keep_until.map(local).unwrap_or_default()
        ),
        Ended::Done { new, left: None } => format!("Done: {new} is the only certificate."),
        Ended::Done { new, left: Some(left) } => format!("{new} is in use; {left}."),
    }
}

fn foretell(config: &Config, app: OwnApp, args: &RotateArgs, output: Output) -> Result<Exit> {
    let files = trust::own_files(config, app)?;
    let state = files.state().map_err(failure)?;
    let now = files.current().map_err(failure)?.certificate().sha1_hex();
    let words = match (&state, args.back) {
        (None, true) => "nothing: no rotation is under way".to_owned(),
        (Some(state), true) => format!("go back to {} and remove {}", state.old, state.new),
        (None, false) => format!(
            "make a certificate valid for {} days, register it beside {now}, wait until Entra ID gives tokens for it, switch to \
             it, keep both for {} days, remove {now}",
            args.days.unwrap_or(DAYS),
            args.keep_days
        ),
        (Some(state), false) => format!("go on from: {}", state.stage.words()),
    };
    output.line(format!("Would {words}."));
    output.json(&json!({ "dry_run": true, "would": words, "rotation": state }));
    Ok(Exit::Done)
}

impl StageName {
    fn stage(self) -> Result<Stage> {
        match self {
            Self::Issued => Ok(Stage::Issued),
            Self::Trusted => Ok(Stage::Trusted),
            Self::Proven => Ok(Stage::Proven),
            Self::Switched => Ok(Stage::Switched),
            Self::Distributed | Self::Checked | Self::Restarted => Err(Failure::new(
                Exit::Configuration,
                "--until: Hybridge's own certificate lies on no server",
            )
            .help("Its stages are issued, trusted, proven and switched; --target native has the others.")),
        }
    }
}

/// Every certificate in use, what ends first at the beginning, and a rotation that is under way.
pub(crate) async fn status(file: &Path, output: Output) -> Result<Exit> {
    let config = config::load(file)?;
    let (held, unseen) = held::held(&config).await?;
    let (rotations, drift) = (under_way(&config)?, held::drift(&config, &held)?);
    for one in &held {
        output.line(format!("{}  {}", held::bar(one), one.used_for));
        output.line(format!("    {} ({})", one.subject, one.thumbprint));
        output.line(format!("    in {}", one.places.join(", ")));
        output.line(format!("    until {}, {} days: {}", local(one.valid_until), one.days_left, words(one)));
    }
    for one in &unseen {
        output.line(format!("[   could not be seen    ]  {}: {}", one.place, one.why));
    }
    if let Some(drift) = &drift {
        output.line(drift);
    }
    for one in &rotations {
        output.line(format!(
            "A rotation is under way since {}: {}. ({} goes on.)",
            local(one.began),
            one.stage,
            one.command
        ));
        if let Some(until) = one.keep_until {
            output.line(format!("  the old certificate {} is kept until {}", one.old, local(until)));
        }
    }
    let own = held.iter().find(|one| one.name == "sign-in");
    output.json(&json!({
        "subject": own.map(|own| &own.subject), "thumbprint": own.map(|own| &own.thumbprint),
        "valid_from": own.map(|own| own.valid_from), "valid_until": own.map(|own| own.valid_until),
        "days_left": own.map(|own| own.days_left), "urgency": own.map(|own| own.urgency), "rotations": rotations,
        "certificates": held, "unseen": unseen, "drift": drift,
    }));
    Ok(if drift.is_some() || held.iter().any(|one| one.urgency >= Urgency::Soon) {
        Exit::WithTroubles
    } else {
        Exit::Done
    })
}

/// What is to be done about a certificate, and how soon.
fn words(held: &Held) -> String {
    match held.urgency {
        Urgency::None => "nothing to do yet".to_owned(),
        Urgency::Due => format!("less than a third of its life is left, renew it ({})", held.renewal),
        Urgency::Soon => format!("less than a sixth of its life is left, renew it ({})", held.renewal),
        Urgency::Now => format!("it ends very soon, renew it now ({})", held.renewal),
        Urgency::Over if held.name == "sign-in" => {
            "it is over: make a new one with `hybridge certificate new`, name it in the configuration, and run `hybridge connect apply`"
                .to_owned()
        }
        Urgency::Over => format!("it is over, renew it now ({})", held.renewal),
    }
}

/// Says what ends soon: in the log, and on the wall of an email server profile in Dynamics, once for each stage of urgency
/// (setup.md 5.5).
async fn warn(config: &Config, held: &[Held]) {
    let urgent: Vec<&Held> = held.iter().filter(|one| one.urgency >= Urgency::Due).collect();
    for one in &urgent {
        tracing::warn!(
            days_left = one.days_left,
            certificate = one.subject,
            "{}: {}",
            one.used_for,
            words(one)
        );
    }
    if urgent.is_empty() {
        return;
    }
    if let Err(failure) = alert(config, &urgent).await {
        tracing::info!(trouble = %failure.message, "no alert was written in Dynamics");
    }
}

async fn alert(config: &Config, urgent: &[&Held]) -> Result<()> {
    let failed = |error| Failure::from(hybridge_dynamics::trouble(&error));
    let (dynamics, _) = wiring::Ground::of(config)?.organization(config, None)?;
    let profiles = dynamics.server_profiles().await.map_err(failed)?;
    let Some(profile) = profiles.iter().find(|profile| profile.state == Some(0)) else { return Ok(()) };
    for one in urgent {
        let level = if one.urgency >= Urgency::Soon { AlertLevel::Error } else { AlertLevel::Warning };
        let text = format!(
            "Hybridge: {} with {}, which ends on {}: {}",
            one.used_for,
            one.subject,
            local(one.valid_until),
            words(one)
        );
        dynamics.alert(profile.id, level, &text).await.map_err(failed)?;
    }
    Ok(())
}

/// A rotation that is under way.
#[derive(Serialize)]
struct UnderWay {
    /// What goes on with it.
    command: &'static str,
    began: Timestamp,
    stage: &'static str,
    old: String,
    keep_until: Option<Timestamp>,
}

fn under_way(config: &Config) -> Result<Vec<UnderWay>> {
    let mut found = Vec::new();
    for app in [OwnApp::Mail, OwnApp::Tasks] {
        if let Some(State { began, stage, old, keep_until, .. }) =
            trust::own_files(config, app)?.state().map_err(failure)?
        {
            found.push(UnderWay { command: app.command(), began, stage: stage.words(), old, keep_until });
        }
    }
    if let Some(section) = &config.native
        && let Some(state) = trust::signing(config, section)?.files.signing_state().map_err(failure)?
    {
        let SigningState { began, stage, old, keep_until, .. } = state;
        let command = "hybridge certificate rotate --target native";
        found.push(UnderWay { command, began, stage: stage.words(), old, keep_until });
    }
    Ok(found)
}

/// Held while a certificate is rotated: two at once would remove each other's.
pub(super) fn lock(config: &Config) -> Result<File> {
    let folder = config.path(&config.connect.folder);
    let path = folder.join("rotation.lock");
    let failed = |error: String| {
        Failure::new(Exit::Storage, format!("{} can't be written: {error}", path.display()))
            .help("Check [connect] folder in the configuration and that this account may write there.")
    };
    std::fs::create_dir_all(&folder).map_err(|error| failed(error.to_string()))?;
    let options = File::options().create(true).truncate(false).write(true).open(&path);
    let file = options.map_err(|error| failed(error.to_string()))?;
    file.try_lock().map_err(|_| {
        Failure::new(Exit::Locked, "another rotation is at work").help("Wait until it has ended.")
    })?;
    Ok(file)
}

pub(super) fn failure(error: Error) -> Failure {
    match error {
        Error::Trouble(trouble) => trouble.into(),
        Error::File { .. } => Failure::new(Exit::Storage, error.to_string()).help(
            "Nothing is lost: mend the file or its folder, then run `hybridge certificate rotate` again.",
        ),
        Error::Journal(error) => Failure::new(Exit::Storage, error.to_string()),
    }
}
