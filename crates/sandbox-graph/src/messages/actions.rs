//! Create, read, update, move, copy and delete.

use std::sync::Arc;

use http::StatusCode;
use serde_json::Value;
use uuid::Uuid;

use super::{
    draft::{apply_import_properties, invalid, patch, text, write_content, write_copy},
    render::{Rendering, id_of},
};
use crate::{
    mailbox::{
        folder::DRAFTS,
        ids::{FolderNumber, ItemNumber},
        message::{Content, EmailAddress, Message, NewMessage},
    },
    mime,
    session::{Session, etag},
    thread,
    transport::whole_second,
    web::{
        answer::{Answer, Fault},
        auth::Need,
        view::View,
    },
};

impl Session<'_> {
    /// `POST …/messages`: a draft from JSON, or from an internet message in base64.
    pub(crate) fn create_message(&mut self, folder: Option<&str>) -> Result<Answer, Fault> {
        let user = self.mailbox_owner(Need::Write)?;
        self.require_space(user)?;
        let folder = folder.map(|name| self.find_folder(user, name)).transpose()?.unwrap_or(DRAFTS);
        let (content, json) = self.read_message(user)?;
        let item = self.store_draft(user, folder, content);
        let mut refused = None;
        let now = self.now;
        self.mailbox(user).update(item, now, |message| {
            refused = write_copy(message, &json).err();
            apply_import_properties(message);
        });
        if let Some(fault) = refused {
            self.mailbox(user).remove(item, now);
            self.mailbox(user).take_unpublished();
            return Err(fault);
        }
        self.publish(user);
        self.created(user, item)
    }

    /// The message in a request's body, with what is JSON about it.
    pub(crate) fn read_message(&mut self, user: Uuid) -> Result<(Content, Value), Fault> {
        let (mut content, json) = if let Some(raw) = self.request.mime() {
            (mime::read::read(&raw?, self.now), Value::Null)
        } else {
            let json = self.request.json()?;
            let mut content = Content::default();
            write_content(&mut content, &json, self.now)?;
            (content, json)
        };
        self.complete(user, &mut content);
        self.require_size(&content)?;
        Ok((content, json))
    }

    /// Adds what Exchange makes up for a new message.
    pub(crate) fn complete(&mut self, user: Uuid, content: &mut Content) {
        let owner = self.owner(user);
        content.from.get_or_insert_with(|| owner.clone());
        let from = content.from.clone();
        content.sender = content.sender.take().or(from).or(Some(owner));
        if content.internet_message_id.is_none() {
            let domain = self.tenant.domains.first().map_or("sandbox.invalid", String::as_str);
            let id = self.tenant.dice.uuid();
            content.internet_message_id = Some(format!("<{}@{domain}>", id.simple()));
        }
        if content.thread.index.is_empty() {
            thread::place(content, self.state.existing_mailbox(user), self.now);
        }
    }

    pub(crate) fn owner(&self, user: Uuid) -> EmailAddress {
        self.state.users.get(&user).map_or_else(EmailAddress::default, |user| {
            EmailAddress::named(user.display_name.clone(), user.mail())
        })
    }

    pub(crate) fn store_draft(
        &mut self,
        user: Uuid,
        folder: FolderNumber,
        mut content: Content,
    ) -> ItemNumber {
        let now = self.now;
        content.sent = content.sent.or(Some(whole_second(now)));
        let new = NewMessage {
            folder,
            received: whole_second(now),
            is_read: true,
            is_draft: true,
            content: Arc::new(content),
        };
        self.mailbox(user).insert(new, now)
    }

    pub(crate) fn require_size(&self, content: &Content) -> Result<(), Fault> {
        if content.size() > self.state.options.message_size_limit {
            return Err(Fault::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "ErrorMessageSizeExceeded",
                "The message exceeds the maximum supported size.",
            ));
        }
        Ok(())
    }

    /// `GET …/messages/{id}`, which stands at `position` in the path.
    pub(crate) fn get_message(&mut self, position: usize) -> Result<Answer, Fault> {
        let user = self.mailbox_owner(Need::ReadBasic)?;
        let id = self.request.path.text(position).to_owned();
        let item = self.find_message(user, &id)?.item;
        let view = View::read(&self.request.query)?;
        let body = self.rendered(user, item, &view)?;
        Ok(Answer::ok(body))
    }

    /// `GET …/messages/{id}/$value`.
    pub(crate) fn get_mime(&mut self, position: usize) -> Result<Answer, Fault> {
        let user = self.mailbox_owner(Need::Read)?;
        let id = self.request.path.text(position).to_owned();
        let message = self.find_message(user, &id)?;
        Ok(Answer::raw("text/plain", mime::write::write(&message.content)))
    }

    /// `PUT …/messages/{id}/$value`: replaces a draft.
    pub(crate) fn put_mime(&mut self, position: usize) -> Result<Answer, Fault> {
        let user = self.mailbox_owner(Need::Write)?;
        let item = self.addressed(user, position)?;
        self.require_draft(user, item)?;
        let raw = self.request.mime().ok_or_else(|| invalid("Content-Type"))??;
        let mut content = mime::read::read(&raw, self.now);
        self.complete(user, &mut content);
        self.require_size(&content)?;
        let now = self.now;
        self.mailbox(user).update(item, now, |message| message.content = Arc::new(content));
        self.publish(user);
        Ok(Answer::ok(self.rendered(user, item, &View::default())?))
    }

    /// `PATCH …/messages/{id}`.
    pub(crate) fn update_message(&mut self, position: usize) -> Result<Answer, Fault> {
        let user = self.mailbox_owner(Need::Write)?;
        let item = self.addressed(user, position)?;
        let json = self.request.json()?;
        let protect = self.state.options.protect_received_mail
            && !self.caller.roles.iter().any(|role| role.starts_with("Mail-Advanced.ReadWrite"));
        let (now, mailbox) = (self.now, self.mailbox(user));
        let mut changed = mailbox.message(item).cloned().ok_or_else(Fault::item_not_found)?;
        patch(&mut changed, &json, protect, now)?;
        mailbox.update(item, now, |message| *message = changed);
        self.publish(user);
        Ok(Answer::ok(self.rendered(user, item, &View::default())?))
    }

    /// `DELETE …/messages/{id}`.
    pub(crate) fn delete_message(&mut self, position: usize) -> Result<Answer, Fault> {
        let user = self.mailbox_owner(Need::Write)?;
        let item = self.addressed(user, position)?;
        let now = self.now;
        self.mailbox(user).soft_delete(item, now);
        self.publish(user);
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }

    /// `POST …/messages/{id}/permanentDelete`.
    pub(crate) fn purge_message(&mut self, position: usize) -> Result<Answer, Fault> {
        let user = self.mailbox_owner(Need::Write)?;
        let item = self.addressed(user, position)?;
        let now = self.now;
        self.mailbox(user).remove(item, now);
        self.publish(user);
        Ok(Answer::empty(StatusCode::NO_CONTENT))
    }

    /// `POST …/messages/{id}/move`.
    pub(crate) fn move_message(&mut self, position: usize) -> Result<Answer, Fault> {
        let user = self.mailbox_owner(Need::Write)?;
        let item = self.addressed(user, position)?;
        let folder = self.destination(user)?;
        let now = self.now;
        self.mailbox(user).relocate(item, folder, now);
        self.publish(user);
        self.created(user, item)
    }

    /// `POST …/messages/{id}/copy`.
    pub(crate) fn copy_message(&mut self, position: usize) -> Result<Answer, Fault> {
        let user = self.mailbox_owner(Need::Write)?;
        self.require_space(user)?;
        let item = self.addressed(user, position)?;
        let folder = self.destination(user)?;
        let now = self.now;
        let mailbox = self.mailbox(user);
        let original = mailbox.message(item).cloned().ok_or_else(Fault::item_not_found)?;
        let new = NewMessage {
            folder,
            received: original.received,
            is_read: original.is_read,
            is_draft: original.is_draft,
            content: Arc::clone(&original.content),
        };
        let copy = mailbox.insert(new, now);
        mailbox.update(copy, now, |message| {
            message.categories = original.categories;
            message.flag = original.flag;
            message.properties = original.properties;
        });
        self.publish(user);
        self.created(user, copy)
    }

    fn destination(&mut self, user: Uuid) -> Result<FolderNumber, Fault> {
        let json = self.request.json()?;
        let name = ["destinationId", "DestinationId"]
            .into_iter()
            .find_map(|name| text(&json, name).transpose())
            .ok_or_else(|| invalid("destinationId"))??;
        self.find_folder(user, &name)
    }

    pub(crate) fn require_draft(&mut self, user: Uuid, item: ItemNumber) -> Result<(), Fault> {
        let draft = self.mailbox(user).message(item).is_some_and(|message| message.is_draft);
        draft.then_some(()).ok_or_else(|| {
            Fault::bad_request(
                "ErrorInvalidRequest",
                "The operation can only be performed on a draft message.",
            )
        })
    }

    /// A message as this client sees it.
    pub(crate) fn rendered(&mut self, user: Uuid, item: ItemNumber, view: &View) -> Result<Value, Fault> {
        let everything = self.may_read_all(user) || self.caller.has(Need::Write);
        let prefer = self.request.prefer.clone();
        let mailbox = self.mailbox(user);
        let message = mailbox.message(item).ok_or_else(Fault::item_not_found)?;
        let body = Rendering { view, prefer: &prefer, everything }.message(mailbox, message);
        Ok(self.with_context(&format!("users('{user}')/messages/$entity"), body))
    }

    /// `201 Created` with a new message.
    pub(crate) fn created(&mut self, user: Uuid, item: ItemNumber) -> Result<Answer, Fault> {
        let body = self.rendered(user, item, &View::default())?;
        let form = self.request.prefer.id_form;
        let mailbox = self.mailbox(user);
        let message: &Message = mailbox.message(item).ok_or_else(Fault::item_not_found)?;
        let (id, tag) = (id_of(mailbox, form, message), etag(message.sequence));
        let location = format!("{}users('{user}')/messages('{id}')", self.root());
        Ok(Answer::created(body).with_header("location", location).with_header("etag", tag))
    }
}
