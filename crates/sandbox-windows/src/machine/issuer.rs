//! The certificate that a service of CRM signs tokens with (`setup.md` 2.1 and 2.6).

use super::{Certificate, CrmCertificate, Key, Machine};

/// The type of the certificate record.
const RECORD: &str = "S2STokenIssuer";

/// Why a service has no certificate to sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoIssuer {
    /// The configuration database names none.
    #[error("the configuration database has no certificate record of the type S2STokenIssuer")]
    NoRecord,
    /// The store `My` has no certificate with the subject.
    #[error("no certificate with the subject of the record is in LocalMachine\\My")]
    Absent,
    /// Two certificates of one subject, or one without a key of `KeySpec` 1.
    #[error("Private key not found")]
    NoKey,
    /// The service's account may not read the key.
    #[error("Keyset does not exist")]
    Unreadable,
}

impl Machine {
    /// The certificate that a service under this account would find now: by the subject that the configuration
    /// database names, in `My`, with a key of `KeySpec` 1 that the account may read.
    ///
    /// # Errors
    /// Why it finds none.
    pub fn token_issuer(&self, account: &str) -> Result<Certificate, NoIssuer> {
        let subject = self
            .database()
            .certificate(RECORD)
            .map(|record| record.name.clone())
            .ok_or(NoIssuer::NoRecord)?;
        let found: Vec<&Certificate> = self
            .certificates
            .iter()
            .filter(|one| one.store.eq_ignore_ascii_case("My"))
            .map(|one| &one.certificate)
            .filter(|one| one.subject.eq_ignore_ascii_case(&subject))
            .collect();
        let certificate = match found.as_slice() {
            [] => return Err(NoIssuer::Absent),
            [one] => *one,
            _ => return Err(NoIssuer::NoKey),
        };
        if certificate.key.as_ref().is_none_or(|key: &Key| key.spec != 1) {
            return Err(NoIssuer::NoKey);
        }
        if !self.may_read_key(&certificate.thumbprint, account) {
            return Err(NoIssuer::Unreadable);
        }
        Ok(certificate.clone())
    }

    /// The account that uses the key in a service's name: that of its pool for the web server.
    pub fn signing_account(&self, service: &str) -> Option<String> {
        if service.eq_ignore_ascii_case("W3SVC") {
            let pool = self.app_pools.iter().find(|pool| pool.name == "CRMAppPool")?;
            return Some(match pool.identity.as_str() {
                "SpecificUser" => pool.user.clone(),
                "NetworkService" => r"NT AUTHORITY\NETWORK SERVICE".to_owned(),
                _ => format!(r"IIS APPPOOL\{}", pool.name),
            });
        }
        let service = self.service(service).filter(|one| one.name.starts_with("MSCRMAsyncService"))?;
        Some(service.account.clone())
    }

    /// What a service that starts now holds on to until it is started anew.
    pub(super) fn hold(&self, service: &str) -> Option<Result<Certificate, NoIssuer>> {
        self.signing_account(service).map(|account| self.token_issuer(&account))
    }
}

impl CrmCertificate {
    /// A record of a certificate, found by its subject in `LocalMachine\My`, as the set-up makes it.
    pub fn issuer(certificate: &Certificate) -> CrmCertificate {
        CrmCertificate {
            id: uuid::Uuid::new_v4(),
            name: certificate.subject.clone(),
            certificate_type: RECORD.to_owned(),
            store_name: "My".to_owned(),
            store_location: "LocalMachine".to_owned(),
            store_find_type: "FindBySubjectDistinguishedName".to_owned(),
            data: crate::run::methods::base64(&certificate.der),
        }
    }
}
