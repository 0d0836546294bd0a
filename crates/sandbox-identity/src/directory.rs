use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use sha1::{Digest, Sha1};
use sha2::Sha256;
use uuid::Uuid;
use x509_parser::parse_x509_certificate;

/// An app registration together with its service principal.
#[derive(Clone)]
pub struct Application {
    /// The application (client) id.
    pub app_id: Uuid,
    /// The display name.
    pub display_name: String,
    /// The registered certificates.
    pub key_credentials: Vec<KeyCredential>,
    /// Client secrets and when they end.
    pub secrets: Vec<(String, Timestamp)>,
    /// The granted app roles of Microsoft Graph.
    pub roles: Vec<String>,
    /// Whether sign-in is allowed.
    pub enabled: bool,
}

impl std::fmt::Debug for Application {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Application").field("app_id", &self.app_id).finish_non_exhaustive()
    }
}

impl Application {
    /// An enabled application without credentials and roles.
    pub fn new(app_id: Uuid, display_name: &str) -> Self {
        Self {
            app_id,
            display_name: display_name.to_owned(),
            key_credentials: Vec::new(),
            secrets: Vec::new(),
            roles: Vec::new(),
            enabled: true,
        }
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
#[derive(Debug, Clone)]
pub struct KeyCredential {
    /// The certificate.
    pub der: Vec<u8>,
    /// From when it counts.
    pub starts: Timestamp,
    /// Until when it counts.
    pub ends: Timestamp,
}

impl KeyCredential {
    /// A certificate with its own validity; `None` when it can't be read.
    pub fn from_der(der: &[u8]) -> Option<Self> {
        let (_, certificate) = parse_x509_certificate(der).ok()?;
        let validity = certificate.validity();
        Some(Self {
            der: der.to_vec(),
            starts: Timestamp::from_second(validity.not_before.timestamp()).ok()?,
            ends: Timestamp::from_second(validity.not_after.timestamp()).ok()?,
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
