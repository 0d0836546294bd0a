//! The rules of email, each in a module of its own (server-side-sync.md 2 and 3, dynamics.md 5).

mod address;
pub(crate) mod attachments;
mod check;
mod correlation;
mod deliver;
mod envelope;
mod filtering;
mod internal;
mod owner;
mod parties;
mod promote;
mod queueing;
mod reason;
mod send;
pub(crate) mod smart;

#[cfg(test)]
mod tests;

use crate::{
    access,
    fault::{Fault, Outcome, ROUTER_DISABLED},
    schema,
    state::{Session, State},
};
pub(crate) use {
    check::check_incoming,
    deliver::deliver_incoming,
    envelope::{Envelope, File, Message, Thread},
    promote::{check_promote, deliver_promote},
    reason::{Reason, Verdict},
    send::{Sending, send},
};

/// With server-side synchronization chosen as the organization's channel, the messages made for an
/// external router are refused (dynamics.md 6.6).
pub(crate) fn refuse_without_router(state: &State) -> Outcome<()> {
    if state.organization().integer("emailconnectionchannel") == Some(1) {
        return Ok(());
    }
    Err(Fault::bad(
        ROUTER_DISABLED,
        "The Email Router is disabled: the organization processes email with server-side synchronization.",
    ))
}

/// The privileges that the message reference names for each message (dynamics.md 5).
pub(crate) const TO_CHECK: [&str; 1] = ["prvReadActivity"];
pub(crate) const TO_DELIVER: [&str; 3] = ["prvCreateActivity", "prvWriteActivity", "prvAppendActivity"];
pub(crate) const TO_PROMOTE: [&str; 5] =
    ["prvAppendActivity", "prvCreateActivity", "prvReadActivity", "prvShareActivity", "prvWriteActivity"];

pub(crate) const TO_SEND: [&str; 3] = ["prvReadActivity", "prvWriteActivity", "prvReadUser"];

/// Refuses a caller who lacks one of these privileges.
pub(crate) fn demand(state: &State, session: &Session, privileges: &[&str]) -> Outcome<()> {
    let table = schema::table("email");
    privileges.iter().try_for_each(|privilege| access::demand_named(state, session, privilege, table))
}
