//! Queue items of delivered mail (server-side-sync.md 2.9).

use uuid::Uuid;

use super::{Envelope, filtering, parties};
use crate::{
    cell::{Cell, Reference},
    fault::Outcome,
    odata::write::{Changes, Purpose},
    records, schema,
    state::{Session, State},
};

/// One item for each queue among the recipients that accepts the message, and one for the queue whose
/// mailbox is read, each as its setting says.
pub(super) fn create_items(
    state: &mut State,
    envelope: &Envelope,
    email: Uuid,
    correlated: bool,
    sender: Option<Reference>,
) -> Outcome<()> {
    let settings = state.settings();
    let mut queues: Vec<Reference> = Vec::new();
    if settings.flag("CreateQueueItemsForAcceptingQueueRecipients", true) {
        queues.extend(parties::receivers(state, envelope).into_iter().filter(|receiver| {
            receiver.is_a("queue")
                && filtering::option_of(state, *receiver).accepts(correlated, sender).is_some()
        }));
    }
    if settings.flag("CreateQueueItemForSynchronizingMailbox", false)
        && let Some(reader) = parties::reader(state, envelope)
        && reader.is_a("queue")
        && !queues.contains(&reader)
    {
        queues.push(reader);
    }
    let (Some(items), Some(emails)) = (schema::table("queueitem"), schema::table("email")) else {
        return Ok(());
    };
    let session = Session::system(state);
    for queue in queues {
        let mut changes = Changes::default();
        changes.set(items, "queueid", Cell::Lookup(queue));
        changes.set(items, "objectid", Cell::Lookup(Reference { table: emails, id: email }));
        changes.set(items, "sender", envelope.from.as_ref().map(|from| Cell::text(clip(&from.address, 250))));
        records::create_row(state, &session, items, changes, Purpose::System)?;
    }
    Ok(())
}

/// The first so many characters.
pub(super) fn clip(text: &str, most: usize) -> &str {
    text.char_indices().nth(most).map_or(text, |(at, _)| text.get(..at).unwrap_or(text))
}
