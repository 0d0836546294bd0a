//! Every certificate that this installation depends on and that Hybridge can see without an administrator (setup.md 5.1).

use hybridge_connect::rotation::{Urgency, urgency};
use hybridge_identity::Certificate;
use hybridge_net::{Clock as _, SystemClock, peer_certificate};
use jiff::Timestamp;
use serde::Serialize;
use url::Url;

use crate::{
    config::{Config, ReachName},
    error::Result,
    trust,
    wiring::{self, Ground, SignIn},
};

/// A certificate in use.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Held {
    /// A short name for metrics.
    pub(super) name: String,
    /// What it is used for.
    pub(super) used_for: String,
    /// Where it lies or is known.
    pub(super) places: Vec<String>,
    /// Whose it is.
    pub(super) subject: String,
    /// SHA-1, hex.
    pub(super) thumbprint: String,
    pub(super) valid_from: Timestamp,
    pub(super) valid_until: Timestamp,
    pub(super) days_left: i64,
    pub(super) urgency: Urgency,
    /// What renews it.
    pub(super) renewal: String,
}

/// A place where none could be seen, and why.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Unseen {
    pub(super) place: String,
    pub(super) why: String,
}

/// All of them, those that end first at the beginning.
pub(super) async fn held(config: &Config) -> Result<(Vec<Held>, Vec<Unseen>)> {
    let mut found = vec![own(config)?];
    let mut unseen = Vec::new();
    if let Some(signing) = signing(config)? {
        found.push(signing);
    }
    for (name, used_for, address, renewal) in addresses(config).await? {
        match peer_certificate(&address).await.map(Certificate::from_der) {
            Ok(Ok(certificate)) => {
                let place = address.origin().ascii_serialization();
                found.push(of(&certificate, (name, used_for), vec![place], renewal));
            }
            Ok(Err(error)) => unseen.push(Unseen { place: address.to_string(), why: error.to_string() }),
            Err(why) => unseen.push(Unseen { place: address.to_string(), why }),
        }
    }
    found.sort_by_key(|held| held.valid_until);
    Ok((found, unseen))
}

fn of(
    certificate: &Certificate,
    (name, used_for): (String, String),
    places: Vec<String>,
    renewal: &str,
) -> Held {
    let now = SystemClock.now();
    let (from, until) = (certificate.valid_from(), certificate.valid_until());
    Held {
        name,
        used_for,
        places,
        subject: certificate.subject().to_owned(),
        thumbprint: certificate.sha1_hex(),
        valid_from: from,
        valid_until: until,
        days_left: now.duration_until(until).as_hours() / 24,
        urgency: urgency(from, until, now),
        renewal: renewal.to_owned(),
    }
}

fn own(config: &Config) -> Result<Held> {
    let credential = wiring::credential(config)?;
    let places = vec![config.path(&config.tenant.certificate).display().to_string(), "Entra ID".to_owned()];
    let what = ("sign-in".to_owned(), "Hybridge signs in to Entra ID".to_owned());
    Ok(of(credential.certificate(), what, places, "hybridge certificate rotate"))
}

/// The one that Dynamics signs with, where Hybridge has made it or was told of it.
fn signing(config: &Config) -> Result<Option<Held>> {
    let Some(section) = &config.native else { return Ok(None) };
    let signing = trust::signing(config, section)?;
    let Ok(credential) = signing.files.current() else { return Ok(None) };
    let servers = section.servers.iter().filter(|server| server.signs()).map(|server| server.name.clone());
    let places =
        ["Entra ID".to_owned(), "the configuration database".to_owned()].into_iter().chain(servers).collect();
    let what = ("signing".to_owned(), "Dynamics signs its tokens for Exchange Online".to_owned());
    Ok(Some(of(credential.certificate(), what, places, "hybridge certificate rotate --target native")))
}

/// The servers that show a certificate of their own.
async fn addresses(config: &Config) -> Result<Vec<(String, String, Url, &'static str)>> {
    const BY_HAND: &str = "its own issuer; hybridge certificate request has one issued over ACME";
    let mut found = Vec::new();
    let mut add = |used_for: String, address: Url| {
        let host = address.host_str().unwrap_or_default();
        let name = address.port().map_or_else(|| format!("tls {host}"), |port| format!("tls {host}:{port}"));
        let is_new = !found.iter().any(|(known, ..): &(String, String, Url, &str)| *known == name);
        if address.scheme() == "https" && is_new {
            found.push((name, used_for, address, BY_HAND));
        }
    };
    add("TLS of the organization".to_owned(), config.organization.url.clone());
    let ground = Ground::of(config)?;
    let (_, sign_in) = ground.organization(config, None)?;
    if let SignIn::Adfs(tokens) = sign_in
        && let Ok(challenge) = tokens.discover().await
    {
        add("TLS of AD FS".to_owned(), challenge.authorization_uri().clone());
    }
    if let Some(address) = &config.console.notification_url {
        add("TLS of the console, for Graph's notifications".to_owned(), address.clone());
    }
    for server in config.native.iter().flat_map(|section| &section.servers) {
        if server.reach == ReachName::Winrm {
            let usual = format!("https://{}:5986/wsman", server.name).parse().ok();
            if let Some(address) = server.address.clone().or(usual) {
                add(format!("WinRM of {}", server.name), address);
            }
        }
    }
    Ok(found)
}

/// How much of its life is over, as a line of 24 signs.
pub(super) fn bar(held: &Held) -> String {
    const WIDTH: i64 = 24;
    let life = held.valid_from.duration_until(held.valid_until).as_secs().max(1);
    let over = held.valid_from.duration_until(SystemClock.now()).as_secs().clamp(0, life);
    let done = usize::try_from(over * WIDTH / life).unwrap_or(0);
    let left = usize::try_from(WIDTH).unwrap_or(0).saturating_sub(done);
    format!("[{}{}]", "=".repeat(done), ".".repeat(left))
}
