//! One OData v4 client for both services.
//!
//! [`Service`] sends [`Call`]s: it signs them, keeps to the service's limits ([`gate`]), repeats what
//! may be repeated, honours `Retry-After`, and turns every failure into one [`Error`] that says how it
//! is to be reacted to. Batches exist in the two forms the services want: JSON ([`json_batch`], Graph)
//! and multipart ([`multipart`], Dynamics). What the entities mean is not known here.

mod access;
mod answer;
mod call;
mod error;
pub mod gate;
pub mod json_batch;
pub mod multipart;
pub mod query;
mod service;

pub use access::Access;
pub use answer::{Answer, Page};
pub use call::{Call, Target};
pub use error::{Error, Failure};
pub use service::{Parts, Patience, Service, Traffic};

/// The vocabulary of HTTP.
pub use hybridge_net::http;
