//! A certificate authority that speaks ACME: Debian's `pebble`, with its DNS server. It refuses a share of valid
//! requests on purpose; that stays on.

use std::{
    fs::{self, File},
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use hybridge_net::{Https, Request, Transport as _, http::Method};
use serde_json::json;

use super::{Ended, hybridge};

/// How long its certificates are valid.
pub(crate) const DAYS: u32 = 90;

/// A running authority with a folder of its own. It ends with this guard.
#[derive(Debug)]
pub(crate) struct Authority {
    programs: Vec<Child>,
    folder: PathBuf,
    directory_port: u16,
    management_port: u16,
    http_port: u16,
    dns_management_port: u16,
    dns_port: u16,
}

impl Authority {
    /// Starts one that refuses as many nonces as it does by itself.
    pub(crate) fn start(name: &str) -> Self {
        Self::refusing(name, None)
    }

    /// Starts one that refuses a share of the nonces, in per cent.
    pub(crate) fn refusing(name: &str, nonces: Option<u8>) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("acme-{name}"));
        // A port that was free a moment ago can be taken by now.
        for attempt in 1..=4 {
            if folder.exists() {
                fs::remove_dir_all(&folder).unwrap();
            }
            fs::create_dir_all(&folder).unwrap();
            let mut authority = Self::on_free_ports(folder.clone());
            authority.launch(nonces);
            if authority.is_up() {
                return authority;
            }
            let log = fs::read_to_string(folder.join("pebble.log")).unwrap_or_default();
            assert!(attempt < 4, "pebble does not come up: {log}");
        }
        unreachable!("the last attempt returns or fails")
    }

    fn on_free_ports(folder: PathBuf) -> Self {
        // All are held until the last one is chosen, so that they differ.
        let held: Vec<TcpListener> = (0..5).map(|_| TcpListener::bind(("127.0.0.1", 0)).unwrap()).collect();
        let port = |index: usize| held[index].local_addr().unwrap().port();
        Self {
            programs: Vec::new(),
            folder,
            directory_port: port(0),
            management_port: port(1),
            http_port: port(2),
            dns_management_port: port(3),
            dns_port: port(4),
        }
    }

    fn launch(&mut self, nonces: Option<u8>) {
        self.make_tls_certificate();
        let config = json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{}", self.directory_port),
            "managementListenAddress": format!("127.0.0.1:{}", self.management_port),
            "certificate": self.folder.join("server.pem"),
            "privateKey": self.folder.join("server.key"),
            "httpPort": self.http_port,
            "tlsPort": 1,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
            "certificateValidityPeriod": u64::from(DAYS) * 86_400,
        } });
        fs::write(self.folder.join("pebble.json"), config.to_string()).unwrap();
        // UDP and TCP: a port that is free for the one is free for both as a rule.
        let dns = format!("127.0.0.1:{}", self.dns_port);
        let mut names = Command::new("pebble-challtestsrv");
        names.args(["-dns01", &dns, "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", ""]);
        names.args(["-management", &format!("127.0.0.1:{}", self.dns_management_port)]);
        self.spawn(names, "dns.log");
        let mut pebble = Command::new("pebble");
        pebble.arg("-config").arg(self.folder.join("pebble.json")).args(["-dnsserver", &dns]);
        // Without this it waits up to 15 seconds before each look.
        pebble.env("PEBBLE_VA_NOSLEEP", "1");
        if let Some(nonces) = nonces {
            pebble.env("PEBBLE_WFE_NONCEREJECT", nonces.to_string());
        }
        self.spawn(pebble, "pebble.log");
    }

    fn spawn(&mut self, mut command: Command, log: &str) {
        let log = File::create(self.folder.join(log)).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let started = command.spawn();
        self.programs
            .push(started.unwrap_or_else(|error| panic!("tests/clients/install installs it: {error}")));
    }

    fn is_up(&mut self) -> bool {
        let ports = [self.directory_port, self.management_port, self.dns_management_port];
        (0..600).any(|_| {
            thread::sleep(Duration::from_millis(50));
            ports.iter().all(|&port| TcpStream::connect(("127.0.0.1", port)).is_ok())
        }) && self.programs.iter_mut().all(|program| program.try_wait().unwrap().is_none())
    }

    /// A certificate for its own TLS, from a root of its own.
    fn make_tls_certificate(&self) {
        fs::write(self.folder.join("v3"), "basicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost\n")
            .unwrap();
        for arguments in [
            "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 30 -subj /CN=Test-CA",
            "req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost",
            "x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 30 -extfile v3",
        ] {
            self.openssl(&arguments.split(' ').collect::<Vec<_>>());
        }
    }

    /// Runs OpenSSL in the folder; what it printed.
    pub(crate) fn openssl(&self, arguments: &[&str]) -> String {
        let output = Command::new("openssl").current_dir(&self.folder).args(arguments).output().unwrap();
        assert!(
            output.status.success(),
            "openssl {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The folder that `request` works in.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where it looks for HTTP proofs, whatever the name.
    pub(crate) fn http_address(&self) -> String {
        format!("127.0.0.1:{}", self.http_port)
    }

    /// `hybridge certificate request` towards it, ready to be run; a path begins with `./`.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let directory = format!("https://localhost:{}/dir", self.directory_port);
        let mut all = vec!["certificate", "request", "--directory", &directory, "--ca", "ca.pem"];
        all.extend(arguments);
        let mut command = hybridge(Path::new("none.toml"), &all);
        command.current_dir(&self.folder);
        command
    }

    /// Asks it for a certificate, accepting its terms.
    pub(crate) fn request(&self, arguments: &[&str]) -> Ended {
        let mut all = vec!["--accept-terms", "--json"];
        all.extend(arguments);
        Ended::of(&mut self.command(&all))
    }

    /// Its root, as PEM, written to `root.pem`.
    pub(crate) fn write_root(&self) {
        let url = format!("https://localhost:{}/roots/0", self.management_port).parse().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let https = Https::new(&[fs::read(self.folder.join("ca.pem")).unwrap()]).unwrap();
        let answer = runtime.block_on(https.send(Request::new(Method::GET, url))).unwrap();
        assert!(answer.status.is_success(), "{}", answer.status);
        fs::write(self.folder.join("root.pem"), &answer.body).unwrap();
    }

    /// A hook that sets records in its DNS and notes its calls in `calls`. `first` is shell that is run before, and
    /// may change `value` or leave.
    pub(crate) fn hook(&self, first: &str) -> String {
        let path = self.folder.join("hook");
        let script = format!(
            r#"#!/usr/bin/env bash
name=$HYBRIDGE_ACME_NAME value=$HYBRIDGE_ACME_VALUE
echo "$1 $name $value ${{HYBRIDGE_PFX_PASSWORD-}}" >> '{folder}/calls'
{first}
case $1 in
    present) what=set-txt ;;
    cleanup) what=clear-txt ;;
esac
body="{{\"host\":\"$name.\",\"value\":\"$value\"}}"
exec 3<>/dev/tcp/127.0.0.1/{port}
printf 'POST /%s HTTP/1.0\r\nContent-Length: %s\r\n\r\n%s' "$what" "${{#body}}" "$body" >&3
read -r status <&3
[[ $status == *200* ]]
"#,
            folder = self.folder.display(),
            port = self.dns_management_port,
        );
        fs::write(&path, script).unwrap();
        make_executable(&path);
        path.display().to_string()
    }

    /// The hook's calls, each as verb, name and value.
    pub(crate) fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.folder.join("calls")).unwrap_or_default();
        calls.lines().map(|call| call.trim_end().to_owned()).collect()
    }

    /// Whether every `present` of the hook was followed by its `cleanup`.
    pub(crate) fn is_cleaned_up(&self) -> bool {
        let calls = self.calls();
        let presented = calls.iter().filter_map(|call| call.strip_prefix("present ")).collect::<Vec<_>>();
        !presented.is_empty()
            && presented
                .iter()
                .all(|proof| calls.iter().filter(|call| **call == format!("cleanup {proof}")).count() == 1)
    }
}

fn make_executable(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

impl Drop for Authority {
    fn drop(&mut self) {
        for program in &mut self.programs {
            let _ended = program.kill().and_then(|()| program.wait());
        }
        if !thread::panicking() {
            let _removed = fs::remove_dir_all(&self.folder);
        }
    }
}
