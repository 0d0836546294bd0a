//! The SOAP Organization service, as far as incoming email needs it: `Execute` of an
//! `OrganizationRequest` (server-side-sync.md 0; the messages' names are those of dynamics.md 5).

mod execute;
mod read;
mod write;

pub(crate) use execute::answer;
