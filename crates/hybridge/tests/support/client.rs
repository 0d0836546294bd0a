//! The client libraries of other makers, each driven by a small script in `tests/clients/`.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use super::Sandbox;

/// Runs a Python script against a sandbox; what it saw.
pub(crate) fn python(script: &str, sandbox: &Sandbox) -> Value {
    python_with(script, &[sandbox.description_file().as_os_str()])
}

/// Runs a Python script with arguments; what it saw.
pub(crate) fn python_with(script: &str, arguments: &[&OsStr]) -> Value {
    let mut command = Command::new("python3");
    command
        .arg(scripts().join("python").join(script))
        .args(arguments)
        .env("PYTHONPATH", libraries().join("python"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        // These would win over the certificate authority that the scripts name.
        .env_remove("REQUESTS_CA_BUNDLE")
        .env_remove("CURL_CA_BUNDLE");
    what_it_saw(command)
}

/// Runs a Node script against a sandbox; what it saw.
pub(crate) fn node(script: &str, sandbox: &Sandbox) -> Value {
    let mut command = Command::new("node");
    command
        .arg(scripts().join("node").join(script))
        .arg(sandbox.description_file())
        .env("NODE_PATH", libraries().join("node/node_modules"))
        .env("NODE_EXTRA_CA_CERTS", sandbox.text("ca"));
    what_it_saw(command)
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

fn libraries() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.clients");
    assert!(
        folder.join("stamp").exists(),
        "the client libraries are not installed: run ./test (or crates/hybridge/tests/clients/install)"
    );
    folder
}

fn what_it_saw(mut command: Command) -> Value {
    for proxy in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(proxy);
    }
    let output = command.output().unwrap_or_else(|error| panic!("{command:?} can't be run: {error}"));
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{stdout}\n{stderr}", output.status);
    let line = stdout.lines().last().unwrap_or_default();
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {stdout}\n{stderr}"))
}
