//! Which earlier email a message belongs to, by the methods in order (server-side-sync.md 2.4, 2.5).

use base64::{Engine, engine::general_purpose::STANDARD};
use uuid::Uuid;

use super::{Envelope, smart};
use crate::{
    cell::Cell,
    options::ExtraProperties,
    rows::Row,
    schema::{self, Table},
    state::State,
};

/// How the earlier email was found (`email.correlationmethod`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    InReplyTo = 3,
    TrackingToken = 4,
    ConversationIndex = 5,
    SmartMatching = 6,
}

/// The earlier email and how it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Correlation {
    pub(crate) email: Uuid,
    pub(crate) method: Method,
}

impl Correlation {
    /// Only a real thread makes the earlier email the parent.
    pub(super) fn sets_parent(self) -> bool {
        matches!(self.method, Method::InReplyTo | Method::ConversationIndex)
    }
}

/// The first method that finds an email decides.
pub(super) fn correlate(state: &State, envelope: &Envelope) -> Option<Correlation> {
    let organization = state.organization();
    let on = |column: &str| organization.boolean(column).unwrap_or(true);
    let by_headers = on("emailcorrelationenabled")
        && state.options.extra_properties == ExtraProperties::Honoured
        && !state.settings().flag("IgnoreConversationIndexAndInReplyToForCorrelation", false);
    let smart = on("enablesmartmatching") && !state.settings().flag("DisableSmartMatching", false);
    let found = |method: Method| move |email: Uuid| Correlation { email, method };
    None.or_else(|| {
        by_headers.then(|| by_in_reply_to(state, envelope)).flatten().map(found(Method::InReplyTo))
    })
    .or_else(|| by_token(state, &organization, envelope).map(found(Method::TrackingToken)))
    .or_else(|| {
        let email = by_headers.then(|| by_conversation_index(state, envelope)).flatten();
        email.map(found(Method::ConversationIndex))
    })
    .or_else(|| smart.then(|| smart::find(state, envelope)).flatten().map(found(Method::SmartMatching)))
}

/// The latest email with a value in an indexed column.
fn latest(state: &State, emails: &'static Table, column: &str, value: &str) -> Option<Uuid> {
    state
        .store
        .find_rows(emails, column, &Cell::text(value))
        .max_by_key(|(_, row)| (row.time("createdon"), row.version()))
        .map(|(id, _)| id)
}

fn by_in_reply_to(state: &State, envelope: &Envelope) -> Option<Uuid> {
    let emails = schema::table("email")?;
    let id = envelope.thread.in_reply_to.trim();
    (!id.is_empty()).then(|| latest(state, emails, "messageid", id)).flatten()
}

/// The token in the subject equals the token of an email. Every prefix of the history list counts.
fn by_token(state: &State, organization: &Row, envelope: &Envelope) -> Option<Uuid> {
    if organization.boolean("istrackingtokenenabled") == Some(false) {
        return None;
    }
    let emails = schema::table("email")?;
    let prefixes = organization.text("trackingprefix").split(';').map(str::trim);
    prefixes
        .filter(|prefix| !prefix.is_empty())
        .filter_map(|prefix| token(&envelope.subject, prefix))
        .find_map(|token| latest(state, emails, "trackingtoken", token))
}

/// The last token with a prefix in a subject.
fn token<'a>(subject: &'a str, prefix: &str) -> Option<&'a str> {
    let start = subject.rfind(prefix)?;
    let tail = subject.get(start..)?;
    let digits = tail.get(prefix.len()..)?.bytes().take_while(u8::is_ascii_digit).count();
    (digits > 0).then(|| tail.get(..prefix.len() + digits)).flatten()
}

fn by_conversation_index(state: &State, envelope: &Envelope) -> Option<Uuid> {
    let emails = schema::table("email")?;
    latest(state, emails, "baseconversationindexhash", &base_of(&envelope.thread.conversation_index)?)
}

/// The base of a conversation index: its first 22 bytes, the same for the whole conversation.
pub(super) fn base_of(conversation_index: &str) -> Option<String> {
    let bytes = STANDARD.decode(conversation_index.trim()).ok()?;
    bytes.get(..22).map(|base| STANDARD.encode(base))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_a_prefix_and_digits() {
        let cases = [
            ("Re: Offer CRM:0001042", Some("CRM:0001042")),
            ("CRM:0001 and CRM:0002 tail", Some("CRM:0002")),
            ("CRM: none", None),
            ("nothing", None),
        ];
        for (subject, expected) in cases {
            assert_eq!(token(subject, "CRM:"), expected, "{subject}");
        }
    }

    #[test]
    fn a_conversation_shares_its_first_22_bytes() {
        let index = |tail: &[u8]| STANDARD.encode([&[7; 22], tail].concat());
        assert_eq!(base_of(&index(b"")), base_of(&index(b"child")));
        assert_eq!(base_of(&STANDARD.encode([7; 21])), None);
        assert_eq!(base_of("no base64!"), None);
    }
}
