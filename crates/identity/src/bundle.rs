//! Any file that certificates come in: PFX, P7B, PEM or DER.

use der::{Decode, Encode};
use pkcs12::cms::{cert::CertificateChoices, content_info::ContentInfo, signed_data::SignedData};
use secrecy::SecretString;

use crate::{
    Certificate, Error, PfxError,
    key::{PrivateKey, public_half_of_pem},
    pfx::{self, PfxFacts},
};

/// The form of a certificate file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Container {
    /// PKCS #12.
    Pfx(PfxFacts),
    /// PKCS #7, certificates only.
    P7b,
    /// Text with `-----BEGIN`.
    Pem,
    /// One certificate in binary form.
    Der,
}

/// What is in a certificate file.
#[derive(Debug)]
pub struct Bundle {
    /// Its form.
    pub container: Container,
    /// Its certificates. The one that its key belongs to comes first, its issuers after it.
    pub certificates: Vec<Certificate>,
    /// Whether it holds the private key of the first certificate.
    pub has_key: bool,
}

impl Bundle {
    /// Reads a file, whatever its form. Only a PFX needs the password.
    ///
    /// # Errors
    /// When it is none of them, the password is wrong, or a part can't be read. A PFX without private key, and a
    /// PEM or PFX file with a key that is not understood, are no errors here: that is for the caller to judge.
    pub fn read(bytes: &[u8], password: &SecretString) -> Result<Self, Error> {
        match str::from_utf8(bytes) {
            Ok(text) if text.contains("-----BEGIN PKCS7") || text.contains("-----BEGIN CMS") => {
                let section = pem::parse(text).map_err(|error| unreadable(&error.to_string()))?;
                Self::from_p7b(section.contents())
            }
            Ok(text) if text.contains("-----BEGIN") => Self::from_pem(text),
            _ if PfxFacts::read(bytes).is_ok() => Self::from_pfx(bytes, password),
            _ => Self::from_p7b(bytes).or_else(|_| {
                let certificate = Certificate::from_der(bytes)
                    .map_err(|_| unreadable("the file is neither PFX, P7B, PEM nor a binary certificate"))?;
                Ok(Self { container: Container::Der, certificates: vec![certificate], has_key: false })
            }),
        }
    }

    fn from_pfx(bytes: &[u8], password: &SecretString) -> Result<Self, Error> {
        let mut facts = PfxFacts::read(bytes)?;
        for (key, key_spec) in facts.keys.iter_mut().zip(pfx::key_specs(bytes, password)?) {
            key.key_spec = key_spec;
        }
        let container = Container::Pfx(facts);
        match pfx::read(bytes, password) {
            Ok((certificates, _)) => Ok(Self { container, certificates, has_key: true }),
            Err(Error::Pfx(PfxError::NoKey)) => {
                Ok(Self { container, certificates: pfx::certificates(bytes, password)?, has_key: false })
            }
            Err(Error::UnsupportedKey { .. }) => {
                let mut certificates = pfx::certificates(bytes, password)?;
                let own = pfx::own_of_any_key(bytes, password, &certificates)?;
                match own {
                    Some(own) => certificates.swap(0, own),
                    None => certificates = end_entity_first(certificates),
                }
                Ok(Self { container, certificates, has_key: own.is_some() })
            }
            Err(error) => Err(error),
        }
    }

    fn from_pem(text: &str) -> Result<Self, Error> {
        let mut certificates = Certificate::from_pem(text)?;
        let key = PrivateKey::from_pem(&SecretString::from(text)).ok();
        let public = key.map(|key| key.public_key().to_vec()).or_else(|| public_half_of_pem(text));
        let own = public.and_then(|public| {
            certificates.iter().position(|certificate| certificate.holds_public_key(&public))
        });
        if let Some(own) = own {
            certificates.swap(0, own);
        }
        Ok(Self { container: Container::Pem, certificates, has_key: own.is_some() })
    }

    fn from_p7b(bytes: &[u8]) -> Result<Self, Error> {
        let certificates = p7b(bytes).map_err(|error| unreadable(&error.to_string()))?;
        let certificates =
            certificates.into_iter().map(Certificate::from_der).collect::<Result<Vec<_>, _>>()?;
        if certificates.is_empty() {
            return Err(unreadable("the file holds no certificate"));
        }
        Ok(Self { container: Container::P7b, certificates: end_entity_first(certificates), has_key: false })
    }
}

fn unreadable(detail: &str) -> Error {
    Error::CertificateUnreadable { detail: detail.to_owned() }
}

fn p7b(bytes: &[u8]) -> der::Result<Vec<Vec<u8>>> {
    let signed = SignedData::from_der(&ContentInfo::from_der(bytes)?.content.to_der()?)?;
    let set = signed.certificates.map(|set| set.0.into_vec()).unwrap_or_default();
    set.into_iter()
        .filter_map(|choice| match choice {
            CertificateChoices::Certificate(certificate) => Some(certificate.to_der()),
            CertificateChoices::Other(_) => None,
        })
        .collect()
}

/// A P7B file has no order: the certificate that issued none of the others comes first.
fn end_entity_first(mut certificates: Vec<Certificate>) -> Vec<Certificate> {
    let end = certificates
        .iter()
        .position(|one| certificates.iter().all(|other| other == one || other.issuer() != one.subject()));
    if let Some(end) = end {
        certificates.swap(0, end);
    }
    certificates
}
