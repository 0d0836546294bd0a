//! What the tests of the whole program share; each test file uses a part of it.
#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::panic,
    reason = "every test file compiles this module and uses a part of it"
)]

#[cfg(unix)]
mod authority;
mod client;
mod control;
mod domain;
mod metadata;
mod program;
mod sandbox;

#[cfg(unix)]
pub(crate) use authority::Authority;
pub(crate) use client::{node, python, python_with};
pub(crate) use control::Control;
pub(crate) use domain::Domain;
pub(crate) use metadata::Metadata;
pub(crate) use program::{Ended, Running, hybridge, run, run_on_own_disk};
pub(crate) use sandbox::Sandbox;
