//! Who the addresses of a message are (server-side-sync.md 2.7, dynamics.md 4.11).

use jiff::Timestamp;
use uuid::Uuid;

use super::{Envelope, address::Address};
use crate::{
    cell::{Cell, Reference},
    rows::Row,
    schema,
    state::State,
};

/// The tables with email columns in the order in which a sender is looked for; queues come last with
/// the "other email-enabled entities".
const ORDER: &[(&str, &[&str])] = &[
    ("systemuser", &["internalemailaddress", "personalemailaddress"]),
    ("contact", &["emailaddress1", "emailaddress2", "emailaddress3"]),
    ("account", &["emailaddress1", "emailaddress2", "emailaddress3"]),
    ("lead", &["emailaddress1", "emailaddress2", "emailaddress3"]),
    ("queue", &["emailaddress"]),
];

/// With more matches than this a sender stays unresolved.
const MOST_SENDERS: usize = 100;

/// The roles of parties (`participationtypemask`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Sender = 1,
    To = 2,
    Cc = 3,
    Bcc = 4,
}

/// A party of an email: a record, or an address that no record has.
#[derive(Debug, Clone)]
pub(crate) struct Party {
    pub(crate) role: Role,
    pub(crate) record: Option<Reference>,
    pub(crate) address: Address,
}

struct Match {
    record: Reference,
    active: bool,
    created: Option<Timestamp>,
}

/// Every record with an address, in the order of [`ORDER`], the oldest first within a table.
/// Disabled users never resolve.
fn matches(state: &State, address: &str) -> Vec<Match> {
    let mut all = Vec::new();
    for (name, columns) in ORDER {
        let Some(table) = schema::table(name) else { continue };
        let mut of_table: Vec<(i64, Match)> = Vec::new();
        for column in *columns {
            for (id, row) in state.store.find_rows(table, column, &Cell::text(address.trim())) {
                let disabled_user = row.boolean("isdisabled") == Some(true);
                if disabled_user || of_table.iter().any(|(_, known)| known.record.id == id) {
                    continue;
                }
                let active = row.integer("statecode").unwrap_or_default() == 0;
                let record = Reference { table, id };
                of_table.push((row.version(), Match { record, active, created: row.time("createdon") }));
            }
        }
        of_table.sort_by_key(|(version, found)| (found.created, *version));
        all.extend(of_table.into_iter().map(|(_, found)| found));
    }
    all
}

/// The active matches; a single match counts whatever its state.
fn active(state: &State, mut all: Vec<Match>) -> Vec<Reference> {
    if all.len() > 1 && !state.settings().flag("ResolveForInactiveEntities", false) {
        all.retain(|found| found.active);
    }
    all.into_iter().map(|found| found.record).collect()
}

/// The one record that a sender is. A record of the tracking user or queue owner wins.
pub(super) fn resolve_sender(state: &State, address: &str, tracker: Option<Uuid>) -> Option<Reference> {
    let all = matches(state, address);
    let unresolved_when_many = state.settings().flag("UnresolveSenderInCaseOfMultipleMatch", false);
    if all.len() > MOST_SENDERS || (unresolved_when_many && all.len() > 1) {
        return None;
    }
    let found = active(state, all);
    let owned = found.iter().find(|record| tracker.is_some() && owner_of(state, **record) == tracker);
    owned.or_else(|| found.first()).copied()
}

/// All records that a recipient is; none when the organization leaves ambiguous addresses unresolved.
pub(super) fn resolve_recipient(state: &State, address: &str) -> Vec<Reference> {
    let found = active(state, matches(state, address));
    let unresolved_when_many =
        state.organization().boolean("unresolveemailaddressifmultiplematch").unwrap_or(false);
    if unresolved_when_many && found.len() > 1 { Vec::new() } else { found }
}

/// Who owns a record; a user owns himself.
pub(super) fn owner_of(state: &State, record: Reference) -> Option<Uuid> {
    if record.is_a("systemuser") {
        return Some(record.id);
    }
    let row: &Row = state.store.get(record.table, record.id)?;
    row.lookup("ownerid").map(|owner| owner.id)
}

/// The users and queues among a message's recipients, each once, in the order To, Cc, Bcc.
pub(super) fn receivers(state: &State, envelope: &Envelope) -> Vec<Reference> {
    let mut receivers: Vec<Reference> = Vec::new();
    for address in envelope.recipients() {
        for record in resolve_recipient(state, &address.address) {
            if (record.is_a("systemuser") || record.is_a("queue")) && !receivers.contains(&record) {
                receivers.push(record);
            }
        }
    }
    receivers
}

/// The user or queue whose mailbox is being read, when the message tells.
pub(super) fn reader(state: &State, envelope: &Envelope) -> Option<Reference> {
    let address = envelope.submitted_by.as_ref()?;
    resolve_recipient(state, &address.address)
        .into_iter()
        .find(|record| record.is_a("systemuser") || record.is_a("queue"))
}

/// The parties of the email that a message becomes.
pub(super) fn of_message(state: &State, envelope: &Envelope, sender: Option<Reference>) -> Vec<Party> {
    let mut parties: Vec<Party> = envelope
        .from
        .iter()
        .map(|address| Party { role: Role::Sender, record: sender, address: address.clone() })
        .collect();
    let lists = [(Role::To, &envelope.to), (Role::Cc, &envelope.cc), (Role::Bcc, &envelope.bcc)];
    for (role, addresses) in lists {
        for address in addresses {
            let records = resolve_recipient(state, &address.address);
            let unresolved = records.is_empty().then_some(None);
            for record in records.into_iter().map(Some).chain(unresolved) {
                let known = parties.iter().any(|party| {
                    party.role == role
                        && party.record == record
                        && party.address.address.eq_ignore_ascii_case(&address.address)
                });
                if !known {
                    parties.push(Party { role, record, address: address.clone() });
                }
            }
        }
    }
    parties
}
