//! What `hybridge certificate request` is told.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, ValueEnum};
use url::Url;

use super::Writing;

/// How a certificate is asked for.
#[derive(Debug, Args)]
pub(crate) struct RequestArgs {
    /// The authority's ACME directory; Let's Encrypt's when left out.
    #[arg(long, value_name = "URL")]
    pub(crate) directory: Option<Url>,
    /// Let's Encrypt's staging: to try things out, trusted by nobody.
    #[arg(long, conflicts_with = "directory")]
    pub(crate) staging: bool,
    /// A host name that the certificate is for; may be given several times. A wildcard (*.contoso.com) needs --dns01-hook.
    #[arg(long, value_name = "NAME", required = true)]
    pub(crate) host: Vec<String>,
    /// A mail address that the authority may write to; may be given several times.
    #[arg(long, value_name = "MAIL")]
    pub(crate) contact: Vec<String>,
    /// Agree to the authority's terms; needed once, to make the account.
    #[arg(long)]
    pub(crate) accept_terms: bool,
    #[command(flatten)]
    pub(crate) proof: ProofArgs,
    /// The file with the account's private key; made where there is none.
    #[arg(long, value_name = "FILE", default_value = "acme-account.json")]
    pub(crate) account: PathBuf,
    /// The file to write: PEM with the key, or PFX when its name ends in .pfx.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// A file with the PFX file's password.
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Renew the file: replace it when fewer days are left or a name is missing, else do nothing.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=365))]
    pub(crate) renew_before: Option<u32>,
    /// A certificate authority (PEM) that the ACME server's own certificate comes from, beside the machine's own.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Vec<PathBuf>,
    /// The kind of key to make. Dynamics and AD FS take RSA only.
    #[arg(long, value_enum, default_value_t = KeyName::Rsa2048)]
    pub(crate) key: KeyName,
    #[command(flatten)]
    pub(crate) writing: Writing,
}

/// How it is proven that the names are ours: one of the three.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct ProofArgs {
    /// Prove the names over HTTP; Hybridge answers by itself on this address, such as 0.0.0.0:80.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) http01: Option<SocketAddr>,
    /// Prove the names over HTTP; a web server answers that has this folder as its root.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) http01_folder: Option<PathBuf>,
    /// Prove the names with DNS records; this program is called with `present` and `cleanup`, and has the record's name
    /// and value in `HYBRIDGE_ACME_NAME` and `HYBRIDGE_ACME_VALUE`.
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) dns01_hook: Option<PathBuf>,
}

/// The kinds of keys by the names that are typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyName {
    /// RSA, 2048 bits.
    Rsa2048,
    /// RSA, 3072 bits.
    Rsa3072,
    /// Elliptic curve NIST P-256.
    P256,
}
