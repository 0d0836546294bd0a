//! `hybridge sandbox` as a program of its own.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::Value;

/// How long the sandbox may take until it is up, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// A sandbox on free ports, with a folder of its own. It ends with this guard.
#[derive(Debug)]
pub(crate) struct Sandbox {
    child: Child,
    folder: PathBuf,
    description: Value,
}

impl Sandbox {
    /// Starts a sandbox with a small company: four mailboxes, thirty messages, always the same ones.
    pub(crate) fn start(name: &str) -> Self {
        Self::with(name, 4, 30)
    }

    /// Starts a sandbox with a company of a size.
    pub(crate) fn with(name: &str, mailboxes: usize, messages: usize) -> Self {
        Self::with_arguments(name, mailboxes, messages, &[])
    }

    /// Starts a small sandbox where the trust is not set up.
    pub(crate) fn unconnected(name: &str) -> Self {
        Self::with_arguments(name, 4, 30, &["--unconnected"])
    }

    /// Starts a small sandbox where the trust is not set up, with two AD FS servers.
    pub(crate) fn with_two_adfs(name: &str) -> Self {
        Self::with_arguments(name, 4, 30, &["--unconnected", "--adfs-servers", "2"])
    }

    /// Starts a small sandbox whose organization stands behind a web server that does Windows authentication.
    pub(crate) fn behind(name: &str, address: &str) -> Self {
        Self::with_arguments(name, 4, 30, &["--windows-address", address])
    }

    pub(crate) fn with_arguments(name: &str, mailboxes: usize, messages: usize, arguments: &[&str]) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("sandbox-{name}"));
        if folder.exists() {
            fs::remove_dir_all(&folder).unwrap();
        }
        fs::create_dir_all(&folder).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_hybridge"))
            .args(["sandbox", "--json", "--mailboxes", &mailboxes.to_string()])
            .args(["--messages", &messages.to_string(), "--seed", "7", "--folder"])
            .arg(&folder)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(folder.join("stderr")).unwrap())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        // The guard has to exist before anything below can fail: it ends the program.
        let mut sandbox = Self { child, folder, description: Value::Null };
        let line = first_line(stdout).unwrap_or_default();
        fs::write(sandbox.description_file(), &line).unwrap();
        sandbox.description = serde_json::from_str(&line).unwrap_or_else(|error| {
            let log = fs::read_to_string(sandbox.folder.join("stderr")).unwrap_or_default();
            panic!("the sandbox did not describe itself ({error}): {line:?}\n{log}")
        });
        sandbox
    }

    /// The file with the line that the sandbox printed.
    pub(crate) fn description_file(&self) -> PathBuf {
        self.folder.join("description.json")
    }

    /// The folder with its certificates, secrets and ready configuration.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A text of the description.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.description[name].as_str().unwrap_or_else(|| panic!("no {name} in {}", self.description))
    }

    /// The address of a mailbox.
    pub(crate) fn address(&self, number: usize) -> &str {
        self.description["mailboxes"][number]["address"].as_str().unwrap()
    }

    /// How many mailboxes there are.
    pub(crate) fn mailboxes(&self) -> usize {
        self.description["mailboxes"].as_array().map_or(0, Vec::len)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // It may have ended by itself; what the test found out is worth more than that.
        let _killed = self.child.kill().and_then(|()| self.child.wait());
        if !thread::panicking() {
            let _removed = fs::remove_dir_all(&self.folder);
        }
    }
}

/// The first line of a program's output; `None` when it ends or takes too long without one.
fn first_line(output: ChildStdout) -> Option<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut output = BufReader::new(output);
        let mut line = String::new();
        let read = output.read_line(&mut line).is_ok_and(|bytes| bytes > 0);
        // The test is gone when nobody listens any more.
        let _sent = sender.send(read.then_some(line));
        // A pipe that nobody empties would block the program.
        let _drained = output.read_to_end(&mut Vec::new());
    });
    receiver.recv_timeout(PATIENCE).ok().flatten()
}
