//! Who owns the email (server-side-sync.md 2.7, "Owner of the created e-mail").

use uuid::Uuid;

use super::{Envelope, parties};
use crate::{cell::Reference, schema, state::State};

/// The owner: among the owners of the mailboxes of To, then Cc, then Bcc, the one who owns the
/// correlated email, else the one who owns the sender's record, else the first. Where no recipient has
/// a mailbox, the owner of the mailbox being read, if that is known.
pub(super) fn of_message(
    state: &State,
    envelope: &Envelope,
    sender: Option<Reference>,
    correlated: Option<Uuid>,
) -> Option<Uuid> {
    let candidates = [&envelope.to, &envelope.cc, &envelope.bcc]
        .into_iter()
        .map(|addresses| {
            let records = addresses
                .iter()
                .flat_map(|address| parties::resolve_recipient(state, &address.address))
                .filter(|record| record.is_a("systemuser") || record.is_a("queue"));
            records.filter_map(|record| parties::owner_of(state, record)).collect::<Vec<Uuid>>()
        })
        .find(|owners| !owners.is_empty())
        .unwrap_or_default();
    let owns_correlated = correlated.and_then(|email| {
        let emails = schema::table("email")?;
        state.store.get(emails, email)?.lookup("ownerid").map(|owner| owner.id)
    });
    let owns_sender = sender
        .filter(|sender| ["contact", "account", "lead"].contains(&sender.table.name))
        .and_then(|sender| parties::owner_of(state, sender));
    [owns_correlated, owns_sender]
        .into_iter()
        .flatten()
        .find(|owner| candidates.contains(owner))
        .or_else(|| candidates.first().copied())
        .or_else(|| parties::reader(state, envelope).and_then(|reader| parties::owner_of(state, reader)))
}
