//! DNS-01 through a program of the administrator's: whatever serves the domain's DNS has a tool.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use async_trait::async_trait;
use hybridge_connect::acme::{ChallengeKind, Proof, Responder};
use tokio::process::Command;

use crate::{
    error::{Failure, Result},
    exit::Exit,
};

/// How long the program may take: it may wait until a zone is transferred.
const PATIENCE: Duration = Duration::from_mins(15);
/// How much of its output is told, in characters.
const TOLD: usize = 2000;

/// Calls the program with `present` and `cleanup`.
#[derive(Debug)]
pub(crate) struct Hook {
    program: PathBuf,
}

impl Hook {
    /// A program by its path, or by a name that is looked up as a command line does.
    pub(super) fn new(program: &Path) -> Result<Self> {
        if program.is_file() {
            let absolute = std::path::absolute(program).unwrap_or_else(|_| program.to_owned());
            return Ok(Self { program: absolute });
        }
        if program.components().count() > 1 {
            let what = format!("there is no program {}", program.display());
            return Err(
                Failure::new(Exit::Configuration, what).help("Check the path given with --dns01-hook.")
            );
        }
        Ok(Self { program: program.to_owned() })
    }

    async fn call(&self, verb: &str, proof: &Proof) -> std::result::Result<(), String> {
        let shown = format!("{} {verb}", self.program.display());
        let child = Command::new(&self.program)
            .arg(verb)
            .env("HYBRIDGE_ACME_NAME", proof.record_name())
            .env("HYBRIDGE_ACME_VALUE", proof.record_value())
            // It has no business with it.
            .env_remove("HYBRIDGE_PFX_PASSWORD")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{shown} can't be started: {error}"))?;
        let ended = tokio::time::timeout(PATIENCE, child.wait_with_output())
            .await
            .map_err(|_| format!("{shown} had not ended after {} minutes", PATIENCE.as_secs() / 60))?
            .map_err(|error| format!("{shown} can't be waited for: {error}"))?;
        if ended.status.success() {
            return Ok(());
        }
        let said =
            [ended.stdout, ended.stderr].map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
        let said = said.iter().filter(|text| !text.is_empty()).cloned().collect::<Vec<_>>().join("\n");
        Err(format!("{shown} ended with {}{}", ended.status, tail(&said)))
    }
}

fn tail(said: &str) -> String {
    if said.is_empty() {
        return " and said nothing".to_owned();
    }
    let clean = |letter: char| if letter.is_control() && letter != '\n' { ' ' } else { letter };
    let skipped = said.chars().count().saturating_sub(TOLD);
    let told: String = said.chars().skip(skipped).map(clean).collect();
    format!(" and said: {}{told}", if skipped > 0 { "… " } else { "" })
}

#[async_trait]
impl Responder for Hook {
    fn kind(&self) -> ChallengeKind {
        ChallengeKind::Dns01
    }

    async fn present(&self, proof: &Proof) -> std::result::Result<(), String> {
        self.call("present", proof).await
    }

    async fn withdraw(&self, proof: &Proof) -> std::result::Result<(), String> {
        self.call("cleanup", proof).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_long_output_is_told() {
        assert_eq!(tail(""), " and said nothing");
        assert_eq!(tail("no\tzone"), " and said: no zone");
        let long = format!("{}the end", "x".repeat(3 * TOLD));
        assert!(tail(&long).ends_with("the end") && tail(&long).chars().count() < TOLD + 20);
    }
}
