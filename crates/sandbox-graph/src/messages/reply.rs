//! Replying and forwarding (graph.md 3.4).

use http::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use super::{
    draft::{recipients, write_content},
    send::member,
};
use crate::{
    mailbox::{
        folder::DRAFTS,
        message::{Body, Content, EmailAddress},
    },
    mime::html,
    session::Session,
    thread,
    transport::Sender,
    web::{
        answer::{Answer, Fault},
        auth::Need,
    },
};

/// How a message is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplyKind {
    Reply,
    ReplyAll,
    Forward,
}

impl Session<'_> {
    /// `POST …/reply`, `…/replyAll`, `…/forward`: answers at once.
    pub(crate) fn send_reply(&mut self, position: usize, kind: ReplyKind) -> Result<Answer, Fault> {
        let user = self.mailbox_owner(Need::Send)?;
        let content = self.reply(user, position, kind)?;
        self.require_sendable(user, &content)?;
        let sender = Sender { user, item: None, save: true };
        self.state.send(content, None, Some(sender), self.now, self.tenant);
        Ok(Answer::empty(StatusCode::ACCEPTED))
    }

    /// `POST …/createReply`, `…/createReplyAll`, `…/createForward`: leaves a draft.
    pub(crate) fn create_reply(&mut self, position: usize, kind: ReplyKind) -> Result<Answer, Fault> {
        let user = self.mailbox_owner(Need::Write)?;
        self.require_space(user)?;
        let content = self.reply(user, position, kind)?;
        let item = self.store_draft(user, DRAFTS, content);
        self.publish(user);
        self.created(user, item)
    }

    fn reply(&mut self, user: Uuid, position: usize, kind: ReplyKind) -> Result<Content, Fault> {
        let id = self.request.path.text(position).to_owned();
        let original = self.find_message(user, &id)?.content.clone();
        let json = self.request.json()?;
        let comment = member(&json, "comment").and_then(Value::as_str);
        let message = member(&json, "message");
        if comment.is_some() && message.is_some_and(|message| message.get("body").is_some()) {
            return Err(Fault::bad_request(
                "ErrorInvalidRequest",
                "Comment and the body of the message can't be given together.",
            ));
        }
        let owner = self.owner(user);
        let mut content = prepare(&original, &owner, kind);
        content.set_body(quoted(&original, comment.unwrap_or_default()));
        if let Some(message) = message {
            write_content(&mut content, message, self.now)?;
        }
        if let Some(list) = member(&json, "toRecipients") {
            content.to = recipients("toRecipients", list)?;
        }
        thread::answer(&mut content, &original, self.now);
        self.complete(user, &mut content);
        self.require_size(&content)?;
        Ok(content)
    }
}

fn prepare(original: &Content, owner: &EmailAddress, kind: ReplyKind) -> Content {
    let prefix = if kind == ReplyKind::Forward { "FW: " } else { "RE: " };
    let mut content = Content {
        subject: with_prefix(prefix, &original.subject),
        importance: original.importance,
        ..Content::default()
    };
    if kind == ReplyKind::Forward {
        content.attachments.clone_from(&original.attachments);
        return content;
    }
    content.attachments = original.attachments.iter().filter(|a| a.is_inline).cloned().collect();
    content.to = match original.reply_to.as_slice() {
        [] => original.from.iter().cloned().collect(),
        reply_to => reply_to.to_vec(),
    };
    if kind == ReplyKind::ReplyAll {
        let is_other = |entry: &&EmailAddress| !entry.address.eq_ignore_ascii_case(&owner.address);
        content.to.extend(original.to.iter().filter(is_other).cloned());
        content.cc = original.cc.iter().filter(is_other).cloned().collect();
    }
    content
}

fn with_prefix(prefix: &str, subject: &str) -> String {
    let has_it = subject.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix));
    if has_it { subject.to_owned() } else { format!("{prefix}{subject}") }
}

fn quoted(original: &Content, comment: &str) -> Body {
    let from = original.from.as_ref().map(|from| from.address.clone()).unwrap_or_default();
    Body::html(format!(
        "<html><body>{}<hr tabindex=\"-1\"><div><b>From:</b> {}<br><b>Subject:</b> {}</div>{}</body></html>",
        html::from_text(comment),
        html::from_text(&from),
        html::from_text(&original.subject),
        original.body.as_html(),
    ))
}
