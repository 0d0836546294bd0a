//! A whole world to try Hybridge in: one tenant and one organization, emulated on the wire.
//!
//! [`Sandbox`] owns the emulated services and answers calls in this process ([`Sandbox::call`], what the
//! simulation uses) or over TLS ([`serve`], what `hybridge sandbox` does). Around every service lie the
//! [`faults`] that were asked for. [`company`] fills the world with made-up people and their mail,
//! [`import`] with a user's own.

pub mod company;
mod control;
pub mod faults;
pub mod import;
mod native;
mod outbound;
mod serve;
mod sign_in;
mod world;

pub use hybridge_sandbox_graph as graph;
pub use hybridge_sandbox_kit::{Clock, Cut, Dice, Face, Origins, Outbound, OutboundError};
pub use hybridge_sandbox_organization as organization;
pub use hybridge_sandbox_windows as windows;
pub use outbound::HttpsOutbound;
pub use serve::{Access, ServeError, ServeOptions, Served, serve};
pub use world::{App, Sandbox, Setup};
