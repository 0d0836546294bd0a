use std::{env, fs, io::IsTerminal, path::Path};

use secrecy::SecretString;
use serde::Deserialize;

use crate::{
    error::{Failure, Result},
    exit::Exit,
};

/// Where a secret is to be had: never in the configuration itself, never in an argument.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SecretSource {
    /// An environment variable.
    Env(String),
    /// A file; its last line end does not count.
    File(String),
    /// Asked for on the terminal, with these words.
    Prompt(String),
}

impl SecretSource {
    /// Fetches the secret. `what` names it in messages.
    pub(crate) fn fetch(&self, folder: &Path, what: &str) -> Result<SecretString> {
        match self {
            Self::Env(name) => env::var(name).map(SecretString::from).map_err(|_| {
                Failure::new(Exit::Configuration, format!("{what}: the environment variable {name} is not set"))
                    .help(format!("Set {name}, or change the reference in the configuration to {{ file = \"…\" }} or {{ prompt = \"…\" }}."))
            }),
            Self::File(path) => {
                let path = folder.join(path);
                fs::read_to_string(&path).map(|text| SecretString::from(text.trim_end_matches(['\r', '\n']))).map_err(|error| {
                    Failure::new(Exit::Configuration, format!("{what}: the file {} can't be read: {error}", path.display()))
                        .help("Check the path (it is relative to the configuration file) and that this account may read it.")
                })
            }
            Self::Prompt(words) => {
                if !std::io::stdin().is_terminal() {
                    return Err(Failure::new(Exit::Configuration, format!("{what}: there is no terminal to ask on"))
                        .help("Use { env = \"…\" } or { file = \"…\" } where nobody sits at the keyboard."));
                }
                dialoguer::Password::new().with_prompt(words).interact().map(SecretString::from).map_err(|error| {
                    Failure::new(Exit::Configuration, format!("{what}: nothing could be read from the terminal: {error}"))
                })
            }
        }
    }
}
/// The password of a certificate file: from a file, from `HYBRIDGE_PFX_PASSWORD`, or asked for on the terminal.
pub(crate) fn pfx_password(file: Option<&Path>) -> Result<SecretString> {
    const VARIABLE: &str = "HYBRIDGE_PFX_PASSWORD";
    let source = match file {
        Some(path) => SecretSource::File(path.display().to_string()),
        None if env::var_os(VARIABLE).is_some() => SecretSource::Env(VARIABLE.to_owned()),
        None if std::io::stdin().is_terminal() => SecretSource::Prompt("Password of the PFX file".to_owned()),
        None => {
            return Err(Failure::new(Exit::Configuration, "the password of the PFX file is not known").help(
                format!("Set {VARIABLE}, name a file with --password-file, or run this on a terminal."),
            ));
        }
    };
    source.fetch(Path::new(""), "the password of the PFX file")
}
