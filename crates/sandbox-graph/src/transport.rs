//! Mail flow: what happens to a message between being sent and lying in folders.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp, Unit};
use uuid::Uuid;

use crate::{
    census::SentMail,
    graph::Tenant,
    mailbox::{
        folder::{INBOX, SENT_ITEMS},
        ids::ItemNumber,
        message::{
            Attachment, AttachmentKind, Body, Content, EmailAddress, HeaderField, Importance, NewMessage,
        },
    },
    mime,
    setup::MailboxState,
    state::State,
    thread,
};

/// A message that somebody sends: from a mailbox of the tenant or from anywhere else.
#[derive(Debug, Clone, Default)]
pub struct Mail {
    /// The sender.
    pub from: EmailAddress,
    /// The `To` recipients.
    pub to: Vec<EmailAddress>,
    /// The `Cc` recipients.
    pub cc: Vec<EmailAddress>,
    /// The `Bcc` recipients: they get it, nobody sees them.
    pub bcc: Vec<EmailAddress>,
    /// The subject.
    pub subject: String,
    /// The body.
    pub body: Body,
    /// How urgent it is.
    pub importance: Importance,
    /// The `Message-ID` with angle brackets; made up when it is absent.
    pub message_id: Option<String>,
    /// Further header fields: `In-Reply-To`, `References`, `Thread-Index`, `X-…`.
    pub headers: Vec<HeaderField>,
    /// The attached files.
    pub attachments: Vec<MailAttachment>,
    /// The message as it comes over the wire. When it is there, everything else except the
    /// recipients (the envelope) is read from it.
    pub mime: Option<Bytes>,
}

/// A file attached to a [`Mail`].
#[derive(Debug, Clone, Default)]
pub struct MailAttachment {
    /// The file name.
    pub name: String,
    /// The media type.
    pub content_type: String,
    /// The `Content-ID` without angle brackets; with it the attachment is an inline one.
    pub content_id: Option<String>,
    /// The file.
    pub content: Bytes,
}

impl Mail {
    /// Who gets it when that is not what its header says.
    pub(crate) fn envelope(&self) -> Option<Vec<String>> {
        let given = self.to.iter().chain(&self.cc).chain(&self.bcc);
        let given: Vec<String> = given.map(|recipient| recipient.address.clone()).collect();
        (self.mime.is_some() && !given.is_empty()).then_some(given)
    }

    pub(crate) fn into_content(self, now: Timestamp) -> Content {
        if let Some(raw) = &self.mime {
            return mime::read::read(raw, now);
        }
        let attachments = (1..).zip(self.attachments).map(|(number, file)| Attachment {
            number,
            name: file.name,
            content_type: Some(file.content_type),
            is_inline: file.content_id.is_some(),
            content_id: file.content_id,
            content_location: None,
            modified: now,
            kind: AttachmentKind::File(file.content),
        });
        let mut content = Content {
            subject: self.subject,
            from: Some(self.from.clone()),
            sender: Some(self.from),
            to: self.to,
            cc: self.cc,
            bcc: self.bcc,
            importance: self.importance,
            internet_message_id: self.message_id,
            headers: self.headers,
            attachments: attachments.collect(),
            ..Content::default()
        };
        content.set_body(self.body);
        content
    }
}

/// A message on its way.
#[derive(Debug)]
pub(crate) struct Transit {
    pub(crate) due: Timestamp,
    sender: Option<Sender>,
    recipients: Vec<String>,
    content: Content,
}

/// The mailbox that sent a message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sender {
    pub(crate) user: Uuid,
    /// The draft that was sent: its copy in Sent Items keeps the number.
    pub(crate) item: Option<ItemNumber>,
    pub(crate) save: bool,
}

impl State {
    /// Hands a message to the transport: for those in its header, or for those on the envelope.
    /// Returns its `Message-ID`.
    pub(crate) fn send(
        &mut self,
        mut content: Content,
        envelope: Option<Vec<String>>,
        sender: Option<Sender>,
        now: Timestamp,
        tenant: &Tenant,
    ) -> String {
        if content.internet_message_id.is_none() {
            let domain = tenant.domains.first().map_or("sandbox.invalid", String::as_str);
            let id = format!("<{}@{domain}>", tenant.dice.uuid().simple());
            stamp(&mut content, &id);
        }
        if content.sent.is_none() || sender.is_some() {
            content.sent = Some(whole_second(now));
        }
        let recipients = envelope
            .unwrap_or_else(|| content.recipients().map(|recipient| recipient.address.clone()).collect());
        let delay = if sender.is_some() { self.options.transport_delay } else { SignedDuration::ZERO };
        let due = now.checked_add(delay).unwrap_or(now);
        let id = content.internet_message_id.clone().unwrap_or_default();
        let transit = Transit { due, sender, recipients, content };
        if due <= now {
            self.deliver(transit, now, tenant);
        } else {
            self.transits.push_back(transit);
        }
        id
    }

    /// Delivers what is due.
    pub(crate) fn run_transport(&mut self, now: Timestamp, tenant: &Tenant) {
        while self.transits.front().is_some_and(|transit| transit.due <= now) {
            if let Some(transit) = self.transits.pop_front() {
                self.deliver(transit, now, tenant);
            }
        }
    }

    fn deliver(&mut self, transit: Transit, now: Timestamp, tenant: &Tenant) {
        let Transit { mut content, sender, recipients, .. } = transit;
        let sender = sender.or_else(|| self.internal_sender(&content));
        if content.thread.index.is_empty() {
            let mailbox = sender.and_then(|sender| self.existing_mailbox(sender.user));
            thread::place(&mut content, mailbox, now);
        }
        self.keep_sent_copy(sender, &content, now, tenant);
        let received = received_copy(content.clone(), now);
        let mut delivered = BTreeSet::new();
        let mut undelivered = Vec::new();
        for address in &recipients {
            let user = self.find_user(address).filter(|user| user.mailbox.receives()).map(|user| user.id);
            match user {
                Some(user) if delivered.insert(user) => {
                    self.put_into_inbox(user, Arc::clone(&received), now, tenant);
                }
                Some(_) => {}
                None => undelivered.push(address.clone()),
            }
        }
        if let Some(sender) = sender {
            self.report_failures(sender.user, &content, &undelivered, now, tenant);
        }
        self.departed.push(SentMail {
            at: now,
            user_id: sender.map(|sender| sender.user),
            internet_message_id: content.internet_message_id,
            subject: content.subject,
            recipients,
            undelivered,
        });
    }

    /// The mailbox of the author, when the author has one here.
    fn internal_sender(&self, content: &Content) -> Option<Sender> {
        let user = self.find_user(&content.from.as_ref()?.address)?;
        user.mailbox.receives().then_some(Sender { user: user.id, item: None, save: true })
    }

    fn put_into_inbox(&mut self, user: Uuid, content: Arc<Content>, now: Timestamp, tenant: &Tenant) {
        let new = NewMessage {
            folder: INBOX,
            received: whole_second(now),
            is_read: false,
            is_draft: false,
            content,
        };
        self.mailbox(user).insert(new, now);
        self.publish(user, now, tenant);
    }

    fn keep_sent_copy(&mut self, sender: Option<Sender>, content: &Content, now: Timestamp, tenant: &Tenant) {
        let Some(sender) = sender.filter(|sender| sender.save) else { return };
        let new = NewMessage {
            folder: SENT_ITEMS,
            received: whole_second(now),
            is_read: true,
            is_draft: false,
            content: Arc::new(content.clone()),
        };
        let mailbox = self.mailbox(sender.user);
        let item = sender.item.unwrap_or_else(|| mailbox.reserve());
        mailbox.insert_as(item, new, now);
        self.publish(sender.user, now, tenant);
    }

    /// A recipient in a domain of the tenant that nobody has comes back as a report.
    fn report_failures(
        &mut self,
        sender: Uuid,
        original: &Content,
        undelivered: &[String],
        now: Timestamp,
        tenant: &Tenant,
    ) {
        let unknown: Vec<_> = undelivered
            .iter()
            .filter(|address| {
                let domain = address.rsplit_once('@').map(|(_, domain)| domain.to_lowercase());
                // What is hosted on-premises goes there.
                let elsewhere =
                    self.find_user(address).is_some_and(|user| user.mailbox == MailboxState::NotEnabled);
                domain.is_some_and(|domain| tenant.domains.contains(&domain)) && !elsewhere
            })
            .cloned()
            .collect();
        let Some(user) = self.users.get(&sender) else { return };
        if unknown.is_empty() {
            return;
        }
        let domain = tenant.domains.first().map_or("sandbox.invalid", String::as_str);
        let postmaster = EmailAddress::named("Microsoft Outlook", format!("postmaster@{domain}"));
        let mut report = Content {
            subject: format!("Undeliverable: {}", original.subject),
            from: Some(postmaster.clone()),
            sender: Some(postmaster),
            to: vec![EmailAddress::named(user.display_name.clone(), user.mail())],
            internet_message_id: Some(format!("<{}@{domain}>", tenant.dice.uuid().simple())),
            sent: Some(whole_second(now)),
            ..Content::default()
        };
        report.set_body(Body::text(format!(
            "Your message wasn't delivered to {}: the address doesn't exist or its mailbox is full.",
            unknown.join(", ")
        )));
        thread::answer(&mut report, original, now);
        self.put_into_inbox(sender, received_copy(report, now), now, tenant);
    }
}

/// What recipients get: without the blind copies, with the header that the transport writes.
fn received_copy(mut content: Content, now: Timestamp) -> Arc<Content> {
    if !content.bcc.is_empty() {
        content.bcc.clear();
        content.headers.retain(|field| !field.name.eq_ignore_ascii_case("bcc"));
        content.mime = None;
    }
    let written =
        if content.header("Message-ID").is_none() { mime::write::header(&content) } else { Vec::new() };
    let stamp = now.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string();
    let received = HeaderField {
        name: "Received".to_owned(),
        value: format!("from transport.sandbox.invalid by mailbox.sandbox.invalid with HTTPS; {stamp}"),
    };
    let own = std::mem::take(&mut content.headers);
    content.headers = std::iter::once(received).chain(written).chain(own).collect();
    Arc::new(content)
}

/// Gives a message that has none its id, also in the form in which it came.
fn stamp(content: &mut Content, id: &str) {
    content.internet_message_id = Some(id.to_owned());
    if let Some(raw) = content.mime.take() {
        content.mime = Some(Bytes::from([format!("Message-ID: {id}\r\n").as_bytes(), &raw].concat()));
        content.set_header("Message-ID", id);
    }
}

/// Exchange keeps times of messages to the second.
pub(crate) fn whole_second(instant: Timestamp) -> Timestamp {
    instant
        .round(jiff::TimestampRound::new().smallest(Unit::Second).mode(jiff::RoundMode::Floor))
        .unwrap_or(instant)
}
