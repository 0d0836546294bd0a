//! `SendEmail`: a draft is handed to whoever sends for the organization (server-side-sync.md 3.1, 3.4, dynamics.md 5.1).

use http::StatusCode;
use uuid::Uuid;

use super::{parties::Role, queueing::clip};
use crate::{
    access::{self, Right},
    cell::{Cell, Reference},
    fault::{Fault, Outcome},
    records,
    rows::Row,
    schema::{self, Table},
    state::{Session, State},
};

/// The longest subject that a row holds (dynamics.md 4.7).
const LONGEST_SUBJECT: usize = 200;
/// The statuses in which an email can be sent: Draft and Failed.
const SENDABLE: [i64; 2] = [1, 8];

/// What the caller asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sending {
    /// Hand it to the sender; otherwise it counts as sent elsewhere.
    pub(crate) issue: bool,
    /// The tracking token; `None` has one made, an empty one leaves it out.
    pub(crate) token: Option<String>,
}

/// Makes a draft Pending Send (or Sent), with its tracking token in the subject; the subject.
pub(crate) fn send(state: &mut State, session: &Session, email: Uuid, sending: &Sending) -> Outcome<String> {
    state.atomically(|state| {
        let emails = schema::table("email").ok_or_else(|| Fault::no_segment("emails"))?;
        let mut row = state
            .store
            .get(emails, email)
            .map(|row| (**row).clone())
            .ok_or_else(|| Fault::no_row("email", email))?;
        let status = row.integer("statuscode").unwrap_or_default();
        if !SENDABLE.contains(&status) || row.boolean("directioncode") == Some(false) {
            return Err(Fault::bad(
                0x8004_8408,
                format!("The email cannot be sent: its status code is {status}, or it is an incoming email."),
            ));
        }
        let sender = sender(state, email)?;
        may_send_as(state, session, sender)?;
        address_parties(state, email)?;
        let token = match &sending.token {
            Some(given) => Some(given.clone()).filter(|given| !given.is_empty()),
            None if !row.text("trackingtoken").is_empty() => Some(row.text("trackingtoken").to_owned()),
            None => next_token(state, session)?,
        };
        let subject = with_token(state, row.text("subject"), token.as_deref());
        let now = Cell::time(state.now());
        let is_sent = !sending.issue;
        for (column, cell) in [
            ("subject", Some(Cell::text(&subject))),
            ("trackingtoken", token.map(|token| Cell::text(clip(&token, 50)))),
            ("statecode", Some(Cell::Integer(1))),
            ("statuscode", Some(Cell::Integer(if is_sent { 3 } else { 6 }))),
            ("actualend", Some(now.clone())),
            ("senton", is_sent.then(|| now.clone())),
            ("sender", records::address_of(state, &Cell::Lookup(sender)).map(Cell::text)),
            ("emailsender", Some(Cell::Lookup(sender))),
            ("sendermailboxid", mailbox_of(state, sender).map(Cell::Lookup)),
            ("modifiedon", Some(now)),
        ] {
            row.set(column, cell);
        }
        state.store.put(emails, email, row);
        Ok(subject)
    })
}

fn parties(state: &State, email: Uuid) -> Vec<(Uuid, i64, Option<Reference>, String)> {
    let Some(table) = schema::table("activityparty") else { return Vec::new() };
    let mut found: Vec<_> = state
        .store
        .find_rows(table, "activityid", &Cell::Id(email))
        .map(|(id, row)| {
            let role = row.integer("participationtypemask").unwrap_or_default();
            (id, role, row.lookup("partyid"), row.text("addressused").to_owned())
        })
        .collect();
    found.sort_by_key(|(id, role, ..)| (*role, *id));
    found
}

/// The one sender: a user or a queue with an address.
fn sender(state: &State, email: Uuid) -> Outcome<Reference> {
    let senders: Vec<Option<Reference>> = parties(state, email)
        .into_iter()
        .filter(|(_, role, ..)| *role == Role::Sender as i64)
        .map(|(_, _, record, _)| record)
        .collect();
    let sender = match senders.as_slice() {
        [Some(sender)] if sender.is_a("systemuser") || sender.is_a("queue") => *sender,
        [] | [_] => return Err(Fault::bad(0x8004_0b02, "The sender of an email is a user or a queue.")),
        _ => return Err(Fault::bad(0x8004_0b01, "The email has more than one sender.")),
    };
    match records::address_of(state, &Cell::Lookup(sender)) {
        Some(_) => Ok(sender),
        None => Err(Fault::bad(0x8004_0b08, "The sender does not have an email address.")),
    }
}

/// Another user's name takes a privilege, and that user's permission; a queue's takes the right to read it.
fn may_send_as(state: &State, session: &Session, sender: Reference) -> Outcome<()> {
    if sender.is_a("queue") {
        return access::demand(state, session, sender.table, Right::Read).map_err(|_| {
            Fault::new(
                StatusCode::FORBIDDEN,
                0x8004_480f,
                "The user does not have send-as rights for the queue.",
            )
        });
    }
    if sender.id == session.caller {
        return Ok(());
    }
    let permits = schema::table("usersettings")
        .and_then(|settings| state.store.get(settings, sender.id))
        .is_some_and(|row| row.boolean("issendasallowed") == Some(true));
    let refused = || {
        Fault::new(
            StatusCode::FORBIDDEN,
            0x8004_0220,
            "The user does not have send-as privilege: it takes the privilege \"Send Email as Another User\", and that user's \
             personal option \"Allow other Microsoft Dynamics 365 users to send email on your behalf\".",
        )
    };
    if !permits {
        return Err(refused());
    }
    access::demand_named(state, session, "prvSendAsUser", None).map_err(|_| refused())
}

/// Writes down the address of each recipient: of a contact only the first one counts (server-side-sync.md 3.2).
fn address_parties(state: &mut State, email: Uuid) -> Outcome<()> {
    let Some(table) = schema::table("activityparty") else { return Ok(()) };
    let unresolved_may = state.organization().boolean("allowunresolvedpartiesonemailsend") == Some(true);
    let all = parties(state, email);
    let recipients = [Role::To as i64, Role::Cc as i64, Role::Bcc as i64];
    if !all.iter().any(|(_, role, ..)| recipients.contains(role)) {
        return Err(Fault::bad(0x8004_0b04, "The email has no recipient."));
    }
    for (id, _, record, used) in all {
        let address = match record {
            Some(record) => records::address_of(state, &Cell::Lookup(record)),
            None => Some(used).filter(|used| unresolved_may && !used.is_empty()),
        };
        let Some(address) = address else {
            return Err(Fault::bad(0x8004_0b00, "The email address of a party is missing."));
        };
        if let Some(row) = state.store.get(table, id) {
            let mut row = (**row).clone();
            row.set("addressused", Cell::text(clip(&address, 200)));
            state.store.put(table, id, row);
        }
    }
    Ok(())
}

/// The next tracking token: prefix, a digit, the user's number, the number of the message (server-side-sync.md 2.5.1).
fn next_token(state: &mut State, session: &Session) -> Outcome<Option<String>> {
    let organization = state.organization();
    if organization.boolean("istrackingtokenenabled") == Some(false)
        || organization.boolean("emailcorrelationenabled") == Some(false)
    {
        return Ok(None);
    }
    let number = |column: &str, default: i64| organization.integer(column).unwrap_or(default);
    let (next, most) = (number("nexttrackingnumber", 1), number("maximumtrackingnumber", 999));
    let digits = usize::try_from(number("trackingtokeniddigits", 3)).unwrap_or(3);
    let user = schema::table("usersettings")
        .and_then(|settings| state.store.get(settings, session.caller))
        .and_then(|row| row.integer("trackingtokenid"))
        .unwrap_or(1);
    let user = user + number("trackingtokenidbase", 0);
    // The setting can hold earlier prefixes as well.
    let prefix = organization.text("trackingprefix").split(';').next().unwrap_or_default().to_owned();
    let token = format!("{prefix}0{user:0digits$}{next:0width$}", width = most.to_string().len());
    let after = if next >= most { 0 } else { next + 1 };
    let (Some(table), id) = (schema::table("organization"), state.identity.organization) else {
        return Err(Fault::no_segment("organizations"));
    };
    set(state, table, id, "nexttrackingnumber", Cell::Integer(after));
    Ok(Some(token))
}

fn set(state: &mut State, table: &'static Table, id: Uuid, column: &'static str, cell: Cell) {
    if let Some(row) = state.store.get(table, id) {
        let mut row: Row = (**row).clone();
        row.set(column, cell);
        state.store.put(table, id, row);
    }
}

/// The subject with its token at the end, within what the mail server takes; what is too long is cut before the token.
fn with_token(state: &State, subject: &str, token: Option<&str>) -> String {
    let budget = state.settings().number("MaximumSubjectLengthOnMailServer", 255);
    let budget = usize::try_from(budget).unwrap_or(LONGEST_SUBJECT).min(LONGEST_SUBJECT);
    let Some(token) = token.filter(|token| token.len() < budget && !subject.contains(*token)) else {
        return clip(subject, budget).to_owned();
    };
    let kept = clip(subject, budget - token.len() - 1);
    format!("{kept} {token}").trim_start().to_owned()
}

/// The mailbox that the sender sends from.
fn mailbox_of(state: &State, sender: Reference) -> Option<Reference> {
    state.store.get(sender.table, sender.id)?.lookup("defaultmailbox")
}
