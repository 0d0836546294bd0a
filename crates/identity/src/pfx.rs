//! Reading and writing PKCS #12 files, in the terms of this crate.

mod envelope;

use p12_keystore::{
    EncryptionAlgorithm, KeyStore, KeyStoreEntry, MacAlgorithm, Pkcs12Archive, PrivateKey as BaggedKey,
    PrivateKeyChain, error::Error as Pkcs12Error,
};
use secrecy::{ExposeSecret, SecretSlice, SecretString};

use crate::{
    Certificate, Error, PfxError,
    key::{PrivateKey, public_half},
};

pub use envelope::{KeySpec, PfxFacts, Protection, WindowsKey};

/// The algorithm identifier of RSA keys (RFC 8017, appendix C).
const RSA: &str = "1.2.840.113549.1.1.1";

/// The first RSA key that has its certificate in the file, with the issuers found there, nearest first.
pub(crate) fn read(bytes: &[u8], password: &SecretString) -> Result<(Vec<Certificate>, PrivateKey), Error> {
    let archive = Pkcs12Archive::from_pkcs12(bytes, password.expose_secret()).map_err(explain)?;
    if archive.keys.is_empty() {
        return Err(PfxError::NoKey.into());
    }
    let mut kinds = archive.keys.iter().map(|bag| bag.key.oid().to_string());
    if let (Some(kind), false) = (kinds.next(), archive.keys.iter().any(is_rsa)) {
        return Err(Error::UnsupportedKey { kind: name_of(&kind) });
    }
    // The key's public half decides, not the local key id: files without one exist.
    let certificates = archive
        .certs
        .iter()
        .map(|bag| Certificate::from_der(bag.cert.as_der()))
        .collect::<Result<Vec<_>, _>>()?;
    for bag in archive.keys.iter().filter(|bag| is_rsa(bag)) {
        let key = PrivateKey::from_pkcs8(bag.key.as_der())?;
        let own = certificates.iter().find(|certificate| certificate.holds_public_key(key.public_key()));
        if let Some(own) = own {
            return Ok((chain_from(own, &certificates), key));
        }
    }
    Err(PfxError::NoCertificate.into())
}

/// The key specification of each key, in the order of the file.
pub(crate) fn key_specs(bytes: &[u8], password: &SecretString) -> Result<Vec<Option<KeySpec>>, Error> {
    let archive = Pkcs12Archive::from_pkcs12(bytes, password.expose_secret()).map_err(explain)?;
    Ok(archive.keys.iter().map(|bag| envelope::key_spec(bag.key.as_der())).collect())
}

/// The certificates of a file that holds no key.
pub(crate) fn certificates(bytes: &[u8], password: &SecretString) -> Result<Vec<Certificate>, Error> {
    let archive = Pkcs12Archive::from_pkcs12(bytes, password.expose_secret()).map_err(explain)?;
    archive.certs.iter().map(|bag| Certificate::from_der(bag.cert.as_der())).collect()
}

/// Which certificate belongs to a private key in the file, whatever kind of key that is.
pub(crate) fn own_of_any_key(
    bytes: &[u8],
    password: &SecretString,
    certificates: &[Certificate],
) -> Result<Option<usize>, Error> {
    let archive = Pkcs12Archive::from_pkcs12(bytes, password.expose_secret()).map_err(explain)?;
    let mut publics = archive.keys.iter().filter_map(|bag| public_half(bag.key.as_der()));
    Ok(publics.find_map(|public| certificates.iter().position(|one| one.holds_public_key(&public))))
}

/// How a PFX file is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PfxForm {
    /// AES-256 and SHA-256, as Windows Server 2019 and OpenSSL 3 write it.
    #[default]
    Modern,
    /// Triple DES and SHA-1, which every Windows reads.
    Legacy,
}

/// Writes a file. The key, as PKCS #8, belongs to the first certificate.
pub(crate) fn write(
    chain: &[Certificate],
    pkcs8: &SecretSlice<u8>,
    password: &SecretString,
    form: PfxForm,
) -> Result<Vec<u8>, Error> {
    let unwritable = |error: Pkcs12Error| Error::from(PfxError::Unwritable { detail: error.to_string() });
    let bagged = BaggedKey::from_der(pkcs8.expose_secret()).map_err(unwritable)?;
    let certificates = chain
        .iter()
        .map(|certificate| p12_keystore::Certificate::from_der(certificate.der()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(unwritable)?;
    let thumbprint = chain.first().map(Certificate::sha1_hex).unwrap_or_default();
    let mut store = KeyStore::new();
    let entry = PrivateKeyChain::new(thumbprint.as_str(), bagged, certificates);
    store.add_entry("hybridge", KeyStoreEntry::PrivateKeyChain(entry));
    let writer = store.writer(password.expose_secret());
    match form {
        PfxForm::Modern => writer.write(),
        PfxForm::Legacy => writer
            .encryption_algorithm(EncryptionAlgorithm::PbeWithShaAnd3KeyTripleDesCbc)
            .mac_algorithm(MacAlgorithm::HmacSha1)
            .write(),
    }
    .map_err(unwritable)
}

fn chain_from(own: &Certificate, all: &[Certificate]) -> Vec<Certificate> {
    let mut chain = vec![own.clone()];
    let mut last = own;
    while let Some(issuer) = all.iter().find(|one| one.subject() == last.issuer() && !chain.contains(one)) {
        chain.push(issuer.clone());
        last = issuer;
    }
    chain
}

fn is_rsa(bag: &p12_keystore::PrivateKeyBag) -> bool {
    bag.key.oid().to_string() == RSA
}

fn name_of(kind: &str) -> String {
    match kind {
        "1.2.840.10045.2.1" => "elliptic curve".to_owned(),
        "1.2.840.113549.1.1.10" => "RSASSA-PSS".to_owned(),
        "1.2.840.10040.4.1" => "DSA".to_owned(),
        "1.3.101.112" => "Ed25519".to_owned(),
        other => format!("algorithm {other}"),
    }
}

fn explain(error: Pkcs12Error) -> Error {
    let problem = match error {
        // A file without integrity check betrays the wrong password only when it is decrypted.
        Pkcs12Error::MacError(_) | Pkcs12Error::Pkcs5Error(_) | Pkcs12Error::UnpadError => {
            PfxError::WrongPassword
        }
        Pkcs12Error::UnsupportedEncryptionScheme
        | Pkcs12Error::UnsupportedMacAlgorithm
        | Pkcs12Error::UnsupportedContentType
        | Pkcs12Error::UnsupportedCertificateType => PfxError::Unsupported { detail: error.to_string() },
        other => PfxError::Damaged { detail: other.to_string() },
    };
    problem.into()
}
