use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use hybridge_core::{
    address::Address,
    attachment::AttachmentRules,
    eligibility::Mailbox,
    ids::{MailboxId, TenantId},
    lane::{LaneId, LaneKind},
    options::{Options as OrganizationOptions, Overrides},
    retry::lane_pause,
    rules::Rules,
    trouble::{Class, Trouble},
};
use hybridge_dynamics::Dynamics;
use hybridge_graph::{Graph, UserRef};
use hybridge_net::{Chance, Clock};
use hybridge_store::{Epoch, Health, MailboxRow, RunEnd, Store, Subscription};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;

use crate::{
    error::LaneError,
    incoming::{Incoming, Tally},
    metrics::Metrics,
    observer::Observer,
    outgoing::Sending,
};

/// What can be chosen about the engine.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many lanes run at once.
    pub lanes_at_once: usize,
    /// The shortest time between two timed runs of a lane.
    pub poll: Duration,
    /// How often it is looked what waits to be sent in the organization.
    pub outbox: Duration,
    /// How many entries a delta page is asked to hold.
    pub page_size: u32,
    /// The largest request body that is sent to the organization, in bytes.
    pub request_bytes: u64,
    /// How many bytes of attachments may be in memory at once, over all lanes.
    pub memory_bytes: u64,
    /// Where Graph sends change notifications, where it can reach this machine.
    pub notification_url: Option<String>,
    /// The administrator's rules.
    pub rules: Rules,
    /// What the configuration says instead of the organization.
    pub overrides: Overrides,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            lanes_at_once: 32,
            poll: Duration::from_secs(30),
            outbox: Duration::from_secs(5),
            page_size: 100,
            // IIS takes 16 MB in one request unless it was told otherwise (dynamics.md 4.6).
            request_bytes: 12 << 20,
            memory_bytes: 256 << 20,
            notification_url: None,
            rules: Rules::default(),
            overrides: Overrides::default(),
        }
    }
}

/// What an engine is made of.
#[derive(Debug)]
pub struct Parts {
    /// The Exchange side.
    pub graph: Graph,
    /// The CRM side.
    pub dynamics: Dynamics,
    /// What must survive.
    pub store: Arc<dyn Store>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub chance: Chance,
    /// The tenant.
    pub tenant: TenantId,
    /// Choices.
    pub options: Options,
    /// Who is told what happens.
    pub observer: Arc<dyn Observer>,
}

/// Both sides, and the store between them.
#[derive(Debug)]
pub struct Engine {
    pub(crate) graph: Graph,
    pub(crate) dynamics: Dynamics,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) chance: Chance,
    pub(crate) tenant: TenantId,
    pub(crate) options: Options,
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) metrics: Metrics,
    /// Kibibytes of attachments that may still be read into memory.
    pub(crate) memory: Arc<Semaphore>,
    pub(crate) subscriptions: Mutex<BTreeMap<LaneId, Subscription>>,
    /// Which attachments the organization takes; follows its settings.
    pub(crate) attachment_rules: Mutex<Arc<AttachmentRules>>,
    /// All mailboxes, as they were last read.
    mailboxes: Mutex<Arc<BTreeMap<MailboxId, MailboxRow>>>,
    /// The organization's options, with what is overridden.
    pub(crate) organization_options: Mutex<Arc<OrganizationOptions>>,
    /// When the mailboxes sent lately.
    sent: Mutex<BTreeMap<MailboxId, VecDeque<Timestamp>>>,
}

/// How a run of a lane went.
#[derive(Debug, Clone, Default)]
pub struct RunReport {
    /// What was concluded in it.
    pub tally: BTreeMap<&'static str, u64>,
    /// What ended it early.
    pub trouble: Option<Trouble>,
    /// When the lane is due again.
    pub next_due: Option<Timestamp>,
}

impl Engine {
    /// Puts an engine together.
    pub fn new(parts: Parts) -> Self {
        let kibibytes = usize::try_from(parts.options.memory_bytes / 1024).unwrap_or(Semaphore::MAX_PERMITS);
        Self {
            graph: parts.graph,
            dynamics: parts.dynamics,
            store: parts.store,
            clock: parts.clock,
            chance: parts.chance,
            tenant: parts.tenant,
            memory: Arc::new(Semaphore::new(kibibytes.clamp(1, Semaphore::MAX_PERMITS))),
            options: parts.options,
            observer: parts.observer,
            metrics: Metrics::new(),
            subscriptions: Mutex::default(),
            attachment_rules: Mutex::default(),
            mailboxes: Mutex::default(),
            organization_options: Mutex::default(),
            sent: Mutex::default(),
        }
    }

    /// What the engine counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The CRM side.
    pub fn dynamics(&self) -> &Dynamics {
        &self.dynamics
    }

    /// The Exchange side.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Runs a lane of a mailbox once, until nothing is left to do. A trouble ends the
    /// run, is stored as the lane's health and reported; only a failing store is an error.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn run_lane(
        &self,
        mailbox: &Mailbox,
        kind: LaneKind,
        interval: Duration,
    ) -> Result<RunReport, hybridge_store::Error> {
        let lane = LaneId { mailbox: mailbox.id, kind };
        let failures_before = self.store.lane(lane).await?.map_or(0, |lane| lane.health.failures);
        let epoch = self.store.begin_run(lane, self.clock.now()).await?;
        let (ended, tally) = self.work(lane, epoch, mailbox).await?;
        let trouble = match ended {
            Ok(()) => None,
            Err(LaneError::Trouble(trouble)) => Some(trouble),
            Err(LaneError::Store(error @ hybridge_store::Error::Fenced { .. })) => {
                tracing::info!(%lane, %error, "the run was overtaken");
                return Ok(RunReport { tally, trouble: None, next_due: None });
            }
            Err(LaneError::Store(error)) => return Err(error),
        };
        let now = self.clock.now();
        let next_due = match &trouble {
            None => self.next_timed_run(lane, now, interval).await?,
            Some(trouble) => after_trouble(trouble, failures_before + 1, now, &self.chance),
        };
        if let Some(trouble) = &trouble {
            if matches!(trouble.class, Class::Denied | Class::Gone) {
                // The user may have been made anew, with the same address and another id.
                self.store.put_fact(&user_fact(mailbox.id), None).await?;
            }
            tracing::warn!(%lane, class = %trouble.class, trouble = %trouble.what, "the lane backs off");
        }
        let end = RunEnd { at: now, trouble: trouble.clone(), next_due };
        match self.store.end_run(lane, epoch, &end).await {
            Ok(()) | Err(hybridge_store::Error::Fenced { .. }) => {}
            Err(error) => return Err(error),
        }
        self.metrics.ran(trouble.is_none());
        self.observer.ran(lane, trouble.as_ref());
        Ok(RunReport { tally, trouble, next_due: Some(next_due) })
    }

    /// One run's work, by the kind of its lane.
    async fn work(
        &self,
        lane: LaneId,
        epoch: Epoch,
        mailbox: &Mailbox,
    ) -> Result<(Result<(), LaneError>, Tally), hybridge_store::Error> {
        match lane.kind {
            LaneKind::IncomingEmail => {
                let mut incoming = Incoming::new(self, lane, epoch, mailbox);
                Ok((incoming.run().await, incoming.tally))
            }
            LaneKind::OutgoingEmail => {
                // Without the organization's id no draft could be found again; it is known once it was asked.
                let Some(installation) = self.store.installation().await? else {
                    return Ok((Ok(()), Tally::new()));
                };
                let mut sending = Sending::new(self, lane, epoch, mailbox, installation.organization);
                Ok((sending.run().await, sending.tally))
            }
        }
    }

    /// When a mailbox may send its next mail, where so many may leave in a time; `None`: now.
    pub(crate) fn sends_again_at(
        &self,
        mailbox: MailboxId,
        most: usize,
        within: SignedDuration,
    ) -> Option<Timestamp> {
        let now = self.clock.now();
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let times = sent.entry(mailbox).or_default();
        while times.front().is_some_and(|first| now.duration_since(*first) >= within) {
            times.pop_front();
        }
        let first = times.front().filter(|_| times.len() >= most)?;
        first.checked_add(within).ok()
    }

    /// A mailbox sent a mail.
    pub(crate) fn sent(&self, mailbox: MailboxId) {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.entry(mailbox).or_default().push_back(self.clock.now());
    }

    async fn next_timed_run(
        &self,
        lane: LaneId,
        now: Timestamp,
        interval: Duration,
    ) -> Result<Timestamp, hybridge_store::Error> {
        let timed = now.checked_add(self.chance.jitter(interval)).unwrap_or(now);
        Ok(self.store.next_due(lane).await?.map_or(timed, |waiting| waiting.max(now).min(timed)))
    }

    /// The Graph user behind a mailbox record, looked up once and remembered.
    pub(crate) async fn user(&self, mailbox: &Mailbox) -> Result<UserRef, LaneError> {
        let found = self.find_user(mailbox).await?;
        if let FoundUser::New { address, user } = &found {
            self.store.put_fact(&user_fact(mailbox.id), Some(&format!("{address}\n{user}"))).await?;
        }
        Ok(found.into_user())
    }

    /// The Graph user behind a mailbox record, from memory or looked up.
    pub(crate) async fn find_user(&self, mailbox: &Mailbox) -> Result<FoundUser, LaneError> {
        let Some(address) = &mailbox.address else {
            return Err(LaneError::Trouble(Trouble::new(
                Class::Denied,
                "the mailbox record has no email address",
                "Enter the address of the Exchange Online mailbox on the mailbox record.",
            )));
        };
        // The address is part of what is remembered: a record that gets another address is looked up anew.
        if let Some((known, user)) =
            self.store.fact(&user_fact(mailbox.id)).await?.as_deref().and_then(|fact| fact.split_once('\n'))
            && known.eq_ignore_ascii_case(address.as_str())
        {
            return Ok(FoundUser::Remembered(user.to_owned()));
        }
        let user = match self.graph.user_by_address(address).await {
            Ok(Some(user)) => user.id,
            Ok(None) => {
                return Err(LaneError::Trouble(Trouble::new(
                    Class::Denied,
                    format!("no user of the tenant has the address {address}"),
                    "Correct the address of the mailbox record in Dynamics, or create the mailbox in Exchange Online.",
                )));
            }
            // Without the permission to read users the address itself serves as the name.
            Err(error) if error.failure().is_some_and(|failure| failure.status.as_u16() == 403) => {
                address.to_string()
            }
            Err(error) => return Err(LaneError::graph(&error)),
        };
        Ok(FoundUser::New { address: address.clone(), user })
    }

    pub(crate) fn mailboxes(&self) -> Arc<BTreeMap<MailboxId, MailboxRow>> {
        self.mailboxes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn know_mailboxes(&self, mailboxes: BTreeMap<MailboxId, MailboxRow>) {
        *self.mailboxes.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(mailboxes);
    }

    /// The organization's options as they were last read, with what is overridden.
    pub fn organization_options(&self) -> Arc<OrganizationOptions> {
        self.organization_options.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn attachment_rules(&self) -> Arc<AttachmentRules> {
        self.attachment_rules.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A Graph user, by the name that Graph is asked with.
pub(crate) enum FoundUser {
    /// Looked up in an earlier run.
    Remembered(String),
    /// Looked up now.
    New { address: Address, user: String },
}

impl FoundUser {
    pub(crate) fn into_user(self) -> UserRef {
        match self {
            Self::Remembered(user) | Self::New { user, .. } => UserRef::new(user),
        }
    }
}

fn user_fact(mailbox: MailboxId) -> String {
    format!("graph-user/{mailbox}")
}

/// When a lane that met a trouble is due again.
fn after_trouble(trouble: &Trouble, failures: u32, now: Timestamp, chance: &Chance) -> Timestamp {
    const RARELY: Duration = Duration::from_mins(1);
    let pause = match trouble.class {
        Class::Denied | Class::Gone => lane_pause(failures).max(RARELY),
        _ => lane_pause(failures),
    };
    let due = now.checked_add(chance.jitter(pause)).unwrap_or(now);
    trouble.not_before.map_or(due, |not_before| due.max(not_before))
}

/// Whether a lane has nothing to complain of.
pub(crate) fn is_well(health: &Health) -> bool {
    health.trouble.is_none()
}
