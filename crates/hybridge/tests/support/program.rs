//! `hybridge` run as its users run it.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;
use url::Url;

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Runs a command to its end.
    pub(crate) fn of(command: &mut Command) -> Self {
        ended(command)
    }

    /// The JSON object that it printed.
    pub(crate) fn json(&self) -> Value {
        let line = self.stdout.lines().last().unwrap_or_default();
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

/// A command on a configuration.
pub(crate) fn hybridge(configuration: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hybridge"));
    command.arg("--config").arg(configuration).args(arguments).stdin(Stdio::null()).env("NO_COLOR", "1");
    command
}

/// Runs a command to its end.
pub(crate) fn run(configuration: &Path, arguments: &[&str]) -> Ended {
    ended(&mut hybridge(configuration, arguments))
}

/// Runs a command with a file system of its own on a folder, made with these options of `mount -t tmpfs`, in
/// which `prepare` (a line of shell) is done first. `None` where the machine allows nobody to mount.
pub(crate) fn run_on_own_disk(
    disk: &Path,
    options: &str,
    prepare: &str,
    configuration: &Path,
    arguments: &[&str],
) -> Option<Ended> {
    let namespace = ["--user", "--map-root-user", "--mount"];
    let mount =
        format!("mount -t tmpfs -o size=64m tmpfs \"$0\" && {prepare} && mount -o remount,{options} \"$0\"");
    let possible = Command::new("unshare").args(namespace).args(["sh", "-c", &mount]).arg(disk).output();
    if !possible.is_ok_and(|tried| tried.status.success()) {
        return None;
    }
    let script = format!("{mount} && exec \"$@\"");
    let program = hybridge(configuration, arguments);
    let mut command = Command::new("unshare");
    command.args(namespace).args(["sh", "-c", &script]).arg(disk);
    command.arg(program.get_program()).args(program.get_args()).stdin(Stdio::null()).env("NO_COLOR", "1");
    Some(ended(&mut command))
}

pub(super) fn ended(command: &mut Command) -> Ended {
    let output = command.output().unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A program that runs until it is killed.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    console: SocketAddr,
}

impl Running {
    pub(crate) fn start(configuration: &Path) -> Self {
        // The ready configuration names a fixed port; any free one will do.
        let free = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        let child = hybridge(configuration, &["run"])
            .env("HYBRIDGE_CONSOLE_LISTEN", free.to_string())
            .env("HYBRIDGE_CONSOLE_NOTIFICATION_URL", format!("http://{free}/graph/notifications"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, console: free }
    }

    /// Waits until it listens, which it does when it holds its database.
    pub(crate) fn wait_until_up(&self) {
        let up = (0..600).any(|_| {
            let connected = TcpStream::connect(self.console).is_ok();
            if !connected {
                thread::sleep(Duration::from_millis(50));
            }
            connected
        });
        assert!(up, "`hybridge run` does not listen on {}", self.console);
    }

    /// An address of its console.
    pub(crate) fn url(&self, path: &str) -> Url {
        format!("http://{}/{path}", self.console).parse().unwrap()
    }

    /// SIGKILL, and waits until it is gone.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}
