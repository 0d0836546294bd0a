//! A domain controller (Samba) and a web server with GSSAPI (Apache) in front of the sandbox's organization.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use super::{
    Sandbox,
    program::{Ended, ended, hybridge},
};

/// How long they may take until they are up, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);

/// The domain `contoso.test` with the web server `crm.contoso.test`. Both end with this guard.
#[derive(Debug)]
pub(crate) struct Domain {
    child: Child,
    folder: PathBuf,
}

impl Domain {
    /// The organization's address in it.
    pub(crate) const ORGANIZATION: &str = "https://crm.contoso.test/Contoso/";

    /// Whether this machine lets the domain have mounts and processes of its own.
    pub(crate) fn is_possible() -> bool {
        let tried = Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child"])
            .args(["sh", "-c", "mount -t tmpfs tmpfs /mnt && mount --bind /etc/hosts /etc/hosts"])
            .output();
        tried.is_ok_and(|tried| tried.status.success())
    }

    /// Starts both on a loopback address of their own. Needs root, for the ports below 1024.
    pub(crate) fn start(sandbox: &Sandbox) -> Self {
        let id = std::process::id().to_be_bytes();
        let address = format!("127.{}.{}.{}", 64 + (id[1] & 63), id[2], id[3].clamp(1, 254));
        // Not below the project: the web server's own user has to get there.
        let folder = env::temp_dir().join(format!("hybridge-domain-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        let log = fs::File::create(folder.join("serve.log")).unwrap();
        let child = Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/domain/serve"))
            .arg(&folder)
            .args([&address, sandbox.text("organization_listens"), sandbox.text("ca")])
            // It ends with this pipe, also when the test is killed.
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut domain = Self { child, folder };
        domain.wait_until_up();
        domain
    }

    fn wait_until_up(&mut self) {
        let pause = Duration::from_millis(100);
        for _ in 0..PATIENCE.as_millis() / pause.as_millis() {
            if self.folder.join("ready").exists() {
                return;
            }
            assert!(self.child.try_wait().unwrap().is_none(), "the domain ended: {}", self.logs());
            thread::sleep(pause);
        }
        panic!("the domain is not up: {}", self.logs());
    }

    fn logs(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.folder.join(name)).unwrap_or_default();
        ["serve.log", "provision.log", "tool.log", "samba.log", "apache.log"].map(read).join("\n")
    }

    /// A file that it made.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Runs a command of hybridge on a machine that knows the domain's names, with settings from the environment.
    pub(crate) fn run(&self, configuration: &Path, settings: &[(&str, &str)], arguments: &[&str]) -> Ended {
        let program = hybridge(configuration, arguments);
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "sh", "-c", "mount --bind \"$0\" /etc/hosts && exec \"$@\""])
            .arg(self.file("hosts"))
            .arg(program.get_program())
            .args(program.get_args())
            .envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))))
            .envs(settings.iter().copied())
            .stdin(Stdio::null());
        ended(&mut command)
    }

    /// A number that the directory keeps about an account.
    pub(crate) fn number(&self, account: &str, attribute: &str) -> i64 {
        let told = ended(
            Command::new("samba-tool")
                .args(["user", "show", account, "--attributes", attribute, "-H"])
                .arg(self.file("dc/private/sam.ldb"))
                .arg("--configfile")
                .arg(self.file("smb.conf")),
        );
        let value = told.stdout.lines().find_map(|line| line.strip_prefix(attribute)?.strip_prefix(": "));
        value.map_or(0, |value| value.parse().unwrap())
    }
}

impl Drop for Domain {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It may have ended by itself; what the test found out is worth more than that.
        let _killed = self.child.kill().and_then(|()| self.child.wait());
        if thread::panicking() {
            // The test has failed: this tells why.
            #[expect(clippy::print_stderr, reason = "the test's own report")]
            {
                eprintln!("{}", self.logs());
            }
        }
        let _removed = fs::remove_dir_all(&self.folder);
    }
}
