//! The button Test Connection of an email server profile (setup.md M2).

use serde_json::json;
use uuid::Uuid;

use super::{
    Failure,
    mailbox::write,
    number,
    token::{self, Face},
};
use crate::world::Sandbox;

/// An administrator presses the button: a web server signs in.
///
/// # Errors
/// When there is no such profile or no web server.
pub(crate) fn test(sandbox: &Sandbox, profile: Uuid) -> Result<(), String> {
    let row = sandbox
        .organization()
        .row("emailserverprofile", profile)
        .ok_or_else(|| format!("there is no email server profile {profile}"))?;
    let server = sandbox.pick_server(Face::Web).ok_or("no web server runs")?;
    let outcome = if number(&row, "servertype") == Some(3) {
        token::token(sandbox, &server, Face::Web, Some(&row)).map(drop)
    } else {
        Err(Failure::unauthorized())
    };
    sandbox.native().count(outcome.is_ok());
    let outcome = outcome.and_then(|()| opens_any(sandbox, profile));
    record(sandbox, profile, &server, &outcome);
    Ok(())
}

/// The button opens the mailbox of whoever presses it; any mailbox of the profile does here.
fn opens_any(sandbox: &Sandbox, profile: Uuid) -> Result<(), Failure> {
    let mut first = None;
    for (_, mailbox) in sandbox.organization().rows("mailbox") {
        if super::id(&mailbox, "_emailserverprofile_value") != Some(profile) {
            continue;
        }
        match token::admitted(sandbox, super::text(&mailbox, "emailaddress")) {
            Ok(()) => return Ok(()),
            Err(failure) => first = first.or(Some(failure)),
        }
    }
    first.map_or(Ok(()), Err)
}

/// Writes the outcome of a test into the profile.
pub(super) fn record(sandbox: &Sandbox, profile: Uuid, server: &str, outcome: &Result<(), Failure>) {
    let status = i32::from(outcome.is_ok());
    let message = match outcome {
        Ok(()) => "The connection was tested successfully.".to_owned(),
        Err(failure) => failure.text.clone(),
    };
    let response = match outcome {
        Ok(()) => "200 OK".to_owned(),
        Err(failure) if failure.details.is_empty() => failure.text.clone(),
        Err(failure) => failure.details.clone(),
    };
    let changes = json!({
        "lastteststarttime": sandbox.clock().now().to_string(),
        "lasttesttotalexecutiontime": 1200,
        "lasttestexecutionstatus": status,
        "lastauthorizationstatus": status,
        "lasttestvalidationstatus": status,
        "lasttestrequest": format!("GetFolder inbox, from {server}"),
        "lasttestresponse": response,
        "lastcrmmessage": message,
    });
    write(sandbox, "emailserverprofile", profile, &changes);
}
