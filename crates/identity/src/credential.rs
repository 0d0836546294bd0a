use std::{fmt, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
};
use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::{Certificate, Error, PfxForm, key::PrivateKey, pfx};

/// A certificate with its private key: what Hybridge proves to Entra ID who it is with.
#[derive(Clone)]
pub struct Credential {
    certificate: Certificate,
    issuers: Vec<Certificate>,
    key: PrivateKey,
}

impl Credential {
    /// From a PFX (PKCS #12) file's bytes. Understands AES (Windows Server 2019, OpenSSL 3) and the
    /// older 3DES and RC2 files. The errors tell a wrong password, a file without private key, an
    /// unsupported kind of key and a damaged file apart.
    pub fn from_pfx(bytes: &[u8], password: &SecretString) -> Result<Self, Error> {
        let (chain, key) = pfx::read(bytes, password)?;
        Self::from_parts(chain, key)
    }

    /// From PEM texts: the certificate first, its issuers after it; the key unencrypted, as PKCS #8 or
    /// PKCS #1.
    pub fn from_pem(certificates: &str, key: &SecretString) -> Result<Self, Error> {
        Self::from_parts(Certificate::from_pem(certificates)?, PrivateKey::from_pem(key)?)
    }

    /// Makes an RSA-2048 key and a self-signed certificate for it, `CN=<common_name>`, good for signing
    /// in as a client only.
    pub fn self_signed(common_name: &str, valid_from: Timestamp, days: u32) -> Result<Self, Error> {
        let failed = |detail: String| Error::SelfSigned { common_name: common_name.to_owned(), detail };
        let valid_until = valid_from
            .checked_add(SignedDuration::from_hours(i64::from(days) * 24))
            .map_err(|error| failed(error.to_string()))?;
        let pair =
            KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).map_err(|error| failed(error.to_string()))?;
        let mut name = DistinguishedName::new();
        name.push(DnType::CommonName, common_name);
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name = name;
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        parameters.not_before = epoch + since_epoch(valid_from).map_err(failed)?;
        parameters.not_after = epoch + since_epoch(valid_until).map_err(failed)?;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let signed = parameters.self_signed(&pair).map_err(|error| failed(error.to_string()))?;
        let key = PrivateKey::from_pkcs8(&Zeroizing::new(pair.serialize_der()))?;
        Self::from_parts(vec![Certificate::from_der(signed.der().to_vec())?], key)
    }

    fn from_parts(chain: Vec<Certificate>, key: PrivateKey) -> Result<Self, Error> {
        let mut chain = chain.into_iter();
        let certificate = chain
            .next()
            .ok_or_else(|| Error::CertificateUnreadable { detail: "there is none".to_owned() })?;
        if !certificate.holds_public_key(key.public_key()) {
            return Err(Error::KeyMismatch {
                subject: certificate.subject().to_owned(),
                thumbprint: certificate.sha1_hex(),
            });
        }
        Ok(Self { certificate, issuers: chain.collect(), key })
    }

    /// The certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The issuers that came with it, nearest first; none for a self-signed one.
    pub fn issuers(&self) -> &[Certificate] {
        &self.issuers
    }

    /// A PFX file with key, certificate and issuers, protected with AES-256. Every call gives other bytes.
    pub fn to_pfx(&self, password: &SecretString) -> Result<Vec<u8>, Error> {
        self.to_pfx_in(PfxForm::Modern, password)
    }

    /// A PFX file with key, certificate and issuers, in a form.
    pub fn to_pfx_in(&self, form: PfxForm, password: &SecretString) -> Result<Vec<u8>, Error> {
        let chain: Vec<_> = std::iter::once(&self.certificate).chain(&self.issuers).cloned().collect();
        pfx::write(&chain, self.key.pkcs8(), password, form)
    }

    /// The certificate, then its issuers, as PEM.
    pub fn certificate_pem(&self) -> String {
        std::iter::once(&self.certificate).chain(&self.issuers).map(Certificate::pem).collect()
    }

    /// The private key as PKCS #8 PEM, unencrypted.
    pub fn private_key_pem(&self) -> SecretString {
        self.key.pem()
    }

    pub(crate) fn key(&self) -> &PrivateKey {
        &self.key
    }
}

/// Gives the certificate that is in use now.
pub trait CredentialSource: Send + Sync + fmt::Debug {
    /// The certificate with its key.
    fn current(&self) -> Arc<Credential>;
}

/// One certificate that stays.
#[derive(Debug)]
pub struct Fixed(pub Arc<Credential>);

impl CredentialSource for Fixed {
    fn current(&self) -> Arc<Credential> {
        self.0.clone()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credential").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

fn since_epoch(instant: Timestamp) -> Result<Duration, String> {
    u64::try_from(instant.as_second())
        .map(Duration::from_secs)
        .map_err(|_| "it would start before 1970".to_owned())
}

#[cfg(test)]
mod tests;
