//! What a certificate says of itself, for people who have to judge it.

use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

use crate::{Certificate, Error};

/// The kind and size of a public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyKind {
    /// RSA, with the size of its modulus in bits.
    Rsa(usize),
    /// Elliptic curve, with the size of its field in bits.
    EllipticCurve(usize),
    /// Anything else, by the object identifier of its algorithm.
    Other(String),
}

impl std::fmt::Display for KeyKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rsa(bits) => write!(formatter, "RSA, {bits} bits"),
            Self::EllipticCurve(bits) => write!(formatter, "elliptic curve, {bits} bits"),
            Self::Other(algorithm) => write!(formatter, "algorithm {algorithm}"),
        }
    }
}

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Its public key.
    pub key: KeyKind,
    /// The host names it is for: the DNS names of its subject alternative names, wildcards as written.
    pub names: Vec<String>,
    /// Whether it may be used to authenticate a server in TLS: its extended key usage names it, or names nothing.
    pub for_servers: bool,
    /// Whether it is a certificate authority's.
    pub authority: bool,
    /// Whether subject and issuer are the same.
    pub self_signed: bool,
    /// The object identifier of the algorithm that it is signed with.
    pub signed_with: String,
}

impl CertificateFacts {
    /// Whether it is for a host name. A wildcard stands for exactly one label (RFC 6125, 6.4.3).
    pub fn covers(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        self.names.iter().any(|name| {
            let name = name.to_ascii_lowercase();
            match name.strip_prefix("*.") {
                Some(domain) => {
                    host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == domain)
                }
                None => name == host,
            }
        })
    }
}

impl Certificate {
    /// What it says of itself.
    ///
    /// # Errors
    /// When its extensions can't be read.
    pub fn facts(&self) -> Result<CertificateFacts, Error> {
        const RSA: &str = "1.2.840.113549.1.1.1";
        const ELLIPTIC_CURVE: &str = "1.2.840.10045.2.1";
        let unreadable = |detail: String| Error::CertificateUnreadable { detail };
        let (_, parsed) =
            X509Certificate::from_der(self.der()).map_err(|error| unreadable(error.to_string()))?;
        let public = parsed.public_key();
        let algorithm = public.algorithm.algorithm.to_id_string();
        let bits = public.parsed().map_err(|error| unreadable(error.to_string()))?.key_size();
        let key = match algorithm.as_str() {
            RSA => KeyKind::Rsa(bits),
            ELLIPTIC_CURVE => KeyKind::EllipticCurve(bits),
            _ => KeyKind::Other(algorithm),
        };
        let (mut names, mut for_servers, mut authority) = (Vec::new(), true, false);
        for extension in parsed.extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectAlternativeName(alternative) => {
                    names.extend(alternative.general_names.iter().filter_map(|name| match name {
                        GeneralName::DNSName(name) => Some((*name).to_owned()),
                        _ => None,
                    }));
                }
                ParsedExtension::ExtendedKeyUsage(usage) => for_servers = usage.server_auth || usage.any,
                ParsedExtension::BasicConstraints(constraints) => authority = constraints.ca,
                _ => {}
            }
        }
        Ok(CertificateFacts {
            key,
            names,
            for_servers,
            authority,
            self_signed: parsed.subject().as_raw() == parsed.issuer().as_raw(),
            signed_with: parsed.signature_algorithm.algorithm.to_id_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::credential;

    #[test]
    fn a_self_signed_signing_certificate_tells_what_it_is() {
        let facts = credential().certificate().facts().expect("facts");
        assert_eq!(facts.key, KeyKind::Rsa(2048));
        assert!(facts.self_signed && !facts.for_servers && facts.names.is_empty());
    }

    #[test]
    fn a_wildcard_stands_for_one_label() {
        let mut facts = credential().certificate().facts().expect("facts");
        facts.names = vec!["*.contoso.com".to_owned(), "Auth.Contoso.net".to_owned()];
        assert!(
            facts.covers("crm.contoso.com")
                && facts.covers("CRM.contoso.com.")
                && facts.covers("auth.contoso.net")
        );
        assert!(
            !facts.covers("contoso.com") && !facts.covers("a.b.contoso.com") && !facts.covers(".contoso.com")
        );
    }
}
