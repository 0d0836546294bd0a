//! The directory's objects: app registrations, their service principals and certificates (graph.md section 2).

mod answer;
mod keys;
mod permissions;
mod routes;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde::Deserialize;
use sha1::{Digest, Sha1};
use sha2::Sha256;
use uuid::Uuid;
use x509_parser::parse_x509_certificate;

/// An app registration together with its service principal.
#[derive(Clone)]
pub struct Application {
    /// The application (client) id.
    pub app_id: Uuid,
    /// The object id of the registration; `None` for a principal whose application lives in another tenant, such as
    /// Microsoft's own.
    pub object_id: Option<Uuid>,
    /// The object id of the service principal; `None` until there is one.
    pub principal_id: Option<Uuid>,
    /// The display name.
    pub display_name: String,
    /// The registered certificates.
    pub key_credentials: Vec<KeyCredential>,
    /// Client secrets and when they end.
    pub secrets: Vec<(String, Timestamp)>,
    /// The granted app roles of Microsoft Graph.
    pub roles: Vec<String>,
    /// The service principal's names.
    pub names: Vec<String>,
    /// Whether sign-in is allowed.
    pub enabled: bool,
}

impl std::fmt::Debug for Application {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Application").field("app_id", &self.app_id).finish_non_exhaustive()
    }
}

impl Application {
    /// An enabled application with a service principal, without credentials and roles.
    pub fn new(app_id: Uuid, display_name: &str) -> Self {
        // Ids that differ from the application's, as mixing them up is the usual mistake.
        let object = |kind: u128| Uuid::from_u128(app_id.as_u128() ^ (kind << 64));
        Self {
            app_id,
            object_id: Some(object(0x0b1e)),
            principal_id: Some(object(0x5e21)),
            display_name: display_name.to_owned(),
            key_credentials: Vec::new(),
            secrets: Vec::new(),
            roles: Vec::new(),
            names: vec![app_id.to_string()],
            enabled: true,
        }
    }

    /// A service principal of an application that Microsoft owns.
    pub fn first_party(app_id: Uuid, display_name: &str) -> Self {
        Self { object_id: None, ..Self::new(app_id, display_name) }
    }

    /// Registers a certificate (DER), valid as long as it says itself; `false` when it can't be read.
    pub fn add_certificate(&mut self, der: &[u8]) -> bool {
        let credential = KeyCredential::from_der(der);
        let read = credential.is_some();
        self.key_credentials.extend(credential);
        read
    }
}

/// A registered certificate (graph.md 2.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyCredential {
    /// Its id.
    pub key_id: Uuid,
    /// What portals show.
    pub display_name: String,
    /// The certificate.
    pub der: Vec<u8>,
    /// From when it counts.
    pub starts: Timestamp,
    /// Until when it counts.
    pub ends: Timestamp,
    /// When all token servers have heard of it.
    pub known_from: Timestamp,
}

impl KeyCredential {
    /// A certificate with its own validity, known everywhere; `None` when it can't be read.
    pub fn from_der(der: &[u8]) -> Option<Self> {
        let (_, certificate) = parse_x509_certificate(der).ok()?;
        let validity = certificate.validity();
        let digest = Sha256::digest(der);
        Some(Self {
            key_id: Uuid::from_slice(digest.get(..16)?).ok()?,
            display_name: certificate.subject().to_string(),
            der: der.to_vec(),
            starts: Timestamp::from_second(validity.not_before.timestamp()).ok()?,
            ends: Timestamp::from_second(validity.not_after.timestamp()).ok()?,
            known_from: Timestamp::MIN,
        })
    }

    /// Whether a thumbprint from an assertion's header names this certificate (padding does not count).
    pub(crate) fn is_named(&self, sha1: Option<&str>, sha256: Option<&str>) -> bool {
        let same =
            |given: Option<&str>, own: String| given.is_some_and(|given| given.trim_end_matches('=') == own);
        same(sha256, URL_SAFE_NO_PAD.encode(Sha256::digest(&self.der)))
            || same(sha1, URL_SAFE_NO_PAD.encode(Sha1::digest(&self.der)))
    }
}

/// How the directory misbehaves.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct DirectoryFaults {
    /// How long a new certificate stays unknown to the token servers, in seconds.
    pub propagation_seconds: u32,
    /// How many of the next changes of certificates are answered well and then lost to somebody else's.
    pub lose_updates: u32,
    /// How many of the next requests are answered with 429.
    pub throttle: u32,
    /// The longest validity of a certificate that the tenant's policy admits, in days.
    pub longest_validity_days: Option<u32>,
    /// Whether certificates of Microsoft's own principals are closed to writing (setup.md E3, unconfirmed).
    pub lock_first_party: bool,
}
