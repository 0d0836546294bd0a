//! `hybridge certificate rotate --target native`: the certificate that Dynamics signs with.

use std::{path::Path, sync::Arc};

use hybridge_connect::rotation::{SigningEnded, SigningOptions, SigningRotation, SigningStage, SigningState};
use jiff::SignedDuration;
use serde_json::json;

use super::rotate::{failure, lock};
use crate::{
    cli::{RotateArgs, StageName},
    config,
    error::{Failure, Result},
    exit::Exit,
    output::{Output, local},
    trust,
};

/// Rotates, goes on with a rotation, or goes back.
pub(super) async fn rotate(file: &Path, args: &RotateArgs, output: Output) -> Result<Exit> {
    let config = config::load(file)?;
    let section = config.native.as_ref().ok_or_else(|| {
        Failure::new(Exit::Configuration, "the configuration has no section [native]")
            .help("docs/connect.md shows it: the organization's unique name, and the servers.")
    })?;
    let certificate = match &args.certificate {
        Some(file) => Some(Arc::new(super::certificate::credential(file, args.password_file.as_deref())?)),
        None => None,
    };
    let options = SigningOptions {
        certificate,
        days: args.days.unwrap_or(section.certificate_days),
        keep: SignedDuration::from_hours(24 * i64::from(args.keep_days)),
        until: args.until.map(StageName::signing),
    };
    let _only_one = if args.dry_run { None } else { Some(lock(&config)?) };
    let mut journal = trust::journal(&config)?;
    let site = trust::site(&config, file.to_path_buf(), journal.changes())?;
    let mut rotation = SigningRotation::new(&site, &mut journal);
    if args.dry_run {
        let state = rotation.state().map_err(failure)?;
        let same_subject = match (&state, &options.certificate) {
            (None, Some(certificate)) => rotation.foresee(certificate).await.map_err(failure)?,
            _ => false,
        };
        foretell(state.as_ref(), same_subject, args, &options, output);
        return Ok(Exit::Done);
    }
    if args.back {
        let state = rotation.back().await.map_err(failure)?;
        match &state {
            Some(state) => output.line(format!("Back to {}; the new certificate is gone.", state.old)),
            None => output.line("No rotation is under way: there is nothing to go back from."),
        }
        output.json(&json!({ "back": state.map(|state| state.old) }));
        return Ok(Exit::Done);
    }
    let seen = |state: &SigningState| output.line(format!("  ok  {}", state.stage.words()));
    let ended = rotation.forward(&options, seen).await.map_err(failure)?;
    output.line("");
    output.line(told(&ended));
    output.json(&match &ended {
        SigningEnded::Stopped(state) => json!({ "ended": "stopped", "rotation": state }),
        SigningEnded::Keeping(state) => json!({ "ended": "keeping", "rotation": state }),
        SigningEnded::Done { new, left, .. } => json!({ "ended": "done", "certificate": new, "left": left }),
    });
    Ok(Exit::Done)
}

fn told(ended: &SigningEnded) -> String {
    match ended {
        SigningEnded::Stopped(state) => format!(
            "Stopped: {}. `hybridge certificate rotate --target native` goes on, --back goes back.",
            state.stage.words()
        ),
        SigningEnded::Keeping(state) => format!(
            "Dynamics signs with {}. The old certificate is kept until {}; run this again after that, with --keep-days 0 to remove it \
             now, or with --back to go back.",
            state.new,
            state.keep_until.map(local).unwrap_or_default()
        ),
        SigningEnded::Done { new, left, .. } if left.is_empty() => {
            format!("Done: {new} is the only certificate.")
        }
        SigningEnded::Done { new, old, left } => format!(
            "Done: Dynamics signs with {new}, and Entra ID trusts no other. The old certificate {old} is left on {}: remove it there when \
             nothing else uses it.",
            left.join(", ")
        ),
    }
}

fn foretell(
    state: Option<&SigningState>,
    same_subject: bool,
    args: &RotateArgs,
    options: &SigningOptions,
    output: Output,
) {
    let begin = match &options.certificate {
        None => format!("make a private certificate valid for {} days", options.days),
        Some(new) => format!(
            "take {} ({}), which ends on {}",
            new.certificate().subject(),
            new.certificate().sha1_hex(),
            local(new.certificate().valid_until())
        ),
    };
    let exchange = if same_subject {
        "bring it to every server, where it waits beside the store, because the old one has the same subject; put it in the place of the old one \
         on the first server, have Dynamics open mailboxes, switch the configuration database, then on the other servers, one after the other"
    } else {
        "bring it to every server, switch the configuration database, start the services anew one server after the other"
    };
    let words = match (state, args.back) {
        (None, true) => "nothing: no rotation is under way".to_owned(),
        (Some(state), true) => {
            format!("have Dynamics sign with {} again and remove {}", state.old, state.new)
        }
        (None, false) => format!(
            "{begin}, have Entra ID trust it beside the old one, {exchange}, have Dynamics open mailboxes, keep both for {} days, remove the \
             old one",
            args.keep_days
        ),
        (Some(state), false) => format!("go on from: {}", state.stage.words()),
    };
    output.line(format!("Would {words}."));
    output.json(&json!({ "dry_run": true, "would": words, "rotation": state }));
}

impl StageName {
    fn signing(self) -> SigningStage {
        match self {
            Self::Issued => SigningStage::Issued,
            Self::Trusted => SigningStage::Trusted,
            Self::Distributed => SigningStage::Distributed,
            Self::Checked => SigningStage::Checked,
            Self::Switched => SigningStage::Switched,
            Self::Restarted => SigningStage::Restarted,
            Self::Proven => SigningStage::Proven,
        }
    }
}
