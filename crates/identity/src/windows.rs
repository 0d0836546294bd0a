//! Windows authentication: Kerberos, and NTLM where Kerberos is not possible (dynamics.md 2.1, 2.4).
//!
//! All cryptography is that of the crate `sspi`.

mod access;
mod kerberos;
mod keytab;
mod ntlm;
mod refusal;
#[cfg(test)]
mod tests;
mod user;

use std::fmt;

use async_trait::async_trait;
use hybridge_net::{Request, Response, TransportError};
use secrecy::SecretString;

pub use access::{Trial, WindowsAccess, WindowsParts};
pub use keytab::Keytab;
pub use refusal::{WindowsFault, WindowsRefusal};
pub use user::WindowsUser;

use crate::Error;

/// How a domain account signs in.
#[derive(Debug, Clone)]
pub struct WindowsSignIn {
    /// The account.
    pub user: WindowsUser,
    /// What it proves itself with.
    pub secret: WindowsSecret,
    /// The organization's service principal name, where it is not `HTTP/` and the host of its address.
    pub service: Option<String>,
    /// A domain controller, as `host` or `host:port`. Without it `krb5.conf` is asked, then the domain's name.
    pub kdc: Option<String>,
}

/// What an account proves itself with.
#[derive(Clone)]
pub enum WindowsSecret {
    /// Its password: for Kerberos and NTLM.
    Password(SecretString),
    /// Its key: for Kerberos only.
    Keytab(Keytab),
}

impl fmt::Debug for WindowsSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Password(_) => formatter.write_str("Password"),
            Self::Keytab(keytab) => keytab.fmt(formatter),
        }
    }
}

/// Which of the two was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WindowsProtocol {
    /// Kerberos: each request carries a ticket.
    Kerberos,
    /// NTLM: the connection was authenticated.
    Ntlm,
}

impl fmt::Display for WindowsProtocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Kerberos => "Kerberos",
            Self::Ntlm => "NTLM",
        })
    }
}

/// How a sign-in went.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// What was used.
    pub protocol: WindowsProtocol,
    /// Why it was not Kerberos.
    pub instead_of_kerberos: Option<WindowsRefusal>,
}

/// Sends requests as somebody who is signed in to the server.
#[async_trait]
pub trait SignedTransport: Send + Sync + fmt::Debug {
    /// Signs in where that is needed, sends the request and reads the whole answer.
    async fn send(&self, request: Request) -> Result<Response, SignedError>;
}

/// A request got no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SignedError {
    /// It was not signed in, and has had no effect.
    #[error(transparent)]
    SignIn(#[from] Error),
    /// It was sent, or could not be.
    #[error(transparent)]
    Transport(#[from] TransportError),
}
