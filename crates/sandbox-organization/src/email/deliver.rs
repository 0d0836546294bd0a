//! `DeliverIncomingEmail`: a message becomes an email record (server-side-sync.md 2.1 steps 8 to 10,
//! dynamics.md 5.1).

use http::StatusCode;
use uuid::Uuid;

use super::{
    Envelope, File, Message, attachments, check, check_incoming,
    correlation::{self, Correlation},
    owner,
    parties::{self, Party},
    queueing::{self, clip},
    smart,
};
use crate::{
    cell::{Cell, Reference},
    fault::{DUPLICATE, Fault, INVALID_ARGUMENT, NOT_ACCEPTED, Outcome},
    odata::write::{Changes, Purpose},
    records,
    rows::Row,
    schema,
    state::{Session, State},
};

/// Creates the email with its parties, attachments and queue items, whole or not at all. With
/// `validate`, the message is judged first and refused as `CheckIncomingEmail` would.
pub(crate) fn deliver_incoming(
    state: &mut State,
    session: &Session,
    message: Message,
    validate: bool,
) -> Outcome<Uuid> {
    state.atomically(|state| {
        if validate {
            let verdict = check_incoming(state, &message.envelope);
            if !verdict.deliver {
                return Err(Fault::bad(
                    NOT_ACCEPTED,
                    format!("The e-mail was not accepted. Reason Code: {}", verdict.reason.code()),
                ));
            }
        }
        let id = state.dice.uuid();
        write(state, session, id, message)
    })
}

/// Writes a message as the email with this id, replacing what is there (`DeliverPromoteEmail`).
pub(super) fn write(state: &mut State, session: &Session, id: Uuid, message: Message) -> Outcome<Uuid> {
    let Message { envelope, received, importance, body, files } = message;
    if check::is_duplicate(state, &envelope.message_id, Some(id)) {
        return Err(Fault::new(
            StatusCode::PRECONDITION_FAILED,
            DUPLICATE,
            "A record with matching key values already exists.",
        ));
    }
    let emails = schema::table("email").ok_or_else(|| Fault::no_segment("emails"))?;
    if !files.is_empty() && !state.options.takes_attachments {
        return Err(Fault::bad(INVALID_ARGUMENT, "The parameter 'Attachments' can't be read."));
    }
    records::refuse_poisoned(state, &envelope.subject)?;

    let tracker = parties::reader(state, &envelope).and_then(|reader| parties::owner_of(state, reader));
    let mut sender =
        envelope.from.as_ref().and_then(|from| parties::resolve_sender(state, &from.address, tracker));
    let correlation = correlation::correlate(state, &envelope);
    let owner = owner::of_message(state, &envelope, sender, correlation.map(|found| found.email))
        .unwrap_or(session.caller);
    if sender.is_none() {
        sender = create_contact(state, &envelope, owner)?;
    }
    let organization = state.organization();
    let (files, dropped) = attachments::keep(&organization, files);
    let kept_body = clip(&body, state.options.longest_body);
    let notifications = match (dropped, kept_body.len() < body.len()) {
        (_, true) => 2,
        (true, false) => 1,
        (false, false) => 0,
    };

    let now = state.now();
    let mut row = state.store.get(emails, id).map(|row| (**row).clone()).unwrap_or_default();
    threading(&mut row, state, &envelope, correlation);
    let users = schema::table("systemuser");
    let user = |id: Uuid| users.map(|table| Cell::Lookup(Reference { table, id }));
    let list = |addresses: &[super::address::Address]| {
        addresses.iter().map(|one| one.address.as_str()).collect::<Vec<_>>().join(";")
    };
    let columns = [
        ("subject", Some(Cell::text(clip(&envelope.subject, 200)))),
        ("description", Some(Cell::text(kept_body))),
        ("messageid", Some(Cell::text(&envelope.message_id)).filter(|_| !envelope.message_id.is_empty())),
        ("messageiddupcheck", Some(Cell::Id(state.dice.uuid()))),
        ("directioncode", Some(Cell::Boolean(false))),
        ("activitytypecode", Some(Cell::text("email"))),
        ("statecode", Some(Cell::Integer(1))),
        ("statuscode", Some(Cell::Integer(4))),
        ("prioritycode", Some(Cell::Integer(priority(&importance)))),
        ("notifications", Some(Cell::Integer(notifications))),
        ("actualend", Some(Cell::time(received.unwrap_or(now)))),
        ("senton", Some(Cell::time(received.unwrap_or(now)))),
        ("sender", envelope.from.as_ref().map(|from| Cell::text(clip(&from.address, 250)))),
        ("emailsender", sender.map(Cell::Lookup)),
        ("torecipients", Some(Cell::text(clip(&list(&envelope.to), 500)))),
        ("submittedby", envelope.submitted_by.as_ref().map(|by| Cell::text(clip(&by.address, 250)))),
        ("attachmentcount", Some(Cell::Integer(i64::try_from(files.len()).unwrap_or(i64::MAX)))),
        ("subjecthash", smart::subject_hash(&organization, &envelope.subject).map(Cell::text)),
        ("ownerid", user(owner)),
        ("createdon", Some(row.get("createdon").cloned().unwrap_or_else(|| Cell::time(now)))),
        ("modifiedon", Some(Cell::time(now))),
        ("createdby", row.get("createdby").cloned().or_else(|| user(session.caller))),
        ("modifiedby", user(session.caller)),
    ];
    for (column, cell) in columns {
        row.set(column, cell);
    }
    state.store.put(emails, id, row);
    state.emails_created += 1;

    for party in parties::of_message(state, &envelope, sender) {
        write_party(state, session, id, &party)?;
    }
    for (number, file) in files.into_iter().enumerate() {
        write_file(state, session, id, number + 1, file, &envelope.subject)?;
    }
    queueing::create_items(state, &envelope, id, correlation.is_some(), sender)?;
    Ok(id)
}

/// The thread and what is inherited from the earlier email: its Regarding, and itself as the parent.
fn threading(row: &mut Row, state: &State, envelope: &Envelope, correlation: Option<Correlation>) {
    let thread = &envelope.thread;
    let text = |text: &str, most: usize| Some(Cell::text(clip(text, most))).filter(|_| !text.is_empty());
    row.set("inreplyto", text(&thread.in_reply_to, 320));
    row.set("conversationindex", text(&thread.conversation_index, 2048));
    row.set("baseconversationindexhash", correlation::base_of(&thread.conversation_index).map(Cell::text));
    row.set("correlationmethod", Cell::Integer(correlation.map_or(0, |found| found.method as i64)));
    let Some(found) = correlation else { return };
    let Some(emails) = schema::table("email") else { return };
    let Some(earlier) = state.store.get(emails, found.email) else { return };
    if row.lookup("regardingobjectid").is_none() {
        row.set("regardingobjectid", earlier.lookup("regardingobjectid").map(Cell::Lookup));
    }
    if found.sets_parent() {
        row.set("parentactivityid", Cell::Lookup(Reference { table: emails, id: found.email }));
    }
}

fn priority(importance: &str) -> i64 {
    match importance.trim().to_ascii_lowercase().as_str() {
        "low" | "0" => 0,
        "high" | "2" => 2,
        _ => 1,
    }
}

fn write_party(state: &mut State, session: &Session, email: Uuid, party: &Party) -> Outcome<()> {
    let (Some(table), Some(emails)) = (schema::table("activityparty"), schema::table("email")) else {
        return Ok(());
    };
    let mut changes = Changes::default();
    changes.set(table, "activityid", Cell::Lookup(Reference { table: emails, id: email }));
    changes.set(table, "participationtypemask", Cell::Integer(party.role as i64));
    changes.set(table, "partyid", party.record.map(Cell::Lookup));
    changes.set(table, "addressused", Cell::text(clip(&party.address.address, 200)));
    if party.record.is_none() {
        let name = party.address.display.as_deref().unwrap_or(&party.address.address);
        changes.set(table, "unresolvedpartyname", Cell::text(clip(name, 400)));
    }
    records::create_row(state, session, table, changes, Purpose::System).map(drop)
}

fn write_file(
    state: &mut State,
    session: &Session,
    email: Uuid,
    number: usize,
    file: File,
    subject: &str,
) -> Outcome<()> {
    let (Some(table), Some(emails)) = (schema::table("activitymimeattachment"), schema::table("email"))
    else {
        return Ok(());
    };
    let size = |number: usize| Cell::Integer(i64::try_from(number).unwrap_or(i64::MAX));
    let mut changes = Changes::default();
    changes.set(table, "objectid", Cell::Lookup(Reference { table: emails, id: email }));
    changes.set(table, "objecttypecode", Cell::text("email"));
    changes.set(table, "filename", Cell::text(clip(&file.name, 255)));
    changes.set(table, "mimetype", Cell::text(clip(&file.content_type, 256)));
    changes.set(table, "attachmentcontentid", file.content_id.map(Cell::text));
    changes.set(table, "attachmentnumber", size(number));
    changes.set(table, "activitysubject", Cell::text(clip(subject, 200)));
    changes.set(table, "filesize", size(file.bytes.len()));
    changes.set(table, "body", Cell::File(file.bytes));
    records::create_row(state, session, table, changes, Purpose::System).map(drop)
}

/// A contact for a sender that nobody knows, when the owner's personal options and the organization
/// want one (server-side-sync.md 2.7, "Auto-create").
fn create_contact(state: &mut State, envelope: &Envelope, owner: Uuid) -> Outcome<Option<Reference>> {
    let Some(from) = envelope.from.as_ref().filter(|from| from.is_valid()) else { return Ok(None) };
    let wanted = schema::table("usersettings")
        .and_then(|settings| state.store.get(settings, owner))
        .is_some_and(|row| row.integer("autocreatecontactonpromote") == Some(1));
    if !wanted || !state.settings().flag("AutoCreateContactOnPromote", true) {
        return Ok(None);
    }
    let (Some(table), Some(users)) = (schema::table("contact"), schema::table("systemuser")) else {
        return Ok(None);
    };
    let display = from.display.clone().unwrap_or_else(|| from.address.clone());
    let (first, last) = display.rsplit_once(' ').unwrap_or(("", &display));
    let mut changes = Changes::default();
    changes.set(table, "firstname", Some(Cell::text(clip(first, 50))).filter(|_| !first.is_empty()));
    changes.set(table, "lastname", Cell::text(clip(last, 50)));
    changes.set(table, "emailaddress1", Cell::text(clip(&from.address, 100)));
    changes.set(table, "ownerid", Cell::Lookup(Reference { table: users, id: owner }));
    let session = Session::system(state);
    let id = records::create_row(state, &session, table, changes, Purpose::System)?;
    Ok(Some(Reference { table, id }))
}
