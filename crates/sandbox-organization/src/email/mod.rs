//! The rules of incoming email, each in a module of its own (server-side-sync.md 2, dynamics.md 5).

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
pub(crate) mod smart;

#[cfg(test)]
mod tests;

use crate::{
    fault::{Fault, Outcome, ROUTER_DISABLED},
    state::State,
};
pub(crate) use {
    check::check_incoming,
    deliver::deliver_incoming,
    envelope::{Envelope, File, Message, Thread},
    promote::{check_promote, deliver_promote},
    reason::{Reason, Verdict},
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
