//! `CheckIncomingEmail`: should a message become an email record? The steps in the order of
//! server-side-sync.md 2.1.

use super::{
    Envelope, Reason, Verdict, correlation, filtering, internal,
    parties::{self, receivers, resolve_sender},
};
use crate::{cell::Cell, schema, state::State};
use uuid::Uuid;

/// The verdict on a message.
pub(crate) fn check_incoming(state: &State, envelope: &Envelope) -> Verdict {
    if is_duplicate(state, &envelope.message_id, None) {
        return Verdict::reject(Reason::Duplicate);
    }
    let Some(from) = envelope.from.as_ref().filter(|from| from.is_valid()) else {
        return Verdict::reject(Reason::InvalidSender);
    };
    let reader = parties::reader(state, envelope);
    let tracker = reader.and_then(|reader| parties::owner_of(state, reader));
    let sender = resolve_sender(state, &from.address, tracker);
    let mut receivers = receivers(state, envelope);
    if internal::rejects(state, envelope, sender, &receivers) {
        return Verdict::reject(Reason::InternalEmailReject);
    }
    // The mailbox being read counts although it is not named (Bcc, distribution lists), if it takes all.
    if let Some(reader) = reader {
        let own_only = state.settings().flag("UseFilteringMethodOfSyncingMailboxOnlyForCorrelation", false);
        if own_only {
            receivers.retain(|receiver| *receiver == reader);
        }
        let takes_all = filtering::option_of(state, reader) == filtering::TrackOption::All;
        if takes_all && !receivers.contains(&reader) {
            receivers.push(reader);
        }
    }
    if receivers.is_empty() {
        return Verdict::reject(Reason::NoRecipientMatch);
    }
    let correlated = correlation::correlate(state, envelope).is_some();
    let reasons = receivers
        .iter()
        .filter_map(|receiver| filtering::option_of(state, *receiver).accepts(correlated, sender));
    filtering::best(reasons).map_or(Verdict::reject(Reason::NoCorrelationMatch), Verdict::accept)
}

/// Whether an incoming email with the message id is there already. A sent one does not count: it is
/// another record (server-side-sync.md 2.6). Neither does the email `except`.
pub(super) fn is_duplicate(state: &State, message_id: &str, except: Option<Uuid>) -> bool {
    schema::table("email").is_some_and(|emails| {
        !message_id.is_empty()
            && state
                .store
                .find_rows(emails, "messageid", &Cell::text(message_id))
                .any(|(id, row)| row.boolean("directioncode") == Some(false) && Some(id) != except)
    })
}
