use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::Error;

/// An X.509 certificate, read.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    subject: String,
    issuer: String,
    serial: String,
    valid_from: Timestamp,
    valid_until: Timestamp,
}

/// Where an instant lies in a certificate's validity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// Before its first second.
    NotYet,
    /// Within it.
    Valid {
        /// Whole days until it ends; 0 on the last day.
        days_left: i64,
    },
    /// After its last second.
    Expired,
}

impl Certificate {
    /// Reads a certificate from its DER bytes.
    pub fn from_der(der: impl Into<Vec<u8>>) -> Result<Self, Error> {
        let der = der.into();
        let unreadable = |detail: String| Error::CertificateUnreadable { detail };
        let (rest, parsed) =
            X509Certificate::from_der(&der).map_err(|error| unreadable(error.to_string()))?;
        if !rest.is_empty() {
            return Err(unreadable(format!("{} bytes too many at the end", rest.len())));
        }
        let validity = parsed.validity();
        let instant =
            |seconds| Timestamp::from_second(seconds).map_err(|error| unreadable(error.to_string()));
        let (subject, issuer) = (parsed.subject().to_string(), parsed.issuer().to_string());
        let serial = hex(parsed.raw_serial());
        let valid_from = instant(validity.not_before.timestamp())?;
        let valid_until = instant(validity.not_after.timestamp())?;
        Ok(Self { der, subject, issuer, serial, valid_from, valid_until })
    }

    /// Reads the certificates of a PEM text, in its order. At least one.
    pub fn from_pem(text: &str) -> Result<Vec<Self>, Error> {
        let unreadable = |detail: String| Error::CertificateUnreadable { detail };
        let sections = pem::parse_many(text).map_err(|error| unreadable(error.to_string()))?;
        let certificates = sections
            .into_iter()
            .filter(|section| section.tag() == "CERTIFICATE")
            .map(|section| Self::from_der(section.into_contents()))
            .collect::<Result<Vec<_>, _>>()?;
        if certificates.is_empty() {
            return Err(unreadable("the text holds no section BEGIN CERTIFICATE".to_owned()));
        }
        Ok(certificates)
    }

    /// The DER bytes.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate as PEM.
    pub fn pem(&self) -> String {
        pem::encode(&pem::Pem::new("CERTIFICATE", self.der.as_slice()))
    }

    /// The subject's distinguished name, such as `CN=Hybridge`.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The issuer's distinguished name.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The serial number in hexadecimal, upper case.
    pub fn serial(&self) -> &str {
        &self.serial
    }

    /// The first instant of the validity.
    pub fn valid_from(&self) -> Timestamp {
        self.valid_from
    }

    /// The last instant of the validity, itself included (RFC 5280, 4.1.2.5).
    pub fn valid_until(&self) -> Timestamp {
        self.valid_until
    }

    /// Where an instant lies in the validity.
    pub fn validity_at(&self, now: Timestamp) -> Validity {
        if now < self.valid_from {
            return Validity::NotYet;
        }
        let left = self.valid_until.duration_since(now);
        if left < SignedDuration::ZERO {
            return Validity::Expired;
        }
        Validity::Valid { days_left: left.as_hours() / 24 }
    }

    /// The SHA-1 thumbprint in hexadecimal, upper case: what Windows and the portals show.
    pub fn sha1_hex(&self) -> String {
        hex(&Sha1::digest(&self.der))
    }

    /// The SHA-1 thumbprint in base64url without padding: the JOSE header `x5t`.
    pub fn sha1_base64url(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha1::digest(&self.der))
    }

    /// The SHA-256 thumbprint in hexadecimal, upper case.
    pub fn sha256_hex(&self) -> String {
        hex(&Sha256::digest(&self.der))
    }

    /// The SHA-256 thumbprint in base64url without padding: the JOSE header `x5t#S256`.
    pub fn sha256_base64url(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(&self.der))
    }

    /// The public key as in the certificate; for RSA a PKCS #1 `RSAPublicKey`.
    pub(crate) fn holds_public_key(&self, public_key: &[u8]) -> bool {
        X509Certificate::from_der(&self.der)
            .is_ok_and(|(_, parsed)| parsed.public_key().subject_public_key.data.as_ref() == public_key)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Certificate")
            .field("subject", &self.subject)
            .field("thumbprint", &self.sha1_hex())
            .field("valid_from", &self.valid_from)
            .field("valid_until", &self.valid_until)
            .finish_non_exhaustive()
    }
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String can't fail.
        write!(text, "{byte:02X}").ok();
        text
    })
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{credential, noon};

    #[test]
    fn validity_includes_the_first_and_the_last_second() {
        let certificate = credential().certificate().clone();
        let (from, until) = (certificate.valid_from(), certificate.valid_until());
        assert_eq!(from, noon());
        assert_eq!(until, noon() + 8_760.hours());

        assert_eq!(certificate.validity_at(from - 1.second()), Validity::NotYet);
        assert_eq!(certificate.validity_at(from), Validity::Valid { days_left: 365 });
        assert_eq!(certificate.validity_at(until - 47.hours()), Validity::Valid { days_left: 1 });
        assert_eq!(certificate.validity_at(until), Validity::Valid { days_left: 0 });
        assert_eq!(certificate.validity_at(until + 1.second()), Validity::Expired);
    }

    #[test]
    fn thumbprints_come_in_the_forms_that_portals_and_tokens_use() {
        let certificate = credential().certificate().clone();
        let from_base64url =
            |text: String| hex(&URL_SAFE_NO_PAD.decode(text).expect("base64url without padding"));
        assert_eq!(certificate.sha1_hex().len(), 40);
        assert_eq!(certificate.sha256_hex().len(), 64);
        assert_eq!(from_base64url(certificate.sha1_base64url()), certificate.sha1_hex());
        assert_eq!(from_base64url(certificate.sha256_base64url()), certificate.sha256_hex());
    }

    #[test]
    fn a_pem_text_gives_its_certificates_back() {
        let certificate = credential().certificate().clone();
        let text = format!("{0}\n{0}", certificate.pem());
        assert_eq!(Certificate::from_pem(&text).unwrap(), vec![certificate.clone(), certificate]);
    }

    #[test]
    fn a_text_without_a_certificate_says_so() {
        let error = Certificate::from_pem("hello").unwrap_err();
        assert!(error.to_string().contains("BEGIN CERTIFICATE"), "{error}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Certificate::from_der(bytes).is_err());
        }

        #[test]
        fn no_damage_makes_the_reader_panic(at in 0_usize..700, value: u8) {
            let mut der = credential().certificate().der().to_vec();
            let at = at % der.len();
            der[at] = value;
            Certificate::from_der(der).ok();
        }
    }
}
