//! The commands, one a file.

pub(crate) mod accept;
pub(crate) mod acme;
pub(crate) mod bench;
mod bundle;
pub(crate) mod certificate;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod connect;
pub(crate) mod demo;
pub(crate) mod explain;
mod held;
pub(crate) mod init;
pub(crate) mod options;
pub(crate) mod rotate;
mod rotate_signing;
pub(crate) mod rules;
pub(crate) mod run;
pub(crate) mod sandbox;
pub(crate) mod simulate;
pub(crate) mod status;
pub(crate) mod sync;
