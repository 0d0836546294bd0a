//! Who Hybridge is to both services: certificates and keys, and the access tokens they are worth.
//!
//! Towards Entra ID it signs in with a certificate ([`EntraTokens`]), towards an organization behind
//! AD FS with a user's name and password ([`AdfsTokens`]). Both are a [`TokenSource`]: whoever needs a
//! token asks for one each time, and gets the same one until shortly before it ends. What a token opens
//! is not known here.
//!
//! An organization without claims wants Windows authentication, which signs in connections in place of
//! handing out tokens: [`WindowsAccess`] is a [`SignedTransport`].
//!
//! Nothing in this crate prints a secret: not in an error, not in a log line, not through `Debug`.

mod adfs;
mod assertion;
mod bundle;
mod cache;
mod certificate;
mod challenge;
mod cloud;
mod credential;
mod device;
mod entra;
mod error;
mod exchange;
mod facts;
mod key;
mod pfx;
#[cfg(test)]
mod redaction_tests;
mod request;
#[cfg(test)]
mod testing;
mod token;
mod windows;

pub use adfs::{AdfsFault, AdfsParts, AdfsRefusal, AdfsTokens, ClaimsSignIn, OrganizationSignIn};
pub use assertion::{AssertionAlgorithm, ClientAssertion, proof_of_possession};
pub use bundle::{Bundle, Container};
pub use certificate::{Certificate, Validity};
pub use challenge::{Challenge, offered_schemes, parse_challenge};
pub use cloud::{Cloud, Tenant, UnknownCloud, UnusableTenant};
pub use credential::{Credential, CredentialSource, Fixed};
pub use device::{DeviceParts, DeviceTokens, EXCHANGE_TOOLS, GRAPH_TOOLS, GivenToken, Prompt};
pub use entra::{EntraFault, EntraParts, EntraRefusal, EntraTenant, EntraTokens, KeyProblem, discover_entra};
pub use error::{Error, PfxError};
pub use facts::{CertificateFacts, KeyKind};
pub use pfx::{KeySpec, PfxFacts, PfxForm, Protection, WindowsKey};
pub use request::{CertificateRequest, IssuedCertificate, KeyAlgorithm};
pub use token::{Token, TokenSource};
pub use windows::{
    Keytab, SignedError, SignedIn, SignedTransport, Trial, WindowsAccess, WindowsFault, WindowsParts,
    WindowsProtocol, WindowsRefusal, WindowsSecret, WindowsSignIn, WindowsUser,
};

/// A text that is never printed and is wiped from memory when dropped.
pub use secrecy::{ExposeSecret, SecretString};
