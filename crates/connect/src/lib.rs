//! The trust between the two systems. It begins with the certificates that carry it: which of them is good for
//! what, and why not ([`purpose`]).

pub mod purpose;
