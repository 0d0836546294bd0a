//! What a PFX file tells without its password: how it is protected, and where Windows kept its key.

use der::{
    Decode, Encode,
    asn1::{BitString, BmpString, ContextSpecific, ObjectIdentifier, OctetString},
};
use pkcs12::{
    AuthenticatedSafe, PKCS_12_KEY_BAG_OID, PKCS_12_PKCS8_KEY_BAG_OID,
    cms::{cert::x509::attr::Attributes, encrypted_data::EncryptedData},
    pbe_params::EncryptedPrivateKeyInfo,
    pfx::Pfx,
    safe_bag::{PrivateKeyInfo, SafeBag, SafeContents},
};

use crate::PfxError;

const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const ENCRYPTED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.6");
/// The name of the provider that kept the key (`szOID_PKCS_12_KEY_PROVIDER_NAME_ATTR`).
const PROVIDER_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.311.17.1");
/// What Windows writes the key specification as: a key usage among the key's attributes.
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");

/// How the content of a PFX file is protected.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protection {
    /// PBES2, which is AES: Windows Server 2019 and later, OpenSSL 3.
    Aes,
    /// Triple DES with SHA-1: every Windows reads it.
    TripleDes,
    /// RC2 with 40 bits, which protects nothing: the certificates in files of old programs.
    Rc2,
    /// A key that is not encrypted.
    None,
    /// Another scheme, by its object identifier.
    Other(String),
}

/// A key's place in the Windows world that the file comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WindowsKey {
    /// The cryptographic provider, such as `Microsoft Enhanced RSA and AES Cryptographic Provider`.
    pub provider: Option<String>,
    /// The key specification, where the key says it; it is inside what the password protects.
    pub key_spec: Option<KeySpec>,
}

/// The key specification of a legacy provider (setup.md 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySpec {
    /// 1, `AT_KEYEXCHANGE`.
    Exchange,
    /// 2, `AT_SIGNATURE`.
    Signature,
}

/// What a PFX file tells without its password.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PfxFacts {
    /// How its parts are protected; each way once.
    pub protections: Vec<Protection>,
    /// Its keys that are encrypted one by one, in order.
    pub keys: Vec<WindowsKey>,
}

impl PfxFacts {
    /// Reads them.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, PfxError> {
        Self::parse(bytes).map_err(|error| PfxError::Damaged { detail: error.to_string() })
    }

    fn parse(bytes: &[u8]) -> der::Result<Self> {
        let pfx = Pfx::from_der(bytes)?;
        let content = OctetString::from_der(&pfx.auth_safe.content.to_der()?)?;
        let safes = AuthenticatedSafe::from_der(content.as_bytes())?;
        let mut facts = Self::default();
        for safe in safes {
            let content = safe.content.to_der()?;
            if safe.content_type == ENCRYPTED_DATA {
                let encrypted = EncryptedData::from_der(&content)?;
                facts.protected_by(&encrypted.enc_content_info.content_enc_alg.oid);
            } else if safe.content_type == DATA {
                let bags = OctetString::from_der(&content)?;
                for bag in SafeContents::from_der(bags.as_bytes())? {
                    facts.bag(&bag)?;
                }
            }
        }
        Ok(facts)
    }

    fn bag(&mut self, bag: &SafeBag) -> der::Result<()> {
        if bag.bag_id == PKCS_12_KEY_BAG_OID {
            self.add(Protection::None);
        }
        if bag.bag_id != PKCS_12_PKCS8_KEY_BAG_OID {
            return Ok(());
        }
        let shrouded: ContextSpecific<EncryptedPrivateKeyInfo> = ContextSpecific::from_der(&bag.bag_value)?;
        self.protected_by(&shrouded.value.encryption_algorithm.oid);
        let provider = bag
            .bag_attributes
            .as_ref()
            .and_then(|attributes| attribute(attributes, PROVIDER_NAME))
            .and_then(|value| BmpString::from_der(&value).ok())
            .map(|name| name.to_string());
        self.keys.push(WindowsKey { provider, key_spec: None });
        Ok(())
    }

    fn protected_by(&mut self, algorithm: &ObjectIdentifier) {
        self.add(match algorithm.to_string().as_str() {
            "1.2.840.113549.1.5.13" => Protection::Aes,
            "1.2.840.113549.1.12.1.3" => Protection::TripleDes,
            "1.2.840.113549.1.12.1.6" => Protection::Rc2,
            other => Protection::Other(other.to_owned()),
        });
    }

    fn add(&mut self, protection: Protection) {
        if !self.protections.contains(&protection) {
            self.protections.push(protection);
        }
    }
}

/// The key specification that is written into a key itself (PKCS #8, once it is decrypted).
pub(super) fn key_spec(pkcs8: &[u8]) -> Option<KeySpec> {
    let attributes = PrivateKeyInfo::from_der(pkcs8).ok()?.attributes?;
    let usage = BitString::from_der(&attribute(&attributes, KEY_USAGE)?).ok()?;
    match usage.raw_bytes().first()? {
        0x10 => Some(KeySpec::Exchange),
        0x80 => Some(KeySpec::Signature),
        _ => None,
    }
}

fn attribute(attributes: &Attributes, name: ObjectIdentifier) -> Option<Vec<u8>> {
    let attribute = attributes.iter().find(|attribute| attribute.oid == name)?;
    attribute.values.iter().next()?.to_der().ok()
}
