//! The files of a rotation. The certificate in use keeps its name, so that no configuration has to change; the new one
//! lies beside it as `….next`, the old one as `….previous`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use hybridge_identity::{Credential, ExposeSecret, SecretString};
use uuid::Uuid;

use super::{Error, Result, State};

/// The form of the certificate's file.
#[derive(Debug, Clone)]
pub enum Form {
    /// PFX, with this password.
    Pfx(SecretString),
    /// Certificate and unencrypted key as text.
    Pem,
}

/// Where everything is.
#[derive(Debug, Clone)]
pub struct Files {
    certificate: PathBuf,
    form: Form,
    folder: PathBuf,
}

impl Files {
    /// The certificate in use, and the folder for what has to be remembered.
    pub fn new(certificate: PathBuf, form: Form, folder: PathBuf) -> Self {
        Self { certificate, form, folder }
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        let mut name = self.certificate.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    }

    fn next(&self) -> PathBuf {
        self.beside(".next")
    }

    fn previous(&self) -> PathBuf {
        self.beside(".previous")
    }

    /// Where the certificate in use lies.
    pub fn path(&self) -> &Path {
        &self.certificate
    }

    /// The certificate in use.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn current(&self) -> Result<Credential> {
        self.read(&self.certificate)
    }

    /// Whether there is a certificate.
    pub(crate) fn exist(&self) -> bool {
        self.certificate.exists()
    }

    /// The first certificate, where there is none yet.
    pub(crate) fn keep_first(&self, credential: &Credential) -> Result<()> {
        let bytes = self.bytes(credential)?;
        if let Some(folder) = self.certificate.parent() {
            fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
        }
        write(&self.certificate, &bytes)
    }

    /// Takes the certificate away.
    pub(crate) fn forget_current(&self) -> Result<()> {
        remove(&self.certificate)
    }

    fn bytes(&self, credential: &Credential) -> Result<Vec<u8>> {
        Ok(match &self.form {
            Form::Pfx(password) => {
                credential.to_pfx(password).map_err(|error| failed(&self.certificate, &error))?
            }
            Form::Pem => {
                format!("{}{}", credential.certificate_pem(), credential.private_key_pem().expose_secret())
                    .into_bytes()
            }
        })
    }

    pub(super) fn new_one(&self) -> Result<Credential> {
        self.read(&self.next())
    }

    fn read(&self, path: &Path) -> Result<Credential> {
        let bytes = fs::read(path).map_err(|error| failed(path, &error))?;
        let read = match &self.form {
            Form::Pfx(password) => Credential::from_pfx(&bytes, password),
            Form::Pem => {
                let text = String::from_utf8_lossy(&bytes).into_owned();
                Credential::from_pem(&text, &SecretString::from(text.clone()))
            }
        };
        read.map_err(|error| failed(path, &error))
    }

    pub(super) fn keep_new(&self, new: &Credential) -> Result<()> {
        let path = self.next();
        let bytes = self.bytes(new)?;
        self.forget_new()?;
        write(&path, &bytes)
    }

    /// The old one is kept before the new one takes its name.
    pub(super) fn switch(&self) -> Result<()> {
        let bytes = fs::read(&self.certificate).map_err(|error| failed(&self.certificate, &error))?;
        let previous = self.previous();
        remove(&previous)?;
        write(&previous, &bytes)?;
        fs::rename(self.next(), &self.certificate).map_err(|error| failed(&self.certificate, &error))
    }

    pub(super) fn switch_back(&self) -> Result<()> {
        fs::rename(self.previous(), &self.certificate).map_err(|error| failed(&self.certificate, &error))
    }

    pub(super) fn forget_new(&self) -> Result<()> {
        remove(&self.next())
    }

    pub(super) fn forget_old(&self) -> Result<()> {
        remove(&self.previous())
    }

    fn state_file(&self) -> PathBuf {
        self.folder.join("rotation.json")
    }

    /// The rotation that is under way.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn state(&self) -> Result<Option<State>> {
        read_json(&self.state_file())
    }

    /// Whether a rotation is under way.
    pub fn is_rotating(&self) -> bool {
        self.state_file().exists()
    }

    pub(super) fn keep_state(&self, state: &State) -> Result<()> {
        self.keep_json(&self.state_file(), state)
    }

    pub(super) fn forget_state(&self) -> Result<()> {
        remove(&self.state_file())
    }

    /// What is remembered of a rotation of another kind.
    pub(super) fn state_of<T: serde::de::DeserializeOwned>(&self) -> Result<Option<T>> {
        read_json(&self.state_file())
    }

    /// The rotation of the certificate that Dynamics signs with, where one is under way.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn signing_state(&self) -> Result<Option<super::SigningState>> {
        self.state_of()
    }

    pub(super) fn keep_state_of(&self, state: &impl serde::Serialize) -> Result<()> {
        self.keep_json(&self.state_file(), state)
    }

    /// Whether the certificate in use is this one.
    pub(super) fn holds(&self, thumbprint: &str) -> bool {
        self.current().is_ok_and(|current| current.certificate().sha1_hex() == thumbprint)
    }

    /// The new one takes the name; there may have been none before.
    pub(super) fn put_in(&self) -> Result<()> {
        if self.exist() {
            return self.switch();
        }
        fs::rename(self.next(), &self.certificate).map_err(|error| failed(&self.certificate, &error))
    }

    /// The old one takes the name again, where there was one.
    pub(super) fn take_back(&self) -> Result<()> {
        if self.previous().exists() { self.switch_back() } else { self.forget_current() }
    }

    /// The key id that Entra ID gave a certificate, where Hybridge was told.
    pub(super) fn key_of(&self, thumbprint: &str) -> Result<Option<Uuid>> {
        Ok(self.keys()?.get(thumbprint).copied())
    }

    pub(super) fn keep_key(&self, thumbprint: &str, key: Uuid) -> Result<()> {
        let mut keys = self.keys()?;
        keys.insert(thumbprint.to_owned(), key);
        self.keep_json(&self.folder.join("keys.json"), &keys)
    }

    fn keys(&self) -> Result<BTreeMap<String, Uuid>> {
        Ok(read_json(&self.folder.join("keys.json"))?.unwrap_or_default())
    }

    fn brought_file(&self) -> PathBuf {
        self.folder.join("brought.json")
    }

    /// On which servers Hybridge itself has put a certificate: only there it may take it away again, as others may use what
    /// was there before.
    ///
    /// # Errors
    /// When that can't be read.
    pub(crate) fn brought(&self, thumbprint: &str) -> Result<BTreeSet<String>> {
        let mut all: BTreeMap<String, BTreeSet<String>> =
            read_json(&self.brought_file())?.unwrap_or_default();
        Ok(all.remove(thumbprint).unwrap_or_default())
    }

    /// Remembers that Hybridge is about to put a certificate on a server where it is not.
    ///
    /// # Errors
    /// When that can't be written.
    pub(crate) fn keep_brought(&self, thumbprint: &str, server: &str) -> Result<()> {
        let mut all: BTreeMap<String, BTreeSet<String>> =
            read_json(&self.brought_file())?.unwrap_or_default();
        all.entry(thumbprint.to_owned()).or_default().insert(server.to_owned());
        self.keep_json(&self.brought_file(), &all)
    }

    fn keep_json(&self, path: &Path, value: &impl serde::Serialize) -> Result<()> {
        fs::create_dir_all(&self.folder).map_err(|error| failed(&self.folder, &error))?;
        let text = serde_json::to_vec_pretty(value).map_err(|error| failed(path, &error))?;
        let aside = path.with_extension("new");
        remove(&aside)?;
        write(&aside, &text)?;
        fs::rename(&aside, path).map_err(|error| failed(path, &error))
    }
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| failed(path, &error)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(path, &error)),
    }
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed(path, &error)),
        _ => Ok(()),
    }
}

/// A file that only its owner reads, on the disk before this returns.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(|error| failed(path, &error))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &impl ToString) -> Error {
    Error::File { path: path.to_path_buf(), detail: error.to_string() }
}
