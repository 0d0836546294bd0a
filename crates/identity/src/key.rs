use aws_lc_rs::{
    encoding::AsDer,
    rsa::KeyPair as RsaKeyPair,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use jsonwebtoken::EncodingKey;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use zeroize::Zeroizing;

use crate::Error;

/// An RSA private key. Wiped from memory when dropped, never printed.
#[derive(Clone)]
pub(crate) struct PrivateKey {
    pkcs8: SecretSlice<u8>,
    public_key: Vec<u8>,
    signing: EncodingKey,
}

impl PrivateKey {
    /// From an unencrypted PKCS #8 `PrivateKeyInfo`.
    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Self, Error> {
        RsaKeyPair::from_pkcs8(der).map_err(unusable).and_then(|pair| Self::from_pair(&pair))
    }

    /// From the PEM of a key: PKCS #8 or the older PKCS #1 form.
    pub(crate) fn from_pem(text: &SecretString) -> Result<Self, Error> {
        let unreadable = |detail: &str| Error::KeyUnreadable { detail: detail.to_owned() };
        // The parser's own error can repeat what it read.
        let sections = pem::parse_many(text.expose_secret())
            .map_err(|_| unreadable("its PEM armour or base64 is damaged"))?;
        let section = sections
            .into_iter()
            .find(|section| section.tag().ends_with("PRIVATE KEY"))
            .ok_or_else(|| unreadable("the text holds no section BEGIN PRIVATE KEY"))?;
        let kind = section.tag().to_owned();
        let der = Zeroizing::new(section.into_contents());
        match kind.as_str() {
            "PRIVATE KEY" => Self::from_pkcs8(&der),
            "RSA PRIVATE KEY" => {
                RsaKeyPair::from_der(&der).map_err(unusable).and_then(|pair| Self::from_pair(&pair))
            }
            "ENCRYPTED PRIVATE KEY" => Err(unreadable("it is encrypted")),
            other => Err(Error::UnsupportedKey { kind: other.to_owned() }),
        }
    }

    fn from_pair(pair: &RsaKeyPair) -> Result<Self, Error> {
        let pkcs8 = pair
            .as_der()
            .map_err(|_| Error::KeyUnreadable { detail: "it can't be written as PKCS #8".to_owned() })?;
        let pkcs8 = SecretSlice::from(pkcs8.as_ref().to_vec());
        let signing = EncodingKey::from_rsa_pem(to_pem(&pkcs8).expose_secret().as_bytes())
            .map_err(|error| Error::KeyUnreadable { detail: error.to_string() })?;
        Ok(Self { pkcs8, public_key: pair.public_key().as_ref().to_vec(), signing })
    }

    /// The PKCS #1 `RSAPublicKey` that belongs to it.
    pub(crate) fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// The key for signing JWTs.
    pub(crate) fn signing(&self) -> &EncodingKey {
        &self.signing
    }

    /// The PKCS #8 bytes.
    pub(crate) fn pkcs8(&self) -> &SecretSlice<u8> {
        &self.pkcs8
    }

    /// The key as PKCS #8 PEM.
    pub(crate) fn pem(&self) -> SecretString {
        to_pem(&self.pkcs8)
    }
}

/// The public half of a private key of any kind that certificates here have, as it stands in a certificate; `None` for
/// other kinds.
pub(crate) fn public_half(pkcs8: &[u8]) -> Option<Vec<u8>> {
    let curves = [&ECDSA_P256_SHA256_ASN1_SIGNING, &ECDSA_P384_SHA384_ASN1_SIGNING];
    let rsa = || RsaKeyPair::from_pkcs8(pkcs8).ok().map(|pair| pair.public_key().as_ref().to_vec());
    let curve =
        |curve| EcdsaKeyPair::from_pkcs8(curve, pkcs8).ok().map(|pair| pair.public_key().as_ref().to_vec());
    rsa().or_else(|| curves.into_iter().find_map(curve))
}

/// As [`public_half`], of the first private key (PKCS #8) in a PEM text.
pub(crate) fn public_half_of_pem(text: &str) -> Option<Vec<u8>> {
    let sections = pem::parse_many(text).ok()?;
    let section = sections.into_iter().find(|section| section.tag() == "PRIVATE KEY")?;
    public_half(&Zeroizing::new(section.into_contents()))
}

pub(crate) fn to_pem(pkcs8: &SecretSlice<u8>) -> SecretString {
    pem::encode(&pem::Pem::new("PRIVATE KEY", pkcs8.expose_secret())).into()
}

fn unusable(rejected: aws_lc_rs::error::KeyRejected) -> Error {
    Error::UnsupportedKey { kind: format!("not an RSA key of 2048 to 8192 bits ({rejected})") }
}
