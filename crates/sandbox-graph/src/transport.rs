//! Mail flow: what happens to a message between being sent and lying in folders.

use std::sync::Arc;

use bytes::Bytes;
use jiff::{Timestamp, Unit};
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
    pub(crate) fn into_content(self, now: Timestamp) -> Content {
        if let Some(raw) = &self.mime {
            let mut content = mime::read::read(raw, now);
            if self.to.is_empty() && self.cc.is_empty() {
                content.bcc.extend(self.bcc);
            } else {
                // The envelope decides who gets it; the header stays what people see.
                content.bcc = self.to.into_iter().chain(self.cc).chain(self.bcc).collect();
            }
            return content;
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
    pub(crate) sender: Option<Sender>,
    pub(crate) content: Content,
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
    /// Hands a message to the transport.
    pub(crate) fn send(
        &mut self,
        mut content: Content,
        sender: Option<Sender>,
        now: Timestamp,
        tenant: &Tenant,
    ) {
        if content.internet_message_id.is_none() {
            let domain = tenant.domains.first().map_or("sandbox.invalid", String::as_str);
            content.internet_message_id = Some(format!("<{}@{domain}>", tenant.dice.uuid().simple()));
        }
        if content.sent.is_none() || sender.is_some() {
            content.sent = Some(whole_second(now));
        }
        let delay = if sender.is_some() { self.options.transport_delay } else { jiff::SignedDuration::ZERO };
        let due = now.checked_add(delay).unwrap_or(now);
        self.transits.push_back(Transit { due, sender, content });
        self.run_transport(now, tenant);
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
        let Transit { mut content, sender, .. } = transit;
        let received = whole_second(now);
        let recipients: Vec<String> = {
            let mut seen = std::collections::BTreeSet::new();
            let all = content.recipients().map(|recipient| recipient.address.clone());
            all.filter(|address| seen.insert(address.to_lowercase())).collect()
        };
        if content.thread.index.is_empty() {
            let mailbox = sender.and_then(|sender| self.existing_mailbox(sender.user));
            thread::place(&mut content, mailbox, now);
        }
        self.keep_sent_copy(sender, &content, received, now, tenant);
        let mut delivered = std::collections::BTreeSet::new();
        let mut undelivered = Vec::new();
        let visible = visible_to_recipients(content.clone());
        for address in &recipients {
            let user = self.find_user(address).filter(|user| user.mailbox.receives()).map(|user| user.id);
            match user {
                Some(user) if delivered.insert(user) => {
                    let new = NewMessage {
                        folder: INBOX,
                        received,
                        is_read: false,
                        is_draft: false,
                        content: Arc::clone(&visible),
                    };
                    self.mailbox(user).insert(new, now);
                    self.publish(user, now, tenant);
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

    fn keep_sent_copy(
        &mut self,
        sender: Option<Sender>,
        content: &Content,
        received: Timestamp,
        now: Timestamp,
        tenant: &Tenant,
    ) {
        let from_inside = content
            .from
            .as_ref()
            .and_then(|from| self.find_user(&from.address))
            .filter(|user| user.mailbox.receives())
            .map(|user| Sender { user: user.id, item: None, save: true });
        let Some(sender) = sender.or(from_inside).filter(|sender| sender.save) else { return };
        let new = NewMessage {
            folder: SENT_ITEMS,
            received,
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
                domain.is_some_and(|domain| tenant.domains.contains(&domain))
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
            "Your message wasn't delivered to {}: the address couldn't be found. (550 5.1.10 RESOLVER.ADR.RecipientNotFound)",
            unknown.join(", ")
        )));
        thread::answer(&mut report, original, now);
        let new = NewMessage {
            folder: INBOX,
            received: whole_second(now),
            is_read: false,
            is_draft: false,
            content: Arc::new(report),
        };
        self.mailbox(sender).insert(new, now);
        self.publish(sender, now, tenant);
    }
}

/// Recipients do not see who else got a blind copy.
fn visible_to_recipients(mut content: Content) -> Arc<Content> {
    content.bcc.clear();
    Arc::new(content)
}

/// Exchange keeps times of messages to the second.
pub(crate) fn whole_second(instant: Timestamp) -> Timestamp {
    instant
        .round(jiff::TimestampRound::new().smallest(Unit::Second).mode(jiff::RoundMode::Floor))
        .unwrap_or(instant)
}
