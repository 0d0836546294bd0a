use std::fmt;

use rcgen::{CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, KeyPair, RsaKeySize};
use secrecy::{ExposeSecret, SecretSlice, SecretString};

use crate::{Certificate, Error, PfxForm, key::to_pem, pfx};

/// The kind of key that a certificate is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeyAlgorithm {
    /// RSA, 2048 bits: what everything in this topology takes (setup.md 2.1).
    #[default]
    Rsa2048,
    /// RSA, 3072 bits.
    Rsa3072,
    /// Elliptic curve NIST P-256, for web servers other than Dynamics and AD FS: those take RSA.
    P256,
}

/// A new key with the request (PKCS #10) that a certificate authority turns into a certificate for it.
///
/// The key never leaves this machine and is never printed.
pub struct CertificateRequest {
    key: SecretSlice<u8>,
    public_key: Vec<u8>,
    der: Vec<u8>,
}

impl CertificateRequest {
    /// Makes a key, and a request for a TLS server's certificate with these host names (wildcards as
    /// `*.example.com`). The subject is left empty: authorities take the names from the subject alternative names.
    ///
    /// # Errors
    /// When a name is none, or the key can't be made.
    pub fn new(names: &[String], algorithm: KeyAlgorithm) -> Result<Self, Error> {
        let failed =
            |error: rcgen::Error| Error::Request { names: names.join(", "), detail: error.to_string() };
        let pair = match algorithm {
            KeyAlgorithm::Rsa2048 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048),
            KeyAlgorithm::Rsa3072 => KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_3072),
            KeyAlgorithm::P256 => KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
        }
        .map_err(failed)?;
        let mut parameters = CertificateParams::new(names).map_err(failed)?;
        parameters.distinguished_name = DistinguishedName::new();
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let request = parameters.serialize_request(&pair).map_err(failed)?;
        Ok(Self {
            public_key: pair.public_key_raw().to_vec(),
            der: request.der().to_vec(),
            key: SecretSlice::from(pair.serialize_der()),
        })
    }

    /// The request in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Joins the key with what the authority issued: PEM, the own certificate first, its issuers after it.
    ///
    /// # Errors
    /// When the text holds no certificate, or the first one is not for this key.
    pub fn issued(self, chain_pem: &str) -> Result<IssuedCertificate, Error> {
        let chain = Certificate::from_pem(chain_pem)?;
        let own = chain
            .first()
            .ok_or_else(|| Error::CertificateUnreadable { detail: "there is none".to_owned() })?;
        if !own.holds_public_key(&self.public_key) {
            return Err(Error::NotOurKey { subject: own.subject().to_owned() });
        }
        Ok(IssuedCertificate { chain, key: self.key })
    }
}

impl fmt::Debug for CertificateRequest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CertificateRequest ({} bytes)", self.der.len())
    }
}

/// A certificate as an authority issued it, with its issuers and the key.
pub struct IssuedCertificate {
    chain: Vec<Certificate>,
    key: SecretSlice<u8>,
}

impl IssuedCertificate {
    /// The own certificate first, its issuers after it; at least one.
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// Certificate, issuers and the unencrypted private key (PKCS #8) as PEM, in this order.
    pub fn pem(&self) -> SecretString {
        let certificates: String = self.chain.iter().map(Certificate::pem).collect();
        SecretString::from(format!("{certificates}{}", to_pem(&self.key).expose_secret()))
    }

    /// A PFX file with key, certificate and issuers, protected with AES-256.
    pub fn to_pfx(&self, password: &SecretString) -> Result<Vec<u8>, Error> {
        pfx::write(&self.chain, &self.key, password, PfxForm::Modern)
    }
}

impl fmt::Debug for IssuedCertificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("IssuedCertificate").field("chain", &self.chain).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use x509_parser::{certification_request::X509CertificationRequest, prelude::FromDer};

    use super::*;
    use crate::{Bundle, testing::credential};

    fn names() -> Vec<String> {
        vec!["crm.contoso.com".to_owned(), "*.crm.contoso.com".to_owned()]
    }

    /// Signs the request with a key of its own, as an authority would.
    fn sign(request: &CertificateRequest) -> String {
        let authority = KeyPair::generate().unwrap();
        let issuer = rcgen::Issuer::new(CertificateParams::new(vec![]).unwrap(), &authority);
        let der = request.der().to_vec().into();
        let parameters = rcgen::CertificateSigningRequestParams::from_der(&der).unwrap();
        parameters.signed_by(&issuer).unwrap().pem()
    }

    #[test]
    fn a_request_names_the_hosts_and_is_signed_with_its_key() {
        for algorithm in [KeyAlgorithm::Rsa2048, KeyAlgorithm::P256] {
            let request = CertificateRequest::new(&names(), algorithm).unwrap();
            let (_, read) = X509CertificationRequest::from_der(request.der()).unwrap();
            let text = format!("{:?}", read.requested_extensions().unwrap().collect::<Vec<_>>());
            assert!(
                text.contains("\"crm.contoso.com\"") && text.contains("\"*.crm.contoso.com\""),
                "{algorithm:?}: {text}"
            );
        }
    }

    #[test]
    fn what_was_issued_comes_back_as_pem_and_pfx_with_its_key() {
        let request = CertificateRequest::new(&names(), KeyAlgorithm::Rsa2048).unwrap();
        let issued = sign(&request);
        let issued = request.issued(&issued).unwrap();
        let pem = Bundle::read(issued.pem().expose_secret().as_bytes(), &SecretString::default()).unwrap();
        let password = SecretString::from("secret");
        let pfx = Bundle::read(&issued.to_pfx(&password).unwrap(), &password).unwrap();
        assert!(pem.has_key && pfx.has_key);
        assert_eq!(pem.certificates, issued.chain());
        assert_eq!(pfx.certificates, issued.chain());
    }

    #[test]
    fn an_elliptic_curve_key_goes_into_both_forms_too() {
        let request = CertificateRequest::new(&names(), KeyAlgorithm::P256).unwrap();
        let issued = sign(&request);
        let issued = request.issued(&issued).unwrap();
        let password = SecretString::from("secret");
        let pem = issued.pem().expose_secret().as_bytes().to_vec();
        for bytes in [pem, issued.to_pfx(&password).unwrap()] {
            let read = Bundle::read(&bytes, &password).unwrap();
            assert!(read.has_key);
            assert_eq!(read.certificates, issued.chain());
        }
    }

    #[test]
    fn another_keys_certificate_is_refused() {
        let request = CertificateRequest::new(&names(), KeyAlgorithm::P256).unwrap();
        let error = request.issued(&credential().certificate().pem()).unwrap_err();
        assert!(matches!(error, Error::NotOurKey { .. }), "{error}");
    }

    #[test]
    fn debug_output_holds_no_key() {
        let request = CertificateRequest::new(&names(), KeyAlgorithm::P256).unwrap();
        assert!(format!("{request:?}").len() < 60);
    }
}
