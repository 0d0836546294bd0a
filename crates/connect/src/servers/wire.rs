//! How a script, its data and its secret travel to `powershell.exe`, and what comes back.
//!
//! Everything goes through the standard input, nothing through the command line: process lists and the logs of command
//! lines hold only [`BOOTSTRAP`]. Windows logs the text of scripts (event 4104), so that secrets are no part of it; they
//! become a `SecureString` character by character.

use std::fmt;

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use hybridge_core::trouble::{Class, Trouble};
use hybridge_identity::{ExposeSecret, SecretString};
use serde_json::Value;

use super::{Order, Reach, refusal::explained};
use crate::Obstacle;

/// What `powershell.exe` is started with: reads four lines of base64 (mode, script, data, secret) and runs the script.
const BOOTSTRAP: &str = include_str!("../../scripts/bootstrap.ps1");

/// The arguments of `powershell.exe`.
fn arguments() -> Vec<String> {
    let utf16: Vec<u8> = BOOTSTRAP.encode_utf16().flat_map(u16::to_le_bytes).collect();
    ["-NoLogo", "-NoProfile", "-NonInteractive", "-EncodedCommand"]
        .into_iter()
        .map(str::to_owned)
        .chain([STANDARD.encode(utf16)])
        .collect()
}

/// What goes into the standard input. Holds the secret.
fn input(order: Order<'_>) -> SecretString {
    let line = |text: &str| format!("{}\n", STANDARD.encode(text));
    let secret = order.secret.map(ExposeSecret::expose_secret).unwrap_or_default();
    let lines = [order.mode.as_str(), order.script.text, &order.data.to_string(), secret];
    SecretString::from(lines.into_iter().map(line).collect::<String>())
}

/// What `powershell.exe` left behind.
#[derive(Debug, Clone, Default)]
pub struct Ended {
    /// The exit code.
    pub code: i64,
    /// The standard output.
    pub stdout: String,
    /// The standard error.
    pub stderr: String,
}

/// Starts `powershell.exe`, Windows PowerShell 5.1, somewhere.
#[async_trait]
pub trait Powershell: Send + Sync + fmt::Debug {
    /// Starts it with these arguments and this standard input, and waits until it ends. The input holds secrets.
    ///
    /// # Errors
    /// When the server can't be reached, or it can't be started there.
    async fn start(
        &self,
        server: &str,
        arguments: &[String],
        input: &SecretString,
    ) -> Result<Ended, Obstacle>;
}

/// The way to a server through its PowerShell.
#[derive(Debug)]
pub struct Through<P>(pub P);

#[async_trait]
impl<P: Powershell> Reach for Through<P> {
    async fn run(&self, server: &str, order: Order<'_>) -> Result<Value, Obstacle> {
        let ended = self.0.start(server, &arguments(), &input(order)).await?;
        answer(server, order, &ended)
    }
}

/// The object that the script printed, or what it failed with.
fn answer(server: &str, order: Order<'_>, ended: &Ended) -> Result<Value, Obstacle> {
    let printed = ended.stdout.trim().trim_start_matches('\u{feff}');
    let printed: Option<Value> = serde_json::from_str(printed).ok();
    let failed = printed.as_ref().and_then(|object| object.get("error"));
    if let Some(error) = failed.and_then(Value::as_str) {
        return Err(explained(server, order, error).into());
    }
    match printed {
        Some(object @ Value::Object(_)) if ended.code == 0 => Ok(object),
        _ if !ended.stderr.trim().is_empty() => Err(explained(server, order, ended.stderr.trim()).into()),
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
