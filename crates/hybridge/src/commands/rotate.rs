//! `hybridge certificate rotate` and `status`: Hybridge's own certificate over its life.

use std::{fs::File, path::Path};

use hybridge_connect::rotation::{Ended, Error, Options, Rotation, Stage, State, Urgency, urgency};
use hybridge_net::{Clock as _, SystemClock};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::{
    cli::{RotateArgs, StageName, TargetName},
    config::{self, Config},
    error::{Failure, Result},
    exit::Exit,
    output::{Output, local},
    trust, wiring,
};

/// For how many days a new certificate is valid when nothing else is said.
const DAYS: u32 = 365;

/// Rotates, goes on with a rotation, or goes back.
pub(crate) async fn rotate(file: &Path, args: &RotateArgs, output: Output) -> Result<Exit> {
    if args.target == TargetName::Native {
        return super::rotate_signing::rotate(file, args, output).await;
    }
    let config = config::load(file)?;
    if args.dry_run {
        return foretell(&config, args, output);
    }
    let _only_one = lock(&config)?;
    let parts = trust::rotation(&config).await?;
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
        ..options(&config, args.days.unwrap_or(DAYS), i64::from(args.keep_days))
    };
    let ended =
        rotation.forward(&options, |state| output.line(format!("  ok  {}", state.stage.words()))).await;
    let ended = ended.map_err(failure)?;
    output.line("");
    output.line(told(&ended));
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

fn options(config: &Config, days: u32, keep_days: i64) -> Options {
    let keep = SignedDuration::from_hours(24 * keep_days);
    Options { name: config.connect.name.clone(), days, keep, until: None }
}

/// Looks after the certificate while Hybridge runs: ends a rotation whose time has come, renews where it may, and warns
/// otherwise. The days that are left, for the metric.
pub(crate) async fn look_after(config: &Config) -> Result<i64> {
    const KEEP_DAYS: i64 = 7;
    let credential = wiring::credential(config)?;
    let certificate = credential.certificate();
    let now = SystemClock.now();
    let urgency = urgency(certificate.valid_from(), certificate.valid_until(), now);
    let left = days(now, certificate.valid_until());
    let state = under_way(config)?;
    let ending = state.as_ref().is_some_and(|state| state.keep_until.is_some_and(|until| until <= now));
    // Without the registration's id an administrator would have to sign in, and nobody sits here.
    let alone = config.tenant.registration_id.is_some();
    let due = urgency >= Urgency::Due || state.as_ref().is_some_and(|state| state.stage < Stage::Observed);
    if alone && (ending || (config.tenant.renew_certificate && due)) {
        let _only_one = lock(config)?;
        let parts = trust::rotation(config).await?;
        let mut journal = trust::journal(config)?;
        let mut rotation = Rotation::new(&parts, &mut journal);
        let seen = |state: &State| tracing::info!(stage = state.stage.words(), "the certificate is rotated");
        let ended = rotation.forward(&options(config, DAYS, KEEP_DAYS), seen).await.map_err(failure)?;
        tracing::warn!("{}", told(&ended));
    } else if urgency >= Urgency::Due {
        tracing::warn!(days_left = left, "the certificate: {}", words(urgency));
    }
    Ok(left)
}

fn told(ended: &Ended) -> String {
    match ended {
        Ended::Stopped(state) => {
            format!(
                "Stopped: {}. `hybridge certificate rotate` goes on, --back goes back.",
                state.stage.words()
            )
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

fn foretell(config: &Config, args: &RotateArgs, output: Output) -> Result<Exit> {
    let state = under_way(config)?;
    let credential = wiring::credential(config)?;
    let now = credential.certificate().sha1_hex();
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

/// The certificate in use, and a rotation that is under way.
pub(crate) fn status(file: &Path, output: Output) -> Result<Exit> {
    let config = config::load(file)?;
    let credential = wiring::credential(&config)?;
    let certificate = credential.certificate();
    let now = SystemClock.now();
    let state = under_way(&config)?;
    let urgency = urgency(certificate.valid_from(), certificate.valid_until(), now);
    let left = days(now, certificate.valid_until());
    output.line(format!("In use: {} ({})", certificate.subject(), certificate.sha1_hex()));
    output.line(format!("  valid until {}, {left} days left", local(certificate.valid_until())));
    output.line(format!("  {}", words(urgency)));
    if let Some(state) = &state {
        output.line(format!(
            "A rotation is under way since {}: {}.",
            local(state.began),
            state.stage.words()
        ));
        if let Some(until) = state.keep_until {
            output.line(format!("  the old certificate {} is kept until {}", state.old, local(until)));
        }
    }
    output.json(&json!({
        "subject": certificate.subject(), "thumbprint": certificate.sha1_hex(), "valid_from": certificate.valid_from(),
        "valid_until": certificate.valid_until(), "days_left": left, "urgency": urgency, "rotation": state,
    }));
    Ok(if urgency >= Urgency::Soon { Exit::WithTroubles } else { Exit::Done })
}

/// What an urgency means.
fn words(urgency: Urgency) -> &'static str {
    match urgency {
        Urgency::None => "nothing to do yet",
        Urgency::Due => "less than a third of its life is left: `hybridge certificate rotate` renews it",
        Urgency::Soon => "less than a sixth of its life is left: run `hybridge certificate rotate`",
        Urgency::Now => "it ends very soon: run `hybridge certificate rotate` now",
        Urgency::Over => {
            "it is over: make a new one with `hybridge certificate new`, name it in the configuration, and run `hybridge connect apply`"
        }
    }
}

fn days(from: Timestamp, until: Timestamp) -> i64 {
    from.duration_until(until).as_hours() / 24
}

fn under_way(config: &Config) -> Result<Option<State>> {
    let path = config.path(&config.connect.folder).join("rotation.json");
    match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            Failure::new(Exit::Storage, format!("{} can't be read: {error}", path.display()))
        }),
        Err(_) => Ok(None),
    }
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
