//! Microsoft Graph, as far as Hybridge needs it: users, mail and change notifications.
//!
//! Requests are values and answers are read by pure functions ([`wire`](self)); [`Graph`] only sends.
//! Every call asks for immutable ids, as an item must keep its id when it is moved (graph.md 3.6).

mod content;
mod delta;
mod directory;
mod draft;
mod mail;
mod notification;
mod subscription;
mod trouble;
mod user;
mod wire;

use std::sync::Arc;

use hybridge_net::Transport;
use hybridge_odata::Service;

pub use content::{Content, HeaderField};
pub use delta::{Entry, Place, Round};
pub use directory::{AppRole, DirectoryKind, DirectoryObject, GRAPH_APP_ID, KeyCredential, RoleAssignment};
pub use draft::{Attachment, SendItem};
pub use mail::{MailFolder, NewMessage};
pub use notification::{Notification, NotificationKind, UnreadableNotification, read as read_notifications};
pub use subscription::{NewSubscription, SubscriptionInfo};
pub use trouble::trouble;
pub use user::{User, UserRef};

/// The result of a call.
pub type Result<T> = std::result::Result<T, hybridge_odata::Error>;

/// `Prefer` for ids that survive a move.
pub(crate) const IMMUTABLE_IDS: &str = "IdType=\"ImmutableId\"";

/// Microsoft Graph.
#[derive(Debug, Clone)]
pub struct Graph {
    service: Service,
    uploads: Option<Arc<dyn Transport>>,
}

impl Graph {
    /// Graph behind a service whose root is the version root (`https://graph.microsoft.com/v1.0/`).
    pub fn new(service: Service) -> Self {
        Self { service, uploads: None }
    }

    /// With a way to the addresses that large files are uploaded to: they are not Graph's own, and are called without a
    /// token (graph.md 3.5).
    #[must_use]
    pub fn with_uploads(mut self, transport: Arc<dyn Transport>) -> Self {
        self.uploads = Some(transport);
        self
    }

    /// The service it is reached through.
    pub fn service(&self) -> &Service {
        &self.service
    }
}
