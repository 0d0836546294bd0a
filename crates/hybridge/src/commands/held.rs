//! Every certificate that this installation depends on and that Hybridge can see without an administrator (setup.md 5.1).

use hybridge_connect::{
    rotation::{Urgency, urgency},
    servers::{UsedCertificate, used_certificates},
};
use hybridge_identity::Certificate;
use hybridge_net::{Clock as _, SystemClock, peer_certificate};
use jiff::Timestamp;
use serde::Serialize;
use url::Url;

use crate::{
    config::{Config, ReachName},
    error::{Failure, Result},
    exit::Exit,
    trust::{self, OwnApp},
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

impl Held {
    /// The same certificate serves something else too.
    fn also(&mut self, other: Self) {
        if !self.used_for.contains(&other.used_for) {
            self.used_for = format!("{}; {}", self.used_for, other.used_for);
        }
        self.places.extend(other.places);
    }
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
    if config.tenant.tasks_client_id.is_some() {
        match tasks(config) {
            Ok(held) => found.push(held),
            Err(failure) => {
                let place = "the application for To Do".to_owned();
                unseen.push(Unseen { place, why: failure.message });
            }
        }
    }
    // What is wrong there must not hide the other certificates.
    let signing = signing(config).unwrap_or_else(|failure| {
        let place = "the certificate that Dynamics signs with".to_owned();
        unseen.push(Unseen { place, why: failure.message });
        None
    });
    let (signing, held): (Option<Certificate>, Option<Held>) = signing.unzip();
    found.extend(held);
    on_servers(config, signing.as_ref(), &mut found, &mut unseen).await;
    for (name, used_for, address, renewal) in addresses(config).await? {
        match peer_certificate(&address).await.map(Certificate::from_der) {
            Ok(Ok(certificate)) => {
                let place = address.origin().ascii_serialization();
                add(&mut found, of(facts(&certificate), (name, used_for), place, renewal));
            }
            Ok(Err(error)) => unseen.push(Unseen { place: address.to_string(), why: error.to_string() }),
            Err(why) => unseen.push(Unseen { place: address.to_string(), why }),
        }
    }
    found.sort_by_key(|held| held.valid_until);
    Ok((found, unseen))
}

/// One more use of a certificate that is there already, or a new one.
fn add(found: &mut Vec<Held>, one: Held) {
    match found.iter_mut().find(|held| held.thumbprint == one.thumbprint) {
        Some(held) => held.also(one),
        None => found.push(one),
    }
}

/// Whose, which, from when and until when.
type Facts = (String, String, Timestamp, Timestamp);

fn facts(certificate: &Certificate) -> Facts {
    let subject = certificate.subject().to_owned();
    (subject, certificate.sha1_hex(), certificate.valid_from(), certificate.valid_until())
}

fn of(
    (subject, thumbprint, from, until): Facts,
    (name, used_for): (String, String),
    place: String,
    renewal: &str,
) -> Held {
    let now = SystemClock.now();
    Held {
        name,
        used_for,
        places: vec![place],
        subject,
        thumbprint,
        valid_from: from,
        valid_until: until,
        days_left: now.duration_until(until).as_hours() / 24,
        urgency: urgency(from, until, now),
        renewal: renewal.to_owned(),
    }
}

fn own(config: &Config) -> Result<Held> {
    let credential = wiring::credential(config)?;
    let place = config.path(&config.tenant.certificate).display().to_string();
    let what = ("sign-in".to_owned(), "Hybridge signs in to Entra ID".to_owned());
    Ok(of(facts(credential.certificate()), what, place, "hybridge certificate rotate"))
}

fn tasks(config: &Config) -> Result<Held> {
    let files = trust::own_files(config, OwnApp::Tasks)?;
    let credential = files.current().map_err(|error| Failure::new(Exit::Configuration, error.to_string()))?;
    let what = ("tasks".to_owned(), "Hybridge signs in to Entra ID for To Do".to_owned());
    let place = files.path().display().to_string();
    Ok(of(facts(credential.certificate()), what, place, OwnApp::Tasks.command()))
}

const SIGNS: &str = "Dynamics signs its tokens for Exchange Online";
const ROTATE: &str = "hybridge certificate rotate --target native";

/// The one that Dynamics signs with, where Hybridge has made it or was told of it.
fn signing(config: &Config) -> Result<Option<(Certificate, Held)>> {
    let Some(section) = &config.native else { return Ok(None) };
    let files = trust::signing(config, section)?.files;
    let Ok(credential) = files.current() else { return Ok(None) };
    let what = ("signing".to_owned(), SIGNS.to_owned());
    let held = of(facts(credential.certificate()), what, files.path().display().to_string(), ROTATE);
    Ok(Some((credential.certificate().clone(), held)))
}

/// Those that the Windows servers use.
async fn on_servers(
    config: &Config,
    signing: Option<&Certificate>,
    found: &mut Vec<Held>,
    unseen: &mut Vec<Unseen>,
) {
    let Some(section) = &config.native else { return };
    let servers = match trust::servers(config, section) {
        Ok(servers) => servers,
        Err(failure) => {
            unseen.push(Unseen { place: "the Windows servers".to_owned(), why: failure.message });
            return;
        }
    };
    for (server, told) in used_certificates(&servers, signing).await {
        match told {
            Ok(used) => used.into_iter().for_each(|one| add(found, on_server(&server, one))),
            Err(obstacle) => unseen.push(Unseen { place: server, why: obstacle.trouble().what }),
        }
    }
}

/// A certificate as a server uses it.
fn on_server(server: &str, used: UsedCertificate) -> Held {
    let purpose = used.purpose.as_str();
    let (name, words, renewal) = if purpose == "store My" || purpose.ends_with(" S2STokenIssuer") {
        (format!("signing {server}"), SIGNS.to_owned(), ROTATE)
    } else if let Some(listener) = purpose.strip_prefix("listener ") {
        (format!("listener {server} {listener}"), format!("TLS of {server}"), BY_HAND)
    } else if purpose.starts_with("AD FS Token-Signing") {
        let renewal = "AD FS replaces it by itself; then claims have to be configured anew in Dynamics";
        (purpose.to_lowercase(), "AD FS signs its tokens".to_owned(), renewal)
    } else {
        (purpose.to_lowercase(), purpose.to_owned(), BY_HAND)
    };
    let place = format!("{server} ({purpose})");
    of((used.subject, used.thumbprint, used.valid_from, used.valid_until), (name, words), place, renewal)
}

/// What does not fit together: Dynamics signs with several certificates, and none of them is being replaced.
pub(super) fn drift(config: &Config, held: &[Held]) -> Result<Option<String>> {
    let signing: Vec<&Held> = held.iter().filter(|one| one.used_for.contains(SIGNS)).collect();
    let Some(section) = config.native.as_ref().filter(|_| signing.len() > 1) else { return Ok(None) };
    if trust::signing(config, section)?.files.is_rotating() {
        return Ok(None);
    }
    let places = signing.iter().map(|one| format!("{} in {}", one.thumbprint, one.places.join(", ")));
    let places: Vec<String> = places.collect();
    Ok(Some(format!(
        "Dynamics is to sign with one certificate, but there are several: {}. See: hybridge connect plan --target native",
        places.join("; ")
    )))
}

/// How certificates are renewed that Hybridge does not renew.
const BY_HAND: &str = "its own issuer; hybridge certificate request has one issued over ACME";

/// The servers that show a certificate of their own.
async fn addresses(config: &Config) -> Result<Vec<(String, String, Url, &'static str)>> {
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

/// How much of a certificate's life is over, as a line of 24 signs.
pub(super) fn bar(held: &Held) -> String {
    drawn(held.valid_from, held.valid_until, SystemClock.now())
}

fn drawn(from: Timestamp, until: Timestamp, now: Timestamp) -> String {
    const WIDTH: i64 = 24;
    let life = (until.as_second() - from.as_second()).max(1);
    let over = (now.as_second() - from.as_second()).clamp(0, life);
    let done = usize::try_from(over * WIDTH / life).unwrap_or_default();
    let left = usize::try_from(WIDTH).unwrap_or_default().saturating_sub(done);
    format!("[{}{}]", "=".repeat(done), ".".repeat(left))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_drawn_by_how_much_of_it_is_over() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (from, until) = (at("2020-01-01T00:00:00Z"), at("2040-01-01T00:00:00Z"));
        assert_eq!(drawn(from, until, from), format!("[{}]", ".".repeat(24)));
        assert_eq!(
            drawn(from, until, at("2030-01-01T00:00:00Z")),
            format!("[{}{}]", "=".repeat(12), ".".repeat(12))
        );
        assert_eq!(drawn(from, until, at("2041-01-01T00:00:00Z")), format!("[{}]", "=".repeat(24)));
    }
}
