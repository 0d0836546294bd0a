//! Users of the organization who write email: drafts that they send at once.

use jiff::Timestamp;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::{
    email::{self, Sending},
    fault::Fault,
    odata::write::Purpose,
    organization::Organization,
    records, schema,
    seed::Refused,
    state::Session,
};

/// An email that a user writes.
#[derive(Debug, Clone, Default)]
pub struct Written {
    /// The user in `From`, who also presses Send.
    pub user: Uuid,
    /// The contacts and users that get it, as `("contact", id)`.
    pub to: Vec<(&'static str, Uuid)>,
    /// The subject, without a tracking token.
    pub subject: String,
    /// The body, HTML.
    pub html: String,
    /// The email that it answers.
    pub answers: Option<Uuid>,
    /// Send Later.
    pub not_before: Option<Timestamp>,
    /// Files: name, and content in base64.
    pub files: Vec<(String, String)>,
}

impl Organization {
    /// Writes an email as its user and sends it, which makes it Pending Send.
    ///
    /// # Errors
    /// When a value does not fit, or the organization refuses to send it.
    pub fn write_email(&self, written: &Written) -> Result<Uuid, Refused> {
        let mut state = self.lock();
        let table = schema::table("email").ok_or_else(|| Fault::no_segment("emails"))?;
        let sets = |table: &str| schema::table(table).map_or("", |table| table.set);
        let mut parties: Vec<Json> = written
            .to
            .iter()
            .map(|(table, id)| {
                json!({ format!("partyid_{table}@odata.bind"): format!("/{}({id})", sets(table)), "participationtypemask": 2 })
            })
            .collect();
        parties.push(json!({
            "partyid_systemuser@odata.bind": format!("/systemusers({})", written.user), "participationtypemask": 1,
        }));
        let files: Vec<Json> = written
            .files
            .iter()
            .map(|(name, body)| json!({ "filename": name, "mimetype": "application/octet-stream", "body": body }))
            .collect();
        let mut row = json!({
            "subject": written.subject,
            "description": written.html,
            "email_activity_parties": parties,
            "email_activity_mime_attachment": files,
        });
        if let Some(answers) = written.answers {
            row["parentactivityid@odata.bind"] = format!("/emails({answers})").into();
        }
        if let Some(time) = written.not_before {
            row["delayedemailsendtime"] = time.to_string().into();
        }
        let body = row.as_object().cloned().unwrap_or_default();
        let id = state.atomically(|state| -> Result<Uuid, Fault> {
            let session = Session { caller: written.user, ..Session::system(state) };
            let id = records::create(state, &session, table, &body, Purpose::Create)?;
            email::send(state, &session, id, &Sending { issue: true, token: None })?;
            Ok(id)
        })?;
        Ok(id)
    }
}
