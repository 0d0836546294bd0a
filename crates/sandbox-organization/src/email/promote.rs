//! `CheckPromoteEmail` and `DeliverPromoteEmail`: messages that somebody tracks by hand. The track
//! options do not apply (server-side-sync.md 2.1 step 5).

use uuid::Uuid;

use super::{Message, Reason, Verdict, check, deliver};
use crate::{
    cell::Cell,
    fault::{Fault, Outcome},
    schema,
    state::{Session, State},
};

/// Whether a message tracked by hand may become an email: it may unless it is one already. A direction
/// of 1 (outgoing) looks for a sent email.
pub(crate) fn check_promote(state: &State, message_id: &str, outgoing: bool) -> Verdict {
    let known = if outgoing {
        schema::table("email").is_some_and(|emails| {
            state
                .store
                .find_rows(emails, "messageid", &Cell::text(message_id.trim()))
                .any(|(_, row)| row.boolean("directioncode").unwrap_or(true))
        })
    } else {
        check::is_duplicate(state, message_id.trim(), None)
    };
    if known { Verdict::reject(Reason::Duplicate) } else { Verdict::accept(Reason::AcceptAll) }
}

/// Completes an email that the client created: parties, body, attachments, Received. Its id stays.
pub(crate) fn deliver_promote(
    state: &mut State,
    session: &Session,
    email: Uuid,
    message: Message,
) -> Outcome<Uuid> {
    state.atomically(|state| {
        let emails = schema::table("email").ok_or_else(|| Fault::no_segment("emails"))?;
        if state.store.get(emails, email).is_none() {
            return Err(Fault::no_row("email", email));
        }
        for name in ["activityparty", "activitymimeattachment"] {
            let Some(table) = schema::table(name) else { continue };
            let column = if name == "activityparty" { "activityid" } else { "objectid" };
            let old: Vec<Uuid> =
                state.store.find_rows(table, column, &Cell::Id(email)).map(|(id, _)| id).collect();
            for id in old {
                state.store.remove(table, id);
            }
        }
        deliver::write(state, session, email, message)
    })
}
