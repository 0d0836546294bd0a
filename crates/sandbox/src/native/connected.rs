//! A world in which Dynamics' own synchronization is connected already, with a certificate that ends soon.

use hybridge_sandbox_identity::KeyCredential;
use hybridge_sandbox_windows::{Certificate, CrmCertificate, Estate, Rule};
use jiff::{SignedDuration, Timestamp, Zoned, tz::TimeZone};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{DYNAMICS, METADATA, TOKEN_SERVICE, mailbox};
use crate::world::Sandbox;

impl Sandbox {
    /// Connects Dynamics' own synchronization, as an administrator has done it some time ago: the certificate
    /// with its key on every CRM server, its record, the settings, the key at the principal, the switches of
    /// Exchange, a profile that is every new mailbox's. The certificate lives so much longer.
    pub(crate) fn connect_native(&self, life: SignedDuration) {
        let now = self.clock().now();
        let Ok(certificate) = issue(now, life) else { return };
        self.equip_servers(&certificate);
        self.entra().change_application(DYNAMICS, |principal| {
            principal.key_credentials.extend(KeyCredential::from_der(&certificate.der));
        });
        self.graph().switch_ews_on(DYNAMICS);
        let organization = self.organization();
        let profile = organization.insert(
            "emailserverprofile",
            &json!({
                "name": "Exchange Online",
                "servertype": 3,
                "usedefaulttenantid": true,
                "useautodiscover": true,
                "processemailsreceivedafter": "2026-01-01T00:00:00Z",
            }),
        );
        if let Ok(profile) = profile {
            let settings =
                json!({ "emailconnectionchannel": 0, "_defaultemailserverprofileid_value": profile });
            organization.configure(&settings).unwrap_or_default();
        }
    }

    fn equip_servers(&self, certificate: &Certificate) {
        let organization = self.organization().id();
        let tenant = self.app().tenant_id.to_string();
        let mut estate = self.windows();
        if let Some(first) = estate.machines.first() {
            let mut database = first.database();
            database.certificates.push(CrmCertificate::issuer(certificate));
            let settings = [
                ("ServerSettings", Uuid::nil(), "S2SDefaultAuthorizationServerPrincipalId", TOKEN_SERVICE),
                ("ServerSettings", Uuid::nil(), "S2SDefaultAuthorizationServerMetadataUrl", METADATA),
                ("Organization", organization, "S2STenantId", tenant.as_str()),
            ];
            for (entity, id, name, value) in settings {
                database.advanced.insert((entity.to_owned(), id, name.to_owned()), value.to_owned());
            }
            database.oauth_enabled = true;
        }
        let servers = estate.machines.iter_mut().filter(|one| one.roles.asynchronous || one.roles.web);
        for machine in servers {
            machine.install("My", certificate.clone());
            let path = certificate.key.as_ref().map(hybridge_sandbox_windows::Key::path);
            for key in machine.keys.iter_mut().filter(|key| Some(&key.path) == path.as_ref()) {
                key.rules.extend([Estate::ASYNC_ACCOUNT, Estate::POOL_ACCOUNT].map(|account| Rule {
                    account: account.to_owned(),
                    rights: "Read".to_owned(),
                    allows: true,
                    inherited: false,
                }));
            }
            for service in ["MSCRMAsyncService", "MSCRMAsyncService$maintenance", "W3SVC"] {
                machine.start(service);
            }
        }
    }

    /// Gives every mailbox the default profile, approves and tests it, as an administrator has done it before.
    pub(crate) fn enable_native_mailboxes(&self) {
        let organization = self.organization();
        let settings = organization.row("organization", organization.id()).unwrap_or_default();
        let Some(profile) = super::id(&settings, "_defaultemailserverprofileid_value") else { return };
        for (id, row) in organization.rows("mailbox") {
            if super::text(&row, "emailaddress").is_empty() {
                continue;
            }
            let changes = json!({
                "_emailserverprofile_value": profile,
                "emailrouteraccessapproval": 1,
                "testemailconfigurationscheduled": true,
            });
            mailbox::write(self, "mailbox", id, &changes);
            mailbox::test(self, id);
        }
    }

    /// What an administrator does in the web client.
    ///
    /// # Errors
    /// When a mailbox or profile is not there.
    pub(crate) fn approve_email(&self, address: &str) -> Result<(), String> {
        let changes: Value = json!({ "emailrouteraccessapproval": 1 });
        self.organization().configure_mailbox(address, &changes).map_err(|refused| refused.to_string())
    }
}

/// A certificate for signing tokens that lives so much longer.
fn issue(now: Timestamp, life: SignedDuration) -> Result<Certificate, rcgen::Error> {
    let day = |at: Timestamp| {
        let date = Zoned::new(at, TimeZone::UTC).date();
        rcgen::date_time_ymd(
            date.year().into(),
            date.month().try_into().unwrap_or(1),
            date.day().try_into().unwrap_or(1),
        )
    };
    let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256)?;
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::OrganizationName, "Lindhagen & Berg");
    parameters.distinguished_name.push(DnType::CommonName, "crm-s2s-1");
    parameters.not_before = day(now.checked_sub(SignedDuration::from_hours(24 * 300)).unwrap_or(now));
    parameters.not_after = day(now.checked_add(life).unwrap_or(now));
    let made = parameters.self_signed(&key)?;
    // What rcgen made can be read.
    Certificate::from_der(made.der())
        .map(|certificate| certificate.with_key(1))
        .map_err(|_| rcgen::Error::CouldNotParseCertificate)
}
