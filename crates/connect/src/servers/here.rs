//! PowerShell on this machine.

use std::{path::PathBuf, process::Stdio};

use async_trait::async_trait;
use hybridge_core::trouble::{Class, Trouble};
use hybridge_identity::{ExposeSecret, SecretString};
use tokio::{io::AsyncWriteExt, process::Command};

use super::{Ended, Powershell};
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

    async fn ended(&self, arguments: &[String], input: &SecretString) -> std::io::Result<Ended> {
        let mut child = Command::new(&self.program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(input.expose_secret().as_bytes()).await?;
        }
        let output = child.wait_with_output().await?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let code = output.status.code().map_or(-1, i64::from);
        Ok(Ended { code, stdout: text(&output.stdout), stderr: text(&output.stderr) })
    }
}

#[async_trait]
impl Powershell for Here {
    async fn start(
        &self,
        server: &str,
        arguments: &[String],
        input: &SecretString,
    ) -> Result<Ended, Obstacle> {
        self.ended(arguments, input).await.map_err(|error| {
            Trouble::new(
                Class::Denied,
                format!("{} can't be started here for {server}: {error}", self.program.display()),
                "Run this command on the server itself, on Windows; or write reach = \"winrm\" or \"bundle\" for this server.",
            )
            .into()
        })
    }
}
