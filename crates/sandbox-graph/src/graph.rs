use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use hybridge_sandbox_kit::{Clock, Dice, Origins, Outbound, TokenJudge};
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::{
    census::{self, AppWrite, CensusEntry, DeltaPosition, RequestCounts, SentMail},
    mailbox::{Mailbox, folder::ROOT, ids::ItemNumber, message::NewMessage},
    mime,
    notify::ACKNOWLEDGE_WITHIN,
    setup::{GraphOptions, GraphSetup, MailboxState, NewUser},
    state::{State, User},
    thread,
    transport::{Mail, whole_second},
};

/// How often the delivery loop looks for work that nothing announced.
const IDLE_CHECK: Duration = Duration::from_mins(1);

/// What of a tenant never changes.
#[derive(Debug)]
pub(crate) struct Tenant {
    pub(crate) clock: Clock,
    pub(crate) dice: Dice,
    pub(crate) origins: Origins,
    pub(crate) judge: Arc<dyn TokenJudge>,
    pub(crate) outbound: Arc<dyn Outbound>,
    pub(crate) id: Uuid,
    pub(crate) domains: Vec<String>,
}

/// A request to the emulated tenant that names what is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GraphError {
    /// No user has that object id, user principal name or address.
    UnknownUser(String),
    /// The mailbox has no folder of that well-known name, id or display name.
    UnknownFolder(String),
    /// The mailbox has no message of that id.
    UnknownMessage(String),
    /// The user has no mailbox in this tenant, or it is full.
    NoMailbox(String),
}

impl std::fmt::Display for GraphError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownUser(name) => write!(formatter, "no user is called {name}"),
            Self::UnknownFolder(name) => write!(formatter, "the mailbox has no folder {name}"),
            Self::UnknownMessage(id) => write!(formatter, "the mailbox has no message {id}"),
            Self::NoMailbox(name) => write!(formatter, "{name} has no mailbox that can store messages"),
        }
    }
}

impl std::error::Error for GraphError {}

/// The emulated tenant: a [`Service`](hybridge_sandbox_kit::Service), and the controls of a test.
#[derive(Debug)]
pub struct Graph {
    pub(crate) tenant: Tenant,
    state: Mutex<State>,
    wake: Notify,
}

impl Graph {
    /// A tenant without users.
    pub fn new(setup: GraphSetup) -> Arc<Self> {
        let GraphSetup { clock, dice, origins, judge, outbound, tenant_id, tenant_domains, options } = setup;
        let domains = tenant_domains.into_iter().map(|domain| domain.to_lowercase()).collect();
        Arc::new(Self {
            tenant: Tenant { clock, dice, origins, judge, outbound, id: tenant_id, domains },
            state: Mutex::new(State::new(options)),
            wake: Notify::new(),
        })
    }

    /// The state, and with it the right to change it. Never held across an `await`.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.tenant.clock.now()
    }

    /// Does something to the state, and wakes the delivery loop when it left something to deliver.
    pub(crate) fn with_state<T>(&self, action: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let result = action(&mut state);
        if state.notifications.waiting() > 0 || !state.transits.is_empty() {
            self.wake.notify_one();
        }
        result
    }

    /// Adds a user and returns the object id.
    pub fn add_user(&self, new: NewUser) -> Uuid {
        let id = new.id.unwrap_or_else(|| self.tenant.dice.uuid());
        let mut addresses = new.addresses;
        if addresses.is_empty() {
            addresses.push(new.user_principal_name.clone());
        }
        self.state().add_user(User {
            id,
            display_name: new.display_name,
            principal_name: new.user_principal_name,
            addresses,
            mailbox: new.mailbox,
        });
        id
    }

    /// Changes how a mailbox answers. Subscriptions to one that stops working are removed, and their
    /// lifecycle addresses told so.
    pub fn set_mailbox_state(&self, user: Uuid, mailbox: MailboxState) -> Result<(), GraphError> {
        self.with_state(|state| {
            let found =
                state.users.get_mut(&user).ok_or_else(|| GraphError::UnknownUser(user.to_string()))?;
            found.mailbox = mailbox;
            if mailbox == MailboxState::NotEnabled {
                let ids: Vec<Uuid> =
                    state.notifications.subscriptions().filter(|s| s.user == user).map(|s| s.id).collect();
                for id in ids {
                    self.end_subscription(state, id);
                }
            }
            Ok(())
        })
    }

    /// Changes limits, latencies and faults while the tenant runs.
    pub fn change_options(&self, change: impl FnOnce(&mut GraphOptions)) {
        change(&mut self.state().options);
    }

    /// The limits, latencies and faults in force.
    pub fn options(&self) -> GraphOptions {
        self.state().options.clone()
    }

    /// The object id of a user named by user principal name or address, in any case.
    pub fn find_user(&self, name: &str) -> Option<Uuid> {
        self.state().find_user(name).map(|user| user.id)
    }

    /// The object ids and primary addresses of all users.
    pub fn users(&self) -> Vec<(Uuid, String)> {
        self.state().users.values().map(|user| (user.id, user.mail().to_owned())).collect()
    }

    /// What the transport does with a message, wherever it was sent: it comes into the Inbox of every
    /// recipient that has a mailbox here, and into Sent Items when the sender has one.
    ///
    /// Returns the `Message-ID`.
    pub fn deliver(&self, mail: Mail) -> String {
        let now = self.now();
        self.with_state(|state| {
            let envelope = mail.envelope();
            let content = mail.into_content(now);
            state.send(content, envelope, None, now, &self.tenant)
        })
    }

    /// Stores a message as it came over the wire, as an import does: it is no draft, and without a
    /// `Message-ID` it stays without one. `folder` is a well-known name, an id, or the display name of
    /// a folder below the root. Returns the immutable id.
    pub fn import_mime(
        &self,
        user: Uuid,
        folder: &str,
        raw: impl Into<Bytes>,
        received: Option<Timestamp>,
    ) -> Result<String, GraphError> {
        let now = self.now();
        let mut content = mime::read::read(&raw.into(), now);
        self.with_state(|state| {
            let stored = state.users.get(&user).ok_or_else(|| GraphError::UnknownUser(user.to_string()))?;
            if !stored.mailbox.receives() {
                return Err(GraphError::NoMailbox(stored.mail().to_owned()));
            }
            thread::place(&mut content, state.existing_mailbox(user), now);
            let mailbox = state.mailbox(user);
            let folder = folder_named(mailbox, folder)?;
            let new = NewMessage {
                folder,
                received: whole_second(received.or(content.sent).unwrap_or(now)),
                is_read: false,
                is_draft: false,
                content: Arc::new(content),
            };
            let item = mailbox.insert(new, now);
            let id = mailbox.codec.immutable(item);
            state.publish(user, now, &self.tenant);
            Ok(id)
        })
    }

    /// Makes a folder below the root and returns its id.
    pub fn create_folder(&self, user: Uuid, display_name: &str) -> Result<String, GraphError> {
        let now = self.now();
        let mut state = self.state();
        require_user(&state, user)?;
        let mailbox = state.mailbox(user);
        let made = mailbox.create_folder(ROOT, display_name, false, now);
        made.map(|number| mailbox.codec.folder(number))
            .map_err(|_| GraphError::UnknownFolder(display_name.to_owned()))
    }

    /// Moves a message (id of either form) as its owner would.
    pub fn move_message(&self, user: Uuid, id: &str, folder: &str) -> Result<(), GraphError> {
        self.act(user, id, |mailbox, item, now| {
            let folder = folder_named(mailbox, folder)?;
            mailbox.relocate(item, folder, now);
            Ok(())
        })
    }

    /// Deletes a message as its owner would: it goes to Deleted Items.
    pub fn delete_message(&self, user: Uuid, id: &str) -> Result<(), GraphError> {
        self.act(user, id, |mailbox, item, now| {
            mailbox.soft_delete(item, now);
            Ok(())
        })
    }

    /// Removes a message for good.
    pub fn purge_message(&self, user: Uuid, id: &str) -> Result<(), GraphError> {
        self.act(user, id, |mailbox, item, now| {
            mailbox.remove(item, now);
            Ok(())
        })
    }

    /// Marks a message as read or unread.
    pub fn mark_read(&self, user: Uuid, id: &str, read: bool) -> Result<(), GraphError> {
        self.act(user, id, |mailbox, item, now| {
            mailbox.update(item, now, |message| message.is_read = read);
            Ok(())
        })
    }

    /// Sets the categories of a message.
    pub fn set_categories(&self, user: Uuid, id: &str, categories: &[String]) -> Result<(), GraphError> {
        self.act(user, id, |mailbox, item, now| {
            mailbox.update(item, now, |message| message.categories = categories.to_vec());
            Ok(())
        })
    }

    /// Forgets every sync state of a mailbox: its delta and next links are answered with `410`.
    pub fn expire_delta_tokens(&self, user: Uuid) {
        let mut state = self.state();
        if state.users.contains_key(&user) {
            state.mailbox(user).cursors.forget_all();
        }
    }

    /// Every message of every mailbox, as it really is.
    pub fn census(&self) -> Vec<CensusEntry> {
        census::census(&self.state())
    }

    /// What a stored delta link (or next link, or the bare token) has told: see [`DeltaPosition`].
    /// `None` when the tenant does not know it any more.
    pub fn delta_position(&self, token_or_link: &str) -> Option<DeltaPosition> {
        census::delta_position(&self.state(), token_or_link)
    }

    /// The state-changing calls that an app made and that took effect, in order.
    pub fn writes_by_app(&self, app_id: Uuid) -> Vec<AppWrite> {
        self.state().writes.iter().filter(|write| write.app_id == app_id).cloned().collect()
    }

    /// What was handed to the transport so far, in order.
    pub fn sent_mail(&self) -> Vec<SentMail> {
        self.state().departed.clone()
    }

    /// How many requests came so far.
    pub fn request_counts(&self) -> RequestCounts {
        self.state().counts.clone()
    }

    /// Sends every notification that is due, and queues again what is not acknowledged.
    pub async fn deliver_notifications(&self) {
        loop {
            let deliveries = {
                let now = self.now();
                let mut state = self.state();
                state.run_transport(now, &self.tenant);
                state.notifications.keep_up(now, &self.tenant);
                let batch_size = state.options.notifications.batch_size;
                state.notifications.take_due(now, batch_size)
            };
            if deliveries.is_empty() {
                return;
            }
            for delivery in deliveries {
                let Some(request) = delivery.request() else { continue };
                let begun = self.now();
                let answer = self.tenant.outbound.send(request).await;
                let now = self.now();
                let in_time = begun.duration_until(now) <= ACKNOWLEDGE_WITHIN;
                let acknowledged = answer.is_ok_and(|answer| answer.status().is_success()) && in_time;
                if !acknowledged {
                    self.state().notifications.failed(delivery, now, &self.tenant);
                }
            }
        }
    }

    /// When [`Self::deliver_notifications`] has something to do next.
    pub fn next_notification_due(&self) -> Option<Timestamp> {
        let state = self.state();
        let transit = state.transits.front().map(|transit| transit.due);
        [state.notifications.next_due(), transit].into_iter().flatten().min()
    }

    /// Delivers notifications as they become due, for ever.
    pub async fn run_notifications(&self) {
        loop {
            self.deliver_notifications().await;
            let wait = self.next_notification_due().map_or(IDLE_CHECK, |due| {
                let left = self.now().duration_until(due).max(SignedDuration::from_millis(1));
                Duration::try_from(left).unwrap_or(IDLE_CHECK).min(IDLE_CHECK)
            });
            // Whether woken or timed out, there may be something to do.
            drop(tokio::time::timeout(wait, self.wake.notified()).await);
        }
    }

    /// Removes a subscription as the service sometimes does, with a `subscriptionRemoved` event.
    /// False when there is none.
    pub fn remove_subscription(&self, id: Uuid) -> bool {
        self.with_state(|state| self.end_subscription(state, id))
    }

    /// Sends `reauthorizationRequired` or `missed` to the lifecycle address of every subscription.
    pub fn announce_lifecycle(&self, event: &str) {
        let now = self.now();
        self.with_state(|state| {
            let all: Vec<_> = state.notifications.subscriptions().cloned().collect();
            for subscription in all {
                state.notifications.lifecycle(&subscription, event, now, &self.tenant);
            }
        });
    }

    /// The ids of the active subscriptions.
    pub fn subscription_ids(&self) -> Vec<Uuid> {
        self.state().notifications.subscriptions().map(|subscription| subscription.id).collect()
    }

    fn end_subscription(&self, state: &mut State, id: Uuid) -> bool {
        let Some(subscription) = state.notifications.unsubscribe(id) else { return false };
        state.notifications.lifecycle(&subscription, "subscriptionRemoved", self.now(), &self.tenant);
        true
    }

    fn act(
        &self,
        user: Uuid,
        id: &str,
        action: impl FnOnce(&mut Mailbox, ItemNumber, Timestamp) -> Result<(), GraphError>,
    ) -> Result<(), GraphError> {
        let now = self.now();
        self.with_state(|state| {
            require_user(state, user)?;
            let mailbox = state.mailbox(user);
            let found = mailbox.find(id).map(|message| message.item);
            let item = found.ok_or_else(|| GraphError::UnknownMessage(id.to_owned()))?;
            action(mailbox, item, now)?;
            state.publish(user, now, &self.tenant);
            Ok(())
        })
    }
}

/// A mailbox is made on first use, but not for nobody.
fn require_user(state: &State, user: Uuid) -> Result<(), GraphError> {
    let known = state.users.contains_key(&user);
    known.then_some(()).ok_or_else(|| GraphError::UnknownUser(user.to_string()))
}

fn folder_named(mailbox: &Mailbox, name: &str) -> Result<crate::mailbox::ids::FolderNumber, GraphError> {
    let by_display_name = || {
        mailbox.all_folders().find(|number| {
            mailbox.folder(*number).is_some_and(|folder| folder.display_name.eq_ignore_ascii_case(name))
        })
    };
    let found = mailbox.find_folder(name).or_else(by_display_name);
    found.ok_or_else(|| GraphError::UnknownFolder(name.to_owned()))
}
