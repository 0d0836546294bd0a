//! What a test may know and a client may not: the ground truth.

use std::collections::BTreeMap;

use http::StatusCode;
use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    mailbox::{
        Mailbox,
        cursor::{DeltaToken, Tracked},
        folder,
        ids::{FolderNumber, IdForm},
    },
    state::State,
};

/// One message of one mailbox, as it really is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CensusEntry {
    /// The owner of the mailbox.
    pub user_id: Uuid,
    /// The immutable id.
    pub immutable_id: String,
    /// The id that changes with each move, as it is now.
    pub default_id: String,
    /// The `Message-ID`, with angle brackets.
    pub internet_message_id: Option<String>,
    /// The well-known name of the folder, else its display name.
    pub folder: String,
    /// The subject.
    pub subject: String,
    /// When it was received.
    pub received: Timestamp,
    /// Whether it is a draft.
    pub is_draft: bool,
    /// Whether it is read.
    pub is_read: bool,
    /// The number of its latest change in the mailbox's sequence of changes.
    pub sequence: u64,
    /// The number of the change with which it came into its folder.
    pub arrived: u64,
    /// The names of its attachments, inline ones among them, in their order.
    pub attachments: Vec<String>,
}

/// Where a delta link stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeltaPosition {
    /// The owner of the mailbox.
    pub user_id: Uuid,
    /// Every change up to this number was told by the rounds that ended before.
    pub sequence: u64,
    /// Whether the link ends a round (`@odata.deltaLink`) rather than continuing one.
    pub round_complete: bool,
}

/// A call with which an app changed something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppWrite {
    /// When.
    pub at: Timestamp,
    /// The application.
    pub app_id: Uuid,
    /// The mailbox, where there is one.
    pub user_id: Option<Uuid>,
    /// The method.
    pub method: String,
    /// The path below the version, as it was written.
    pub path: String,
    /// The status it was answered with.
    pub status: u16,
}

/// How many requests came, counted since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestCounts {
    /// HTTP requests; a batch is one.
    pub requests: u64,
    /// `$batch` requests among them.
    pub batches: u64,
    /// Operations: requests that are no batch, and the items of batches.
    pub operations: u64,
    /// Operations by method and route, such as `GET users/messages/delta`.
    pub by_route: BTreeMap<String, u64>,
    /// Operations by status.
    pub by_status: BTreeMap<u16, u64>,
}

impl RequestCounts {
    pub(crate) fn count(&mut self, route: String, status: StatusCode) {
        self.operations += 1;
        *self.by_route.entry(route).or_default() += 1;
        *self.by_status.entry(status.as_u16()).or_default() += 1;
    }
}

/// A message that was handed to the transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentMail {
    /// When.
    pub at: Timestamp,
    /// The user whose mailbox sent it; `None` when it came from outside or from the test.
    pub user_id: Option<Uuid>,
    /// The `Message-ID`, with angle brackets.
    pub internet_message_id: Option<String>,
    /// The subject.
    pub subject: String,
    /// The addresses of all recipients.
    pub recipients: Vec<String>,
    /// Those among them that no mailbox of the tenant has.
    pub undelivered: Vec<String>,
}

pub(crate) fn census(state: &State) -> Vec<CensusEntry> {
    state
        .mailboxes()
        .flat_map(|(user_id, mailbox)| {
            mailbox.messages().map(move |message| CensusEntry {
                user_id,
                immutable_id: mailbox.codec.immutable(message.item),
                default_id: mailbox.codec.item(IdForm::Default, message.item, message.stay),
                internet_message_id: message.content.internet_message_id.clone(),
                folder: folder_name(mailbox, message.folder),
                subject: message.content.subject.clone(),
                received: message.received,
                is_draft: message.is_draft,
                is_read: message.is_read,
                sequence: message.sequence,
                arrived: message.arrived,
                attachments: message
                    .content
                    .attachments
                    .iter()
                    .map(|attachment| attachment.name.clone())
                    .collect(),
            })
        })
        .collect()
}

fn folder_name(mailbox: &Mailbox, number: FolderNumber) -> String {
    match folder::well_known(number) {
        Some(known) => known.name.to_owned(),
        None => mailbox.folder(number).map(|folder| folder.display_name).unwrap_or_default(),
    }
}

pub(crate) fn delta_position(state: &State, token_or_link: &str) -> Option<DeltaPosition> {
    let token = token_or_link
        .split(['?', '&'])
        .find_map(|part| {
            let (name, value) = part.split_once('=')?;
            let name = name.trim_start_matches("%24").trim_start_matches('$');
            matches!(name.to_ascii_lowercase().as_str(), "deltatoken" | "skiptoken").then_some(value)
        })
        .unwrap_or(token_or_link);
    let token = DeltaToken::read(token)?;
    let cursor = state.existing_mailbox(token.mailbox)?.cursors.look(token.cursor)?;
    let complete = token.offset.is_none();
    matches!(cursor.query.tracked, Tracked::Messages(_)).then_some(DeltaPosition {
        user_id: token.mailbox,
        sequence: if complete { cursor.end } else { cursor.base },
        round_complete: complete,
    })
}
