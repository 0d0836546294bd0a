//! Scripts for servers that are worked on by hand (setup.md 6.3): a folder that an administrator carries there, and the
//! results that come back.
//!
//! [`export`] asks every step what it would run, and lets none of it run. [`import`] takes back what the runner wrote, and
//! from then on [`ByBundle`] answers with it as if the server had been asked.

mod collect;
mod export;
mod import;
mod readings;
#[cfg(test)]
mod tests;
mod texts;

use std::{io, path::PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

pub use export::{Bundle, Left, Seal, export};
pub use import::{Imported, import};
pub use readings::{Bundles, ByBundle};

/// What a bundle holds (`manifest.json`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The bundle's id.
    pub bundle: Uuid,
    /// When it was made.
    pub created: Timestamp,
    /// Until when its runner works.
    pub expires: Timestamp,
    /// What is to be run, in order.
    pub orders: Vec<Entry>,
}

/// A script for one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its name in the bundle.
    pub id: String,
    /// The step.
    pub step: String,
    /// What the step is for.
    pub title: String,
    /// The role that its operator needs.
    pub role: String,
    /// The server.
    pub server: String,
    /// The script's file.
    pub script: String,
    /// The SHA-256 of its text, in hex, without a signature and without what is empty at its end.
    pub sha256: String,
    /// Whether it has to be run as administrator.
    #[serde(rename = "needsElevation")]
    pub needs_elevation: bool,
    /// The steps of this bundle that come before it.
    #[serde(rename = "dependsOn")]
    pub depends_on: Vec<String>,
    /// What has to be applied before on other servers, in words.
    pub elsewhere: Vec<String>,
    /// The member of what was found that is put back by `Undo`; empty for all of it.
    pub undoes: String,
    /// What it looks with.
    pub probes: Vec<Input>,
    /// What it is applied with; empty where it only looks.
    pub applies: Vec<Input>,
}

/// The data that a script is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Its file.
    pub file: String,
    /// The SHA-256 of its text, as that of a script.
    pub sha256: String,
    /// What is asked for before it is used: the words of the prompt; empty where no secret is needed.
    pub secret: String,
}

/// What went wrong with a bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// A file can't be used.
    #[error("{path} can't be used: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of Hybridge's own is no JSON.
    #[error("{path} is damaged: {why}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A result is not as the runner wrote it.
    #[error("{file} is not as run.ps1 wrote it: {why}")]
    Altered {
        /// The file.
        file: String,
        /// What does not fit.
        why: String,
    },
    /// A result of a bundle that was not made here.
    #[error("{file} is the result of the bundle {bundle}, which was not made with this configuration")]
    Unknown {
        /// The file.
        file: String,
        /// The bundle.
        bundle: Uuid,
    },
    /// The audit log can't be written.
    #[error(transparent)]
    Journal(#[from] crate::JournalError),
}

impl BundleError {
    /// What to do.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::File { .. } => "Check the path, and that this account may read and write there.",
            Self::Damaged { .. } => {
                "Move the file away, and run run.ps1 -Mode Probe of a new bundle on each server: hybridge connect export"
            }
            Self::Altered { .. } => {
                "Nothing was taken over. Run run.ps1 -Mode Probe on that server again, and bring the new results file as it is, in a ZIP."
            }
            Self::Unknown { .. } => {
                "Import it where the bundle was made; or make one here: hybridge connect export"
            }
            Self::Journal(_) => "Check that this account may write into the folder of the audit log.",
        }
    }
}

/// The SHA-256 of a text as the runner computes it: a signature and what is empty at the end do not count.
fn hash(text: &str) -> String {
    const SIGNATURE: &str = "# SIG # Begin signature block";
    let text = text.split_once(SIGNATURE).map_or(text, |(text, _)| text).trim_end();
    Sha256::digest(text.as_bytes()).iter().fold(String::new(), |mut hex, byte| {
        use std::fmt::Write;
        // Writing to a String can't fail.
        let _written = write!(hex, "{byte:02x}");
        hex
    })
}

/// A text with the line ends that editors of Windows want.
fn lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\n', "\r\n")
}

/// Data as they are written into a file, which is also how they are compared.
fn written(data: &Value) -> String {
    format!("{data:#}\n")
}

/// A server's name as Windows calls the computer.
fn host(server: &str) -> String {
    const LONGEST: usize = 15;
    server.split('.').next().unwrap_or(server).chars().take(LONGEST).collect::<String>().to_uppercase()
}
