//! Emails that users of the organization write, and what has left Exchange.

use http::StatusCode;
use hybridge_sandbox_organization::{Organization, Written};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Answer;
use crate::world::Sandbox;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct NewEmail {
    /// The address of the user who writes.
    from: String,
    /// The address of a contact.
    to: String,
    subject: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    answers: Option<Uuid>,
    #[serde(default)]
    not_before: Option<Timestamp>,
    /// How many; their subjects are numbered where there are several.
    #[serde(default = "once")]
    times: u32,
}

fn once() -> u32 {
    1
}

pub(super) fn write(sandbox: &Sandbox, new: &NewEmail) -> Answer {
    let organization = sandbox.organization();
    let unknown = |what: &str, address: &str| {
        (StatusCode::NOT_FOUND, format!("the organization has no {what} with the address {address}"))
    };
    let user = with_address(organization, "systemuser", "internalemailaddress", &new.from)
        .ok_or_else(|| unknown("user", &new.from))?;
    let contact = with_address(organization, "contact", "emailaddress1", &new.to)
        .ok_or_else(|| unknown("contact", &new.to))?;
    let mut written = Vec::new();
    for number in 1..=new.times {
        let subject = if new.times == 1 { new.subject.clone() } else { format!("{} {number}", new.subject) };
        let email = Written {
            user,
            to: vec![("contact", contact)],
            subject,
            html: new.text.clone(),
            answers: new.answers,
            not_before: new.not_before,
            files: Vec::new(),
        };
        let id = organization
            .write_email(&email)
            .map_err(|refused| (StatusCode::BAD_REQUEST, refused.to_string()))?;
        written.push(id);
    }
    Ok(json!({ "emails": written }))
}

fn with_address(organization: &Organization, table: &str, column: &str, address: &str) -> Option<Uuid> {
    let is = |value: Option<&Value>| {
        value.and_then(Value::as_str).is_some_and(|text| text.eq_ignore_ascii_case(address))
    };
    organization.rows(table).into_iter().find(|(_, row)| is(row.get(column))).map(|(id, _)| id)
}

pub(super) fn sent(sandbox: &Sandbox) -> Value {
    let sent: Vec<Value> = sandbox
        .graph()
        .sent_mail()
        .into_iter()
        .filter(|mail| mail.user_id.is_some())
        .map(|mail| json!({ "subject": mail.subject, "to": mail.recipients, "messageId": mail.internet_message_id }))
        .collect();
    json!({ "sent": sent })
}
