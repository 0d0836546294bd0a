use std::{sync::Arc, time::Duration};

use hybridge_sandbox_kit::{Clock, Dice, Origins, Outbound, TokenJudge};
use jiff::SignedDuration;
use url::Url;
use uuid::Uuid;

/// What an emulated tenant is made of.
#[derive(Debug)]
pub struct GraphSetup {
    /// The time of the tenant.
    pub clock: Clock,
    /// Where ids and injected faults come from.
    pub dice: Dice,
    /// Where the tenant is reached; links and upload addresses are built on `origins.graph`.
    pub origins: Origins,
    /// Verifies access tokens.
    pub judge: Arc<dyn TokenJudge>,
    /// Carries change notifications and their validation.
    pub outbound: Arc<dyn Outbound>,
    /// The tenant.
    pub tenant_id: Uuid,
    /// The verified domains of the tenant; the first one is the default domain.
    pub tenant_domains: Vec<String>,
    /// Limits, latencies and faults.
    pub options: GraphOptions,
}

/// Limits, latencies and faults of an emulated tenant. The defaults are the published limits, no
/// latency and no faults.
#[derive(Debug, Clone)]
pub struct GraphOptions {
    /// How long each request takes; it counts as running against its mailbox for that long.
    pub latency: Duration,
    /// The limits of graph.md 7.2.
    pub throttle: ThrottleOptions,
    /// How delta queries behave (graph.md 3.3).
    pub delta: DeltaOptions,
    /// How change notifications behave (graph.md 6).
    pub notifications: NotificationOptions,
    /// How long a sent message is on its way: until then it is in no folder (graph.md 3.4).
    pub transport_delay: SignedDuration,
    /// Refuse changes of subject, body and recipients of mail that is no draft, as from
    /// 31 December 2026 without `Mail-Advanced.ReadWrite.All` (graph.md 3.1).
    pub protect_received_mail: bool,
    /// The largest message a mailbox sends or stores, in bytes.
    pub message_size_limit: usize,
    /// Where upload sessions are reached, with a trailing slash; the Graph origin when absent. The
    /// real ones lie on another host than Graph, so that client libraries send no token there: a
    /// second name of this machine (`https://127.0.0.1:…/` beside `https://localhost:…/`) does that.
    pub upload_origin: Option<Url>,
    /// Refuse uploads that carry an `Authorization` header (graph.md 3.5).
    pub refuse_upload_authorization: bool,
    /// Roles granted to an app on single mailboxes by Exchange RBAC for Applications, outside the
    /// token (graph.md 1.9).
    pub mailbox_grants: Vec<MailboxGrant>,
}

impl Default for GraphOptions {
    fn default() -> Self {
        Self {
            latency: Duration::ZERO,
            throttle: ThrottleOptions::default(),
            delta: DeltaOptions::default(),
            notifications: NotificationOptions::default(),
            transport_delay: SignedDuration::ZERO,
            protect_received_mail: true,
            message_size_limit: 150 * 1024 * 1024,
            upload_origin: None,
            refuse_upload_authorization: true,
            mailbox_grants: Vec::new(),
        }
    }
}

/// A role that an app holds on one mailbox without its token saying so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxGrant {
    /// The application.
    pub app_id: Uuid,
    /// The user whose mailbox is in the role's scope.
    pub user_id: Uuid,
    /// The permission that the Exchange role stands for, `Mail.ReadWrite` for example.
    pub role: String,
}

/// The Outlook limits for one app on one mailbox (graph.md 7.2).
#[derive(Debug, Clone, Copy)]
pub struct ThrottleOptions {
    /// Requests that may run at once.
    pub concurrency: u32,
    /// Requests in ten minutes.
    pub requests_per_ten_minutes: u32,
    /// Bytes of `POST`, `PATCH` and `PUT` bodies in five minutes.
    pub upload_bytes_per_five_minutes: u64,
    /// The `Retry-After` of a request refused because too many others are running, in seconds.
    pub concurrency_retry_after_seconds: u64,
}

impl Default for ThrottleOptions {
    fn default() -> Self {
        Self {
            concurrency: 4,
            requests_per_ten_minutes: 10_000,
            upload_bytes_per_five_minutes: 150 * 1024 * 1024,
            concurrency_retry_after_seconds: 1,
        }
    }
}

/// How an expired delta token is answered; both are seen in the field (graph.md 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExpiredTokenAnswer {
    /// `410 Gone`, `syncStateNotFound`, a `Location` with an empty `$deltatoken`.
    #[default]
    Gone,
    /// `400 Bad Request`, `SyncStateNotFound`.
    BadRequest,
}

/// The behaviour of delta queries (graph.md 3.3).
#[derive(Debug, Clone, Copy)]
pub struct DeltaOptions {
    /// Messages on a page when the client does not say (`Prefer: odata.maxpagesize`).
    pub page_size: usize,
    /// Sync states kept for one mailbox; the least recently used one is forgotten first.
    pub tokens_per_mailbox: usize,
    /// How an expired token is answered.
    pub expired_answer: ExpiredTokenAnswer,
    /// With immutable ids, a message that left and came back between two rounds is reported as
    /// removed only: the documented defect of the service.
    pub loses_returned_messages: bool,
    /// Probability that an entry is repeated later in the same round.
    pub duplicate: f64,
    /// Probability that a round brings one message again that did not change.
    pub replay: f64,
    /// Probability that a page is empty although more follow.
    pub empty_page: f64,
    /// How long a change stays invisible to delta queries.
    pub lag: SignedDuration,
}

impl Default for DeltaOptions {
    fn default() -> Self {
        Self {
            page_size: 10,
            tokens_per_mailbox: 500,
            expired_answer: ExpiredTokenAnswer::Gone,
            loses_returned_messages: true,
            duplicate: 0.0,
            replay: 0.0,
            empty_page: 0.0,
            lag: SignedDuration::ZERO,
        }
    }
}

/// The behaviour of change notifications (graph.md 6).
#[derive(Debug, Clone, Copy)]
pub struct NotificationOptions {
    /// How long a notification takes to be sent at least.
    pub latency: SignedDuration,
    /// Probability that a notification is never sent.
    pub lose: f64,
    /// Whether the service notices what it lost and says so with a `missed` lifecycle event.
    pub announce_losses: bool,
    /// Probability that a notification is sent twice.
    pub duplicate: f64,
    /// Probability that a notification is held back by `delay_by`.
    pub delay: f64,
    /// How long a delayed notification is held back.
    pub delay_by: SignedDuration,
    /// Notifications in one `POST` at most.
    pub batch_size: usize,
    /// Active subscriptions of one mailbox at most, over all apps.
    pub subscriptions_per_mailbox: usize,
    /// Refuse notification addresses that are not HTTPS, as the service does.
    pub require_https: bool,
}

impl Default for NotificationOptions {
    fn default() -> Self {
        Self {
            latency: SignedDuration::ZERO,
            lose: 0.0,
            announce_losses: true,
            duplicate: 0.0,
            delay: 0.0,
            delay_by: SignedDuration::from_mins(3),
            batch_size: 20,
            subscriptions_per_mailbox: 1_000,
            require_https: true,
        }
    }
}

/// Whether and how a user's mailbox answers (graph.md 5.3, 7.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MailboxState {
    /// It works.
    #[default]
    Normal,
    /// No Exchange Online licence, soft-deleted, or hosted on-premises:
    /// `404 MailboxNotEnabledForRESTAPI`.
    NotEnabled,
    /// An application access policy keeps apps out: `403 ErrorAccessDenied`, except for what is
    /// granted in [`GraphOptions::mailbox_grants`].
    OutOfScope,
    /// Its database is down: `503 ErrorMailboxStoreUnavailable`. Mail goes on arriving.
    Unavailable,
    /// It is full: nothing can be stored and delta queries fail with `403 ErrorQuotaExceeded`.
    QuotaExceeded,
}

impl MailboxState {
    /// Whether there is a mailbox in this tenant that mail reaches.
    pub(crate) fn receives(self) -> bool {
        matches!(self, Self::Normal | Self::OutOfScope | Self::Unavailable)
    }
}

/// A user to be added to the tenant.
#[derive(Debug, Clone, Default)]
pub struct NewUser {
    /// The object id; made up when it is absent.
    pub id: Option<Uuid>,
    /// The display name.
    pub display_name: String,
    /// The user principal name.
    pub user_principal_name: String,
    /// The SMTP addresses; the first one is the primary (`mail`). When there are none the user
    /// principal name is the address.
    pub addresses: Vec<String>,
    /// The state of the mailbox.
    pub mailbox: MailboxState,
}
