//! Sending: drafts, and messages in one call (graph.md 3.4).

use http::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use super::draft::{boolean, write_content};
use crate::{
    mailbox::message::Content,
    mime,
    session::Session,
    transport::Sender,
    web::{
        answer::{Answer, Fault},
        auth::Need,
    },
};

/// Recipients of one message at most.
const MOST_RECIPIENTS: usize = 500;

impl Session<'_> {
    /// `POST …/messages/{id}/send`.
    pub(crate) fn send_draft(&mut self, position: usize) -> Result<Answer, Fault> {
        let user = self.mailbox_owner(Need::Send)?;
        let item = self.addressed(user, position)?;
        self.require_draft(user, item)?;
        let draft = self.mailbox(user).message(item).cloned().ok_or_else(Fault::item_not_found)?;
        let content = draft.content.as_ref().clone();
        self.require_sendable(user, &content)?;
        let now = self.now;
        self.mailbox(user).remove(item, now);
        self.publish(user);
        self.state.send(content, None, Some(Sender { user, item: Some(item), save: true }), now, self.tenant);
        Ok(Answer::empty(StatusCode::ACCEPTED))
    }

    /// `POST …/sendMail`.
    pub(crate) fn send_mail(&mut self) -> Result<Answer, Fault> {
        let user = self.mailbox_owner(Need::Send)?;
        let (mut content, save) = if let Some(raw) = self.request.mime() {
            (mime::read::read(&raw?, self.now), true)
        } else {
            let json = self.request.json()?;
            let message = member(&json, "message").ok_or_else(|| super::draft::invalid("message"))?;
            let mut content = Content::default();
            write_content(&mut content, message, self.now)?;
            let save = boolean(&json, "saveToSentItems")?.or(boolean(&json, "SaveToSentItems")?);
            (content, save.unwrap_or(true))
        };
        self.complete(user, &mut content);
        self.require_size(&content)?;
        self.require_sendable(user, &content)?;
        self.state.send(content, None, Some(Sender { user, item: None, save }), self.now, self.tenant);
        Ok(Answer::empty(StatusCode::ACCEPTED))
    }

    pub(crate) fn require_sendable(&self, user: Uuid, content: &Content) -> Result<(), Fault> {
        self.require_space(user)?;
        let recipients: Vec<_> = content.recipients().collect();
        let all_valid = recipients.iter().all(|recipient| {
            recipient
                .address
                .split_once('@')
                .is_some_and(|(local, domain)| !local.is_empty() && !domain.is_empty())
        });
        if recipients.is_empty() || !all_valid {
            return Err(Fault::bad_request(
                "ErrorInvalidRecipients",
                "At least one recipient isn't valid., A message can't be sent because it contains no valid recipients.",
            ));
        }
        if recipients.len() > MOST_RECIPIENTS {
            return Err(Fault::bad_request("ErrorInvalidRecipients", "The message has too many recipients."));
        }
        let own = self.state.users.get(&user);
        let foreign = [&content.from, &content.sender].into_iter().flatten().any(|address| {
            !address.address.is_empty() && !own.is_some_and(|user| user.has_address(&address.address))
        });
        if foreign {
            return Err(Fault::new(
                StatusCode::FORBIDDEN,
                "ErrorSendAsDenied",
                "The user account which was used to submit this request does not have the right to send mail on behalf of the specified sending account.",
            ));
        }
        Ok(())
    }
}

/// Action parameters are written with a small or a capital first letter.
pub(crate) fn member<'a>(json: &'a Value, name: &str) -> Option<&'a Value> {
    json.as_object()?.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}
