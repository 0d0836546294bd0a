//! Attachments of messages, small ones (graph.md 3.5).

use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    mailbox::{
        edit,
        ids::{IdCodec, IdForm, ItemNumber},
        message::{Attachment, AttachmentKind, Message},
    },
    messages::{
        draft::{next_attachment_number, read_attachment},
        render::{Rendering, id_of},
    },
    mime,
    session::Session,
    web::{
        answer::{Answer, Fault},
        auth::Need,
        view::{ExpandAttachments, View},
    },
};

/// Larger files need an upload session.
pub(crate) const SMALL_FILE_LIMIT: usize = 3 * 1024 * 1024;

impl Session<'_> {
    /// `GET …/attachments` of the message at `position` in the path.
    pub(crate) fn list_attachments(&mut self, position: usize) -> Result<Answer, Fault> {
        let (user, message) = self.message_with_attachments(position)?;
        let attachments: Value = message
            .content
            .attachments
            .iter()
            .map(|attachment| self.rendered_attachment(user, &message, attachment))
            .collect();
        Ok(Answer::ok(self.with_context(&context(user, &message, self), json!({"value": attachments}))))
    }

    /// `GET …/attachments/{a}`.
    pub(crate) fn get_attachment(&mut self, position: usize) -> Result<Answer, Fault> {
        let (user, message) = self.message_with_attachments(position)?;
        let attachment = self.addressed_attachment(user, &message, position + 2)?;
        let body = self.rendered_attachment(user, &message, attachment);
        let context = format!("{}/$entity", context(user, &message, self));
        Ok(Answer::ok(self.with_context(&context, body)))
    }

    /// `GET …/attachments/{a}/$value`.
    pub(crate) fn get_attachment_content(&mut self, position: usize) -> Result<Answer, Fault> {
        let (user, message) = self.message_with_attachments(position)?;
        let attachment = self.addressed_attachment(user, &message, position + 2)?;
        Ok(match &attachment.kind {
            AttachmentKind::File(bytes) => {
                let media_type = attachment.content_type.as_deref().unwrap_or("application/octet-stream");
                Answer::raw(media_type, bytes.clone())
            }
            AttachmentKind::Item(content) => Answer::raw("text/plain", mime::write::write(content)),
        })
    }

    /// `POST …/attachments`.
    pub(crate) fn add_attachment(&mut self, position: usize) -> Result<Answer, Fault> {
        let user = self.mailbox_owner(Need::Write)?;
        self.require_space(user)?;
        let item = self.addressed(user, position)?;
        let json = self.request.json()?;
        let attachment = read_attachment(&json, 0, self.now)?;
        if attachment.content_size() > SMALL_FILE_LIMIT {
            return Err(Fault::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "ErrorAttachmentSizeLimitExceeded",
                "The size of the attachment exceeds the allowed limit; use an upload session.",
            ));
        }
        let number = self.attach(user, item, attachment)?;
        let message = self.mailbox(user).message(item).cloned().ok_or_else(Fault::item_not_found)?;
        let added = message.content.attachments.iter().find(|attachment| attachment.number == number);
        let added = added.ok_or_else(Fault::item_not_found)?;
        let body = self.rendered_attachment(user, &message, added);
        let context = format!("{}/$entity", context(user, &message, self));
        Ok(Answer::created(self.with_context(&context, body)))
    }

    /// `DELETE …/attachments/{a}`.
    pub(crate) fn delete_attachment(&mut self, position: usize) -> Result<Answer, Fault> {
        let user = self.mailbox_owner(Need::Write)?;
        let item = self.addressed(user, position)?;
        let message = self.mailbox(user).message(item).cloned().ok_or_else(Fault::item_not_found)?;
        let number = self.addressed_attachment(user, &message, position + 2)?.number;
        let now = self.now;
        self.mailbox(user).update(item, now, |message| {
            edit(message).attachments.retain(|attachment| attachment.number != number);
        });
        self.publish(user);
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }

    /// Adds an attachment to a message and returns its number.
    pub(crate) fn attach(
        &mut self,
        user: Uuid,
        item: ItemNumber,
        mut attachment: Attachment,
    ) -> Result<u32, Fault> {
        let limit = self.state.options.message_size_limit;
        let now = self.now;
        let mailbox = self.mailbox(user);
        let message = mailbox.message(item).ok_or_else(Fault::item_not_found)?;
        if message.content.size() + attachment.content_size() > limit {
            return Err(Fault::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "ErrorMessageSizeExceeded",
                "The message exceeds the maximum supported size.",
            ));
        }
        attachment.number = next_attachment_number(&message.content);
        let number = attachment.number;
        mailbox.update(item, now, |message| edit(message).attachments.push(attachment));
        self.publish(user);
        Ok(number)
    }

    fn message_with_attachments(&mut self, position: usize) -> Result<(Uuid, Message), Fault> {
        let user = self.mailbox_owner(Need::Read)?;
        let id = self.request.path.text(position).to_owned();
        Ok((user, self.find_message(user, &id)?.clone()))
    }

    fn addressed_attachment<'m>(
        &mut self,
        user: Uuid,
        message: &'m Message,
        position: usize,
    ) -> Result<&'m Attachment, Fault> {
        let wanted = self.request.path.text(position).to_owned();
        let mailbox = self.mailbox(user);
        let ids = [id_of(mailbox, IdForm::Default, message), id_of(mailbox, IdForm::Immutable, message)];
        let found = message
            .content
            .attachments
            .iter()
            .find(|attachment| ids.iter().any(|id| IdCodec::attachment(id, attachment.number) == wanted));
        found.ok_or_else(Fault::item_not_found)
    }

    fn rendered_attachment(&self, user: Uuid, message: &Message, attachment: &Attachment) -> Value {
        let view = View::default();
        let rendering = Rendering { view: &view, prefer: &self.request.prefer, everything: true };
        let expand = ExpandAttachments::of_query(&self.request.query);
        let form = self.request.prefer.id_form;
        let id = IdCodec::new(user).item(form, message.item, message.stay);
        rendering.attachment(&id, attachment, &expand)
    }
}

fn context(user: Uuid, message: &Message, session: &Session<'_>) -> String {
    let id = IdCodec::new(user).item(session.request.prefer.id_form, message.item, message.stay);
    format!("users('{user}')/messages('{id}')/attachments")
}
