//! Certificates, read from real DER and PFX data, and what Windows keeps about their keys.

use jiff::Timestamp;
use sha1::{Digest, Sha1};
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

/// Why a certificate or PFX cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Bad {
    /// The data is not a certificate.
    #[error("the data is not a certificate: {0}")]
    Certificate(String),
    /// The PFX cannot be opened: damaged, or another password.
    #[error("the PFX cannot be opened: {0}")]
    Pfx(String),
    /// The PFX has no certificate with a private key.
    #[error("the PFX has no certificate with a private key")]
    NoKey,
}

/// Where Windows keeps a private key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The name of the key's file.
    pub container: String,
    /// The provider's name.
    pub provider: String,
    /// 0 CNG, 1 key exchange, 2 signature (`setup.md` 2.1).
    pub spec: u8,
    /// The key can leave the machine.
    pub exportable: bool,
}

impl Key {
    /// The provider of keys with a `KeySpec`.
    pub const LEGACY: &'static str = "Microsoft Enhanced RSA and AES Cryptographic Provider";
    /// The provider of CNG keys.
    pub const CNG: &'static str = "Microsoft Software Key Storage Provider";

    /// The key's file.
    pub fn path(&self) -> String {
        let folder = if self.spec == 0 { "Keys" } else { r"RSA\MachineKeys" };
        format!(r"C:\ProgramData\Microsoft\Crypto\{folder}\{}", self.container)
    }
}

/// A certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// SHA-1 of the DER data, in capital hexadecimal digits.
    pub thumbprint: String,
    /// As Windows writes it: the most specific part first.
    pub subject: String,
    /// Likewise.
    pub issuer: String,
    /// In capital hexadecimal digits.
    pub serial: String,
    /// The start of its life.
    pub not_before: Timestamp,
    /// The end of its life.
    pub not_after: Timestamp,
    /// Bits of the public RSA key; 0 with another algorithm.
    pub key_bits: usize,
    /// The DER data.
    pub der: Vec<u8>,
    /// The private key, if the machine has it.
    pub key: Option<Key>,
}

impl Certificate {
    /// Reads a certificate in DER, without a key.
    pub fn from_der(der: &[u8]) -> Result<Certificate, Bad> {
        let bad = |error: &dyn std::fmt::Display| Bad::Certificate(error.to_string());
        let (_, parsed) = X509Certificate::from_der(der).map_err(|error| bad(&error))?;
        let time = |seconds: i64| Timestamp::from_second(seconds).map_err(|error| bad(&error));
        let key_bits = match parsed.public_key().parsed() {
            Ok(x509_parser::public_key::PublicKey::RSA(key)) => key.key_size(),
            _ => 0,
        };
        Ok(Certificate {
            thumbprint: hex(&Sha1::digest(der)),
            subject: name(parsed.subject()),
            issuer: name(parsed.issuer()),
            serial: hex(parsed.raw_serial()),
            not_before: time(parsed.validity().not_before.timestamp())?,
            not_after: time(parsed.validity().not_after.timestamp())?,
            key_bits,
            der: der.to_vec(),
            key: None,
        })
    }

    /// Reads the one certificate with a private key from a PFX; its key is where an import puts it.
    pub fn from_pfx(pfx: &[u8], password: &str, spec: u8) -> Result<Certificate, Bad> {
        let store =
            p12_keystore::KeyStore::from_pkcs12(pfx, password, p12_keystore::Pkcs12ImportPolicy::Relaxed)
                .map_err(|error| Bad::Pfx(error.to_string()))?;
        let (_, chain) = store.private_key_chain().ok_or(Bad::NoKey)?;
        let leaf = chain.certs().first().ok_or(Bad::NoKey)?;
        Ok(Certificate::from_der(leaf.as_der())?.with_key(spec))
    }

    /// Another certificate with the same subject, life and `KeySpec`: as if it had been issued twice. Its signature
    /// does not hold, which nothing on a machine looks at.
    pub fn twin(&self) -> Result<Certificate, Bad> {
        let mut der = self.der.clone();
        if let Some(last) = der.last_mut() {
            *last ^= 1;
        }
        let twin = Certificate::from_der(&der)?;
        Ok(match &self.key {
            Some(key) => twin.with_key(key.spec),
            None => twin,
        })
    }

    /// The same with a private key of this `KeySpec` on the machine.
    #[must_use]
    pub fn with_key(mut self, spec: u8) -> Certificate {
        let head = self.thumbprint.get(..32).unwrap_or(&self.thumbprint).to_ascii_lowercase();
        let provider = if spec == 0 { Key::CNG } else { Key::LEGACY };
        self.key = Some(Key {
            container: format!("{head}_4b7c3f0e-6f5a-4c55-9d0d-2d2f0b7a8f11"),
            provider: provider.to_owned(),
            spec,
            exportable: false,
        });
        self
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        write!(text, "{byte:02X}").unwrap_or_default();
        text
    })
}

fn name(name: &X509Name<'_>) -> String {
    let parts: Vec<String> = name
        .iter_rdn()
        .map(|rdn| {
            let parts: Vec<String> = rdn
                .iter()
                .map(|part| {
                    let oid = part.attr_type();
                    let kind = match oid.to_id_string().as_str() {
                        "2.5.4.3" => "CN".to_owned(),
                        "2.5.4.6" => "C".to_owned(),
                        "2.5.4.7" => "L".to_owned(),
                        "2.5.4.8" => "S".to_owned(),
                        "2.5.4.10" => "O".to_owned(),
                        "2.5.4.11" => "OU".to_owned(),
                        "0.9.2342.19200300.100.1.25" => "DC".to_owned(),
                        "1.2.840.113549.1.9.1" => "E".to_owned(),
                        other => format!("OID.{other}"),
                    };
                    let value = part.as_str().unwrap_or_default();
                    let special = value.contains([',', '+', '=', '"', '\n', '<', '>', '#', ';'])
                        || value.trim() != value;
                    if special {
                        format!("{kind}=\"{}\"", value.replace('"', "\"\""))
                    } else {
                        format!("{kind}={value}")
                    }
                })
                .collect();
            parts.join(" + ")
        })
        .collect();
    parts.into_iter().rev().collect::<Vec<_>>().join(", ")
}
