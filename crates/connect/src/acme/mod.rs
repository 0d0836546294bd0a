//! Certificates from an authority that speaks ACME (RFC 8555; setup.md 5.7): Let's Encrypt, or one of the house.
//!
//! [`Server::contact`] reads the directory, [`Server::account`] makes or takes up an account, and
//! [`Account::obtain`] orders, proves that the names are ours through a [`Responder`], and fetches the
//! certificate. Whatever a responder put up is taken down again, however it ends.

mod account;
mod error;
mod names;
mod order;
mod problem;
#[cfg(test)]
mod tests;
mod wire;

use std::fmt;

use async_trait::async_trait;

pub use account::{Account, Server};
pub use error::Error;
pub use names::{Renewal, host_names, renewal};
pub use order::{Obtained, Order};
pub use problem::{Problem, RefusedName};

/// Let's Encrypt, for use.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// Let's Encrypt, for trying out: no browser trusts its certificates, and its limits are wide.
pub const LETS_ENCRYPT_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";

/// How it is proven that a name is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeKind {
    /// A file on port 80 of the host (RFC 8555, 8.3). Not for wildcards.
    Http01,
    /// A TXT record (RFC 8555, 8.4).
    Dns01,
}

impl fmt::Display for ChallengeKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Http01 => "HTTP-01",
            Self::Dns01 => "DNS-01",
        })
    }
}

/// What has to be found so that a name counts as ours. Public by its nature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    kind: ChallengeKind,
    host: String,
    token: String,
    key_authorization: String,
    record_value: String,
}

impl Proof {
    /// The host name, for a wildcard without its `*.`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The file's name: letters, digits, `-` and `_` only.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The file's whole content.
    pub fn key_authorization(&self) -> &str {
        &self.key_authorization
    }

    /// The name of the TXT record, without a dot at its end.
    pub fn record_name(&self) -> String {
        format!("_acme-challenge.{}", self.host)
    }

    /// The value of the TXT record.
    pub fn record_value(&self) -> &str {
        &self.record_value
    }

    /// Where the authority looks.
    pub fn place(&self) -> String {
        match self.kind {
            ChallengeKind::Http01 => {
                format!("http://{}/.well-known/acme-challenge/{}", self.host, self.token)
            }
            ChallengeKind::Dns01 => format!("the TXT record {}", self.record_name()),
        }
    }
}

/// Puts proofs where the authority looks, and takes them away again.
#[async_trait]
pub trait Responder: Send + Sync {
    /// The kind of proof that it can give.
    fn kind(&self) -> ChallengeKind;

    /// Puts a proof up. The error says what failed, and what the tool that was used said.
    async fn present(&self, proof: &Proof) -> Result<(), String>;

    /// Takes a proof down. It is called for every proof that [`Responder::present`] was called with, also where
    /// that failed or was cut short; a proof that is not there is no error.
    async fn withdraw(&self, proof: &Proof) -> Result<(), String>;
}

/// A step of the way, told as it is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// An account was made.
    AccountMade(String),
    /// An account was taken up again.
    AccountReused(String),
    /// A certificate was ordered.
    Ordered(Vec<String>),
    /// The authority still remembers that a name is ours.
    AlreadyProven(String),
    /// A proof was put up: the name, and where.
    Presented(String, String),
    /// The authority is looking for this many proofs.
    Checking(usize),
    /// The authority found them all.
    Proven,
    /// The proof for a name was taken down: the name, and from where.
    Withdrawn(String, String),
    /// The authority signs.
    Signing,
    /// Something is tried again, and why.
    Again(String),
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccountMade(id) => write!(formatter, "Account made: {id}"),
            Self::AccountReused(id) => write!(formatter, "Account: {id}"),
            Self::Ordered(names) => write!(formatter, "Ordered a certificate for {}.", names.join(", ")),
            Self::AlreadyProven(name) => {
                write!(formatter, "{name}: proven before, the authority does not ask again.")
            }
            Self::Presented(name, place) => write!(formatter, "{name}: proof put up, {place}"),
            Self::Checking(1) => write!(formatter, "The authority is looking for the proof …"),
            Self::Checking(count) => write!(formatter, "The authority is looking for the {count} proofs …"),
            Self::Proven => write!(formatter, "All names are proven."),
            Self::Withdrawn(name, place) => write!(formatter, "{name}: proof taken down, {place}"),
            Self::Signing => write!(formatter, "Asked for the certificate; waiting for the signature …"),
            Self::Again(why) => write!(formatter, "Trying again: {why}"),
        }
    }
}

/// Hears of the steps.
pub trait Watch: Send + Sync {
    /// A step was taken.
    fn step(&self, step: Step);
}
