//! Exchange Online mailboxes, emulated, and Microsoft Graph v1.0 in front of them.
//!
//! [`Graph`] is a tenant's mailboxes behind the protocol: it answers HTTP calls as
//! `graph.microsoft.com` would (`spec/graph.md`), and offers tests what no client has: mail from
//! anywhere ([`Graph::deliver`]), the ground truth ([`Graph::census`]) and faults
//! ([`GraphOptions`]).
//!
//! What it does not do: calendars, contacts, tasks, resource data in notifications. Meeting
//! messages are recognised, but no event stands behind them.

mod attachments;
mod batch;
mod census;
mod delta;
mod exchange;
mod folders;
mod graph;
mod mailbox;
mod messages;
mod mime;
mod notify;
mod routes;
mod service;
mod session;
mod setup;
mod state;
mod subscriptions;
mod thread;
mod throttle;
mod transport;
mod upload;
mod users;
mod web;

#[cfg(test)]
mod tests;

pub use census::{AppWrite, CensusEntry, DeltaPosition, RequestCounts, SentMail};
pub use exchange::{EwsRefusal, EwsService};
pub use graph::{Graph, GraphError};
pub use mailbox::message::{Body, BodyType, EmailAddress, HeaderField, Importance};
pub use setup::{
    DeltaOptions, ExpiredTokenAnswer, GraphOptions, GraphSetup, MailboxGrant, MailboxState, NewUser,
    NotificationOptions, ThrottleOptions,
};
pub use transport::{Mail, MailAttachment};
