//! How a script, its data and its secret travel to `powershell.exe`, and what comes back.
//!
//! Everything goes through the standard input, nothing through the command line: process lists and the logs of command
//! lines hold only [`BOOTSTRAP`]. Windows logs the text of scripts (event 4104), so that secrets are no part of it; they
//! become a `SecureString` character by character.

use base64::{Engine, engine::general_purpose::STANDARD};
use hybridge_core::trouble::{Class, Trouble};
use hybridge_identity::{ExposeSecret, SecretString};
use serde_json::Value;

use super::{Order, catalogue};
use crate::Obstacle;

/// What `powershell.exe` is started with: reads four lines of base64 (mode, script, data, secret) and runs the script.
pub(crate) const BOOTSTRAP: &str = include_str!("../../scripts/bootstrap.ps1");

/// The arguments of `powershell.exe`.
pub(crate) fn arguments() -> Vec<String> {
    let utf16: Vec<u8> = BOOTSTRAP.encode_utf16().flat_map(u16::to_le_bytes).collect();
    ["-NoLogo", "-NoProfile", "-NonInteractive", "-EncodedCommand"]
        .into_iter()
        .map(str::to_owned)
        .chain([STANDARD.encode(utf16)])
        .collect()
}

/// What goes into the standard input. Holds the secret.
pub(crate) fn input(order: Order<'_>) -> SecretString {
    let line = |text: &str| format!("{}\n", STANDARD.encode(text));
    let secret = order.secret.map(ExposeSecret::expose_secret).unwrap_or_default();
    let lines = [order.mode.as_str(), order.script.text, &order.data.to_string(), secret];
    SecretString::from(lines.into_iter().map(line).collect::<String>())
}

/// What `powershell.exe` left behind.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ended {
    /// The exit code.
    pub(crate) code: i64,
    /// The standard output.
    pub(crate) stdout: String,
    /// The standard error.
    pub(crate) stderr: String,
}

/// The object that the script printed, or what it failed with.
pub(crate) fn answer(server: &str, order: Order<'_>, ended: &Ended) -> Result<Value, Obstacle> {
    let printed = ended.stdout.trim().trim_start_matches('\u{feff}');
    let printed: Option<Value> = serde_json::from_str(printed).ok();
    let failed = printed.as_ref().and_then(|object| object.get("error"));
    if let Some(error) = failed.and_then(Value::as_str) {
        return Err(catalogue::explained(server, order, error).into());
    }
    match printed {
        Some(object @ Value::Object(_)) if ended.code == 0 => Ok(object),
        _ if !ended.stderr.trim().is_empty() => {
            Err(catalogue::explained(server, order, ended.stderr.trim()).into())
        }
        _ => {
            let what = format!(
                "{server} ended the script {} without an answer (exit code {})",
                order.script.name, ended.code
            );
            Err(Trouble::new(
                Class::Denied,
                what,
                "Run Windows PowerShell 5.1 on the server by hand and see whether it starts.",
            )
            .into())
        }
    }
}
