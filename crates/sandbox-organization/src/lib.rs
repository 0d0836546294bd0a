//! A Dynamics 365 Customer Engagement (on-premises) 9.1 organization, emulated on the wire: the Web API
//! v9.0/v9.1 and the SOAP Organization service, with the rules of incoming email.
//!
//! The specification is `spec/dynamics.md` and, for the rules of incoming email,
//! `spec/server-side-sync.md`. A reader of the latter finds each rule as a module of `email`.

mod access;
mod cell;
mod census;
mod email;
mod fault;
mod odata;
mod options;
mod organization;
mod outbox;
mod records;
mod rows;
mod schema;
mod seed;
mod server_side;
mod soap;
mod state;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod web;

pub use census::{AttachmentFacts, Census, EmailFacts, PartyFacts, QueueItemFacts, RecordRef};
pub use options::{AnonymousAnswer, ExtraProperties, Latency, OrganizationOptions, PoisonPlugin, SignIn};
pub use organization::{Organization, OrganizationSetup};
pub use outbox::Written;
pub use seed::{NewQueue, NewUser, Refused, SeededQueue, SeededUser};
