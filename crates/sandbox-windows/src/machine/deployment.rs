//! What servers share: the configuration database of the deployment, and the AD FS farm.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use uuid::Uuid;

use super::Certificate;

/// A certificate record of the deployment (`setup.md` 2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrmCertificate {
    /// The record's key.
    pub id: Uuid,
    /// The certificate's subject.
    pub name: String,
    /// `S2STokenIssuer` and others.
    pub certificate_type: String,
    /// `My`.
    pub store_name: String,
    /// `LocalMachine`.
    pub store_location: String,
    /// `FindBySubjectDistinguishedName`.
    pub store_find_type: String,
    /// The public certificate, base64 of DER.
    pub data: String,
}

impl CrmCertificate {
    /// The certificate in a record's `data`; none where it holds no certificate.
    pub fn decode(data: &str) -> Option<Certificate> {
        Certificate::from_der(&STANDARD.decode(data).ok()?).ok()
    }
}

/// An organization of the deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    /// Its id.
    pub id: Uuid,
    /// Its unique name.
    pub unique_name: String,
    /// Its name for people.
    pub friendly_name: String,
    /// `Enabled` or `Disabled`.
    pub state: String,
}

/// A server of the deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrmServer {
    /// Its name.
    pub name: String,
    /// Role names, such as `AsynchronousProcessingService`.
    pub roles: Vec<String>,
}

/// The configuration database.
#[derive(Debug, Default)]
pub struct Deployment {
    /// The certificate records.
    pub certificates: Vec<CrmCertificate>,
    /// `OAuthClaimsSettings` `Enabled`.
    pub oauth_enabled: bool,
    /// `OAuthClaimsSettings` `SessionSecurityTokenLifetimeInHours`.
    pub session_hours: i64,
    /// The rollover of AD FS' token-signing certificate that claims were configured for last, and when.
    pub claims_configured: (u32, Option<Timestamp>),
    /// `ClaimsSettings` `Enabled`: OAuth cannot be switched on without it.
    pub claims_enabled: bool,
    /// Advanced settings by entity, id (nil for those without) and name.
    pub advanced: BTreeMap<(String, Uuid, String), String>,
    /// The organizations.
    pub organizations: Vec<Organization>,
    /// The servers.
    pub servers: Vec<CrmServer>,
    /// The deployment administrators' accounts.
    pub administrators: Vec<String>,
}

impl Deployment {
    /// An advanced setting's value; entity and name in any case.
    pub fn setting(&self, entity: &str, id: Uuid, name: &str) -> Option<&str> {
        self.advanced
            .iter()
            .find(|((known, of, setting), _)| {
                known.eq_ignore_ascii_case(entity) && *of == id && setting.eq_ignore_ascii_case(name)
            })
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn set(&mut self, entity: &str, id: Uuid, name: &str, value: &str) {
        let known = self
            .advanced
            .keys()
            .find(|(known, of, setting)| {
                known.eq_ignore_ascii_case(entity) && *of == id && setting.eq_ignore_ascii_case(name)
            })
            .cloned();
        let key = known.unwrap_or_else(|| (entity.to_owned(), id, name.to_owned()));
        self.advanced.insert(key, value.to_owned());
    }

    /// The certificate record of a type.
    pub fn certificate(&self, certificate_type: &str) -> Option<&CrmCertificate> {
        self.certificates.iter().find(|one| one.certificate_type.eq_ignore_ascii_case(certificate_type))
    }
}

/// A client registered with AD FS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdfsClient {
    /// The client id.
    pub client_id: String,
    /// Its name.
    pub name: String,
    /// Where sign-in may go back to.
    pub redirect_uris: Vec<String>,
}

/// A permission of a client at a relying party.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdfsPermission {
    /// The permission's own id.
    pub id: Uuid,
    /// The client's id.
    pub client: String,
    /// The relying party's identifier.
    pub server: String,
    /// The scopes.
    pub scopes: Vec<String>,
}

/// The configuration of an AD FS farm.
#[derive(Debug, Default)]
pub struct Adfs {
    /// Whether it is AD FS of Windows Server 2012 R2, which knows no application permissions.
    pub before_2016: bool,
    /// A rule that the relying party of Dynamics lacks: a part of its name.
    pub without_rule: Option<&'static str>,
    /// The registered clients.
    pub clients: Vec<AdfsClient>,
    /// Who may call whom.
    pub permissions: Vec<AdfsPermission>,
    /// How users sign in on the intranet.
    pub intranet: Vec<String>,
    /// How users sign in from elsewhere.
    pub extranet: Vec<String>,
    /// Relying parties: name and identifiers.
    pub relying_parties: Vec<(String, Vec<String>)>,
    /// How often the token-signing certificate has been rolled over.
    pub signing_generation: u32,
    /// The thumbprint of the certificate for service communications; none: one without fault that nobody looks at.
    pub service_certificate: Option<String>,
}
