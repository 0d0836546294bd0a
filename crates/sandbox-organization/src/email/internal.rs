//! Mail between the organization's own users and queues (server-side-sync.md 2.6).

use super::Envelope;
use crate::{cell::Cell, cell::Reference, schema, state::State};

/// Whether a message is refused for being internal. `organization.ignoreinternalemail` is the setting
/// "track mail between two users as two activities", the other way round.
pub(super) fn rejects(
    state: &State,
    envelope: &Envelope,
    sender: Option<Reference>,
    receivers: &[Reference],
) -> bool {
    let Some(sender) = sender else { return false };
    if !state.organization().boolean("ignoreinternalemail").unwrap_or(false) {
        return false;
    }
    let settings = state.settings();
    if sender.is_a("queue") {
        return settings.flag("IgnoreInternalEmailFromQueues", false);
    }
    if !sender.is_a("systemuser") {
        return false;
    }
    let to_queue = receivers.iter().any(|receiver| receiver.is_a("queue"));
    if to_queue && settings.flag("DoNotIgnoreInternalEmailToQueues", true) {
        return false;
    }
    !settings.flag("IgnoreInternalEmailDetectionEnhancement", true)
        || has_outgoing(state, &envelope.message_id)
}

/// Whether the organization holds the sender's own copy.
fn has_outgoing(state: &State, message_id: &str) -> bool {
    schema::table("email").is_some_and(|emails| {
        !message_id.is_empty()
            && state
                .store
                .find_rows(emails, "messageid", &Cell::text(message_id))
                .any(|(_, row)| row.boolean("directioncode").unwrap_or(true))
    })
}
