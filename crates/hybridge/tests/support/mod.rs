//! What the tests of the whole program share.

mod client;
mod sandbox;

pub(crate) use client::{node, python};
pub(crate) use sandbox::Sandbox;
