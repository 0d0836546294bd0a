//! Test & Enable, and what happens to mailboxes later (server-side-sync.md 1.5 and 1.6).

use hybridge_sandbox_graph::{Body, EmailAddress, Mail};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Failure, Row, id, number, profile, text, token, token::Face, yes};
use crate::world::Sandbox;

/// A failure that may pass is tried again so often, so far apart (server-side-sync.md 1.6).
const RETRIES: i64 = 10;
const APART: SignedDuration = SignedDuration::from_mins(5);

/// A way of synchronization: the column with its method, the method's value for this one, the columns for the last
/// test and for being on.
struct Channel {
    method: &'static str,
    own: i64,
    status: &'static str,
    enabled: &'static str,
}

const CHANNELS: [Channel; 3] = [
    Channel {
        method: "incomingemaildeliverymethod",
        own: 2,
        status: "incomingemailstatus",
        enabled: "enabledforincomingemail",
    },
    Channel {
        method: "outgoingemaildeliverymethod",
        own: 2,
        status: "outgoingemailstatus",
        enabled: "enabledforoutgoingemail",
    },
    Channel { method: "actdeliverymethod", own: 1, status: "actstatus", enabled: "enabledforact" },
];

/// The channels that are the synchronization's; a queue has no appointments, contacts and tasks.
fn channels(mailbox: &Row, is_queue: bool) -> impl Iterator<Item = &'static Channel> {
    CHANNELS
        .iter()
        .filter(move |channel| number(mailbox, channel.method) == Some(channel.own))
        .filter(move |channel| !(is_queue && channel.enabled == "enabledforact"))
}

fn is_queue(sandbox: &Sandbox, mailbox: &Row) -> bool {
    let whose = id(mailbox, "_regardingobjectid_value");
    whose.is_some_and(|whose| sandbox.organization().row("queue", whose).is_some())
}

/// What stands in the way before a server is asked at all.
fn refused(sandbox: &Sandbox, mailbox: &Row) -> Option<Failure> {
    if number(mailbox, "statecode") == Some(1) {
        return Some(Failure::new("MailboxDisabled: the mailbox is inactive."));
    }
    let Some((_, profile)) = token::profile_of(sandbox, mailbox) else {
        return Some(Failure::new("The mailbox has no email server profile."));
    };
    if number(&profile, "statecode") == Some(1) {
        return Some(Failure::new("The email server profile of the mailbox is inactive."));
    }
    let organization = sandbox.organization();
    let settings = organization.row("organization", organization.id()).unwrap_or_default();
    let switch = if is_queue(sandbox, mailbox) {
        "requireapprovalforqueueemail"
    } else {
        "requireapprovalforuseremail"
    };
    if yes(&settings, switch) && number(mailbox, "emailrouteraccessapproval") != Some(1) {
        return Some(Failure::new("The email address of the mailbox is not approved."));
    }
    None
}

/// Whether a mailbox works from a server.
pub(crate) fn verdict(sandbox: &Sandbox, server: &str, mailbox: &Row) -> Result<(), Failure> {
    if let Some(failure) = refused(sandbox, mailbox) {
        return Err(failure);
    }
    let profile = token::profile_of(sandbox, mailbox).map(|(_, profile)| profile).unwrap_or_default();
    token::enter(sandbox, server, text(mailbox, "emailaddress"), &profile)
}

/// The same, counted as something that happened.
fn opened(sandbox: &Sandbox, server: &str, mailbox: &Row) -> Result<(), Failure> {
    let outcome = verdict(sandbox, server, mailbox);
    sandbox.native().count(outcome.is_ok());
    outcome
}

/// The test of one mailbox that was asked for. It stays asked for while no server can do it.
pub(super) fn test(sandbox: &Sandbox, mailbox: Uuid) {
    let organization = sandbox.organization();
    let Some(row) = organization.row("mailbox", mailbox) else { return };
    let now = sandbox.clock().now();
    let postponed = text(&row, "postponetestemailconfigurationuntil").parse::<Timestamp>();
    if postponed.is_ok_and(|until| until > now) {
        return;
    }
    let Some(server) = sandbox.pick_server(Face::Asynchronous) else { return };
    let outcome = opened(sandbox, &server, &row);
    let tries = number(&row, "testemailconfigurationretrycount").unwrap_or(0) + 1;
    if let Err(failure) = &outcome
        && failure.transient
        && tries <= RETRIES
    {
        let until = now.checked_add(APART).unwrap_or(now);
        let changes = json!({
            "testemailconfigurationretrycount": tries,
            "postponetestemailconfigurationuntil": until.to_string(),
            "hostid": server,
        });
        write(sandbox, "mailbox", mailbox, &changes);
        alert(sandbox, 2, mailbox, &server, failure);
        return;
    }
    conclude(sandbox, (mailbox, &row), &server, &outcome);
}

fn conclude(sandbox: &Sandbox, (mailbox, row): (Uuid, &Row), server: &str, outcome: &Result<(), Failure>) {
    let now = sandbox.clock().now();
    let works = outcome.is_ok();
    let mut changes = json!({
        "testemailconfigurationscheduled": false,
        "testemailconfigurationretrycount": 0,
        "postponetestemailconfigurationuntil": null,
        "testmailboxaccesscompletedon": now.to_string(),
        "hostid": server,
        "mailboxstatus": if works { 1 } else { 2 },
    });
    let queue = is_queue(sandbox, row);
    for channel in &CHANNELS {
        let own = channels(row, queue).any(|one| one.status == channel.status);
        let status = match (own, works) {
            (false, _) => 0,
            (true, true) => 1,
            (true, false) => 2,
        };
        put(&mut changes, channel.status, json!(status));
        put(&mut changes, channel.enabled, json!(own && works));
    }
    let address = text(row, "emailaddress").to_owned();
    if let Err(failure) = outcome {
        blame(&mut changes, failure, server, now);
    } else {
        put(&mut changes, "lastsyncerror", Value::Null);
        if channels(row, queue).any(|one| one.enabled == "enabledforact") {
            put(&mut changes, "isactsyncorgflagset", json!(true));
        }
        if channels(row, queue).any(|one| one.enabled == "enabledforoutgoingemail") {
            greet(sandbox, &address);
        }
    }
    write(sandbox, "mailbox", mailbox, &changes);
    let profile = token::profile_of(sandbox, row);
    match outcome {
        Ok(()) => tell(sandbox, mailbox, server, &format!("The mailbox {address} was tested and enabled.")),
        Err(failure) => {
            alert(sandbox, 3, mailbox, server, failure);
            if let Some((id, _)) = &profile {
                alert(sandbox, 3, *id, server, failure);
            }
        }
    }
    if let Some((id, _)) = profile {
        profile::record(sandbox, id, server, outcome);
    }
}

/// The message that a mailbox sends to itself (server-side-sync.md 1.5).
fn greet(sandbox: &Sandbox, address: &str) {
    let own = || EmailAddress { name: String::new(), address: address.to_owned() };
    sandbox.graph().deliver(Mail {
        from: own(),
        to: vec![own()],
        subject: "Your mailbox is now connected to Dynamics 365".to_owned(),
        body: Body::text("Your mailbox is now connected to Dynamics 365.".to_owned()),
        ..Mail::default()
    });
}

fn put(changes: &mut Value, name: &str, value: Value) {
    if let Some(changes) = changes.as_object_mut() {
        changes.insert(name.to_owned(), value);
    }
}

fn blame(changes: &mut Value, failure: &Failure, server: &str, now: Timestamp) {
    put(changes, "lastsyncerror", json!(failure.text));
    put(changes, "lastsyncerrormachinename", json!(server));
    put(changes, "lastsyncerroroccurredon", json!(now.to_string()));
}

/// One cycle: every mailbox that was enabled is opened once.
pub(super) fn cycle(sandbox: &Sandbox) {
    for (mailbox, row) in sandbox.organization().rows("mailbox") {
        let queue = is_queue(sandbox, &row);
        let on: Vec<&Channel> = channels(&row, queue)
            .filter(|channel| yes(&row, channel.enabled) && number(&row, channel.status) == Some(1))
            .collect();
        if on.is_empty() || id(&row, "_emailserverprofile_value").is_none() {
            continue;
        }
        let Some(server) = sandbox.pick_server(Face::Asynchronous) else { return };
        let now = sandbox.clock().now();
        let mut changes = json!({ "lastsyncstartedon": now.to_string(), "hostid": server });
        match opened(sandbox, &server, &row) {
            Ok(()) => {
                put(&mut changes, "lastsuccessfulsynccompletedon", json!(now.to_string()));
                put(&mut changes, "transientfailurecount", json!(0));
                put(&mut changes, "mailboxstatus", json!(1));
            }
            Err(failure) => {
                let tries = number(&row, "transientfailurecount").unwrap_or(0) + 1;
                let passes = failure.transient && tries <= RETRIES;
                put(&mut changes, "transientfailurecount", json!(tries));
                put(&mut changes, "mailboxstatus", json!(2));
                blame(&mut changes, &failure, &server, now);
                if !passes {
                    // Off until somebody tests the mailbox again.
                    for channel in on {
                        put(&mut changes, channel.enabled, json!(false));
                        put(&mut changes, channel.status, json!(2));
                    }
                }
                alert(sandbox, if passes { 2 } else { 3 }, mailbox, &server, &failure);
            }
        }
        write(sandbox, "mailbox", mailbox, &changes);
    }
}

pub(super) fn write(sandbox: &Sandbox, table: &str, id: Uuid, changes: &Value) {
    // A row that was deleted in between is no loss; the columns are those of the schema.
    sandbox.organization().update(table, id, changes).unwrap_or_default();
}

/// An alert of a level: 2 warning, 3 error.
fn alert(sandbox: &Sandbox, level: i32, regarding: Uuid, server: &str, failure: &Failure) {
    let switch = if level == 2 { "generatealertsforwarnings" } else { "generatealertsforerrors" };
    insert_alert(
        sandbox,
        switch,
        &json!({
            "level": level,
            "text": format!("An error occurred while the mailbox was tested or synchronized by {server}. {}", failure.text),
            "errordetails": failure.details,
            "machinename": server,
            "_regardingobjectid_value": regarding,
            "canbedeleted": true,
        }),
    );
}

/// An alert of the level information.
fn tell(sandbox: &Sandbox, regarding: Uuid, server: &str, text: &str) {
    insert_alert(
        sandbox,
        "generatealertsforinformation",
        &json!({
            "level": 1,
            "text": text,
            "machinename": server,
            "_regardingobjectid_value": regarding,
            "canbedeleted": true,
        }),
    );
}

/// Alerts of a level are written unless the organization has switched them off.
fn insert_alert(sandbox: &Sandbox, switch: &str, row: &Value) {
    let organization = sandbox.organization();
    let settings = organization.row("organization", organization.id()).unwrap_or_default();
    if settings.get(switch) != Some(&Value::Bool(false)) {
        organization.insert("tracelog", row).map(drop).unwrap_or_default();
    }
}
