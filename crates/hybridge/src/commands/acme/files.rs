//! The files: the certificate, and the account.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use hybridge_connect::acme::{Renewal, renewal};
use hybridge_identity::{Bundle, ExposeSecret, IssuedCertificate, SecretString};
use hybridge_net::{Clock as _, SystemClock};

use crate::{
    cli::RequestArgs,
    commands::certificate::{exists_already, unusable, write_whole},
    config::pfx_password,
    error::{Failure, Result},
    exit::Exit,
    wiring::write_secret,
};

/// The file that the certificate goes into.
#[derive(Debug)]
pub(super) struct Target<'a> {
    path: &'a Path,
    force: bool,
    /// The password to write with: the file is a PFX then, else PEM.
    password: Option<SecretString>,
}

impl<'a> Target<'a> {
    /// What the arguments name. The password is asked for here, before anything is ordered.
    pub(super) fn new(args: &'a RequestArgs) -> Result<Self> {
        let pfx = args.out.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("pfx"));
        let password = if pfx { Some(pfx_password(args.password_file.as_deref())?) } else { None };
        Ok(Self { path: &args.out, force: args.writing.force, password })
    }

    /// Whether what is there has to be renewed; `None` where nothing is there.
    pub(super) fn renewal(&self, names: &[String], before: u32) -> Result<Option<Renewal>> {
        let bytes = match fs::read(self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                let what = format!("{} can't be read: {error}", self.path.display());
                return Err(
                    Failure::new(Exit::Configuration, what).help("Check that this account may read it.")
                );
            }
        };
        let password = self.password.clone().unwrap_or_default();
        let read = |error: &hybridge_identity::Error| unusable(self.path, error);
        let certificates = Bundle::read(&bytes, &password).map_err(|error| read(&error))?.certificates;
        let Some(own) = certificates.first() else { return Ok(None) };
        let due = renewal(own, names, before, SystemClock.now()).map_err(|error| read(&error))?;
        if due == Renewal::Foreign && !self.force {
            let what = format!("{} is a certificate for other names", self.path.display());
            return Err(Failure::new(Exit::Configuration, what)
                .help("Name another file, or replace this one with --force."));
        }
        Ok(Some(due))
    }

    /// Makes sure that the file may be written: a renewal replaces, nothing else does.
    pub(super) fn check(&self, renews: bool) -> Result<()> {
        if self.path.exists() && !self.force && !renews {
            return Err(exists_already(self.path));
        }
        Ok(())
    }

    /// Makes sure that the file can be written, before the authority is asked for anything.
    pub(super) fn probe(&self) -> Result<()> {
        let part = self.path.with_extension("part");
        let _left_by_an_interruption = fs::remove_file(&part);
        write_secret(&part, b"").and_then(|()| fs::remove_file(&part)).map_err(|error| {
            Failure::new(Exit::Storage, format!("{} can't be written: {error}", self.path.display()))
                .help("Check that its folder exists and that this account may write there.")
        })
    }

    /// Writes the certificate with its key, for its owner's eyes only.
    pub(super) fn write(&self, issued: &IssuedCertificate) -> Result<()> {
        match &self.password {
            Some(password) => {
                let pfx = issued.to_pfx(password).map_err(|error| unusable(self.path, &error))?;
                write_whole(self.path, &pfx)
            }
            None => write_whole(self.path, issued.pem().expose_secret().as_bytes()),
        }
    }
}

/// The file with the account's key.
#[derive(Debug)]
pub(super) struct Account<'a> {
    path: &'a PathBuf,
    saved: Option<SecretString>,
}

impl<'a> Account<'a> {
    /// Reads it, where it is there.
    pub(super) fn read(path: &'a PathBuf) -> Result<Self> {
        match fs::read_to_string(path) {
            Ok(text) => Ok(Self { path, saved: Some(SecretString::from(text)) }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self { path, saved: None }),
            Err(error) => Err(Failure::new(
                Exit::Configuration,
                format!("the account {} can't be read: {error}", path.display()),
            )
            .help("Check --account, and that this account may read it.")),
        }
    }

    /// What was saved of an account.
    pub(super) fn saved(&self) -> Option<&SecretString> {
        self.saved.as_ref()
    }

    /// Writes a new one; nothing is replaced.
    pub(super) fn write(&self, saved: &SecretString) -> Result<()> {
        write_secret(self.path, saved.expose_secret().as_bytes()).map_err(|error| {
            let what = format!("the account {} can't be written: {error}", self.path.display());
            Failure::new(Exit::Storage, what)
                .help("Check that its folder exists and that this account may write there.")
        })
    }
}
