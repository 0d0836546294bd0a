//! The two authorities, emulated: Microsoft Entra ID (client credentials with a certificate, graph.md
//! section 1) and AD FS in front of the organization (password and refresh token, dynamics.md section 2).
//!
//! Client assertions are verified for real against the registered certificates, tokens are signed, and
//! both authorities judge their own tokens for the services that accept them.

mod adfs;
mod assertion;
mod device;
mod directory;
mod discovery;
mod entra;
mod keys;
mod refusal;

pub use adfs::{Adfs, AdfsSetup, AdfsUser};
pub use directory::{Application, DirectoryFaults, KeyCredential};
pub use entra::{Entra, EntraSetup};
pub use refusal::Refusal;
