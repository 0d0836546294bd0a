//! PowerShell on this machine.

use std::{path::PathBuf, process::Stdio};

use async_trait::async_trait;
use hybridge_core::trouble::{Class, Trouble};
use hybridge_identity::ExposeSecret;
use serde_json::Value;
use tokio::{io::AsyncWriteExt, process::Command};

use super::{Order, Reach, wire};
use crate::Obstacle;

/// Windows PowerShell 5.1 on the machine that Hybridge runs on.
#[derive(Debug, Clone)]
pub struct Here {
    program: PathBuf,
}

impl Here {
    /// By this program: `powershell.exe`. PowerShell 7 can't load the snap-in of Dynamics (setup.md 2.3).
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into() }
    }

    async fn ended(&self, order: Order<'_>) -> std::io::Result<wire::Ended> {
        let mut child = Command::new(&self.program)
            .args(wire::arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(wire::input(order).expose_secret().as_bytes()).await?;
        }
        let output = child.wait_with_output().await?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().map_or(-1, i64::from);
        Ok(wire::Ended { code, stdout: text(&output.stdout), stderr: text(&output.stderr) })
    }
}

#[async_trait]
impl Reach for Here {
    async fn run(&self, server: &str, order: Order<'_>) -> Result<Value, Obstacle> {
        let ended = self.ended(order).await.map_err(|error| {
            Trouble::new(
                Class::Denied,
                format!("{} can't be started here for {server}: {error}", self.program.display()),
                "Run this command on the server itself, on Windows; or write reach = \"winrm\" or \"bundle\" for this server.",
            )
        })?;
        wire::answer(server, order, &ended)
    }
}
