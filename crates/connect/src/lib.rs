//! The trust between the two systems. It begins with the certificates that carry it: which of them is good for
//! what, and why not ([`purpose`]), and how a certificate authority is asked for one ([`acme`]).

pub mod acme;
pub mod purpose;
