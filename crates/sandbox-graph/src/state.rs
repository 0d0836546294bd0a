use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use uuid::Uuid;

use crate::{
    census::{AppWrite, RequestCounts, SentMail},
    exchange::Exchange,
    mailbox::Mailbox,
    notify::Notifications,
    setup::{GraphOptions, MailboxState},
    throttle::Meters,
    transport::Transit,
    upload::Uploads,
};

/// A user of the tenant.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub(crate) id: Uuid,
    pub(crate) display_name: String,
    pub(crate) principal_name: String,
    pub(crate) addresses: Vec<String>,
    pub(crate) mailbox: MailboxState,
}

impl User {
    /// The primary address.
    pub(crate) fn mail(&self) -> &str {
        self.addresses.first().map_or(self.principal_name.as_str(), String::as_str)
    }

    pub(crate) fn has_address(&self, address: &str) -> bool {
        self.addresses.iter().any(|own| own.eq_ignore_ascii_case(address))
            || self.principal_name.eq_ignore_ascii_case(address)
    }
}

/// Everything in the tenant that changes.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) options: GraphOptions,
    pub(crate) users: BTreeMap<Uuid, User>,
    names: BTreeMap<String, Uuid>,
    mailboxes: BTreeMap<Uuid, Mailbox>,
    pub(crate) notifications: Notifications,
    pub(crate) meters: Meters,
    pub(crate) uploads: Uploads,
    pub(crate) transits: VecDeque<Transit>,
    pub(crate) departed: Vec<SentMail>,
    pub(crate) writes: Vec<AppWrite>,
    pub(crate) counts: RequestCounts,
    pub(crate) exchange: Exchange,
}

impl State {
    pub(crate) fn new(options: GraphOptions) -> Self {
        Self {
            options,
            users: BTreeMap::new(),
            names: BTreeMap::new(),
            mailboxes: BTreeMap::new(),
            notifications: Notifications::default(),
            meters: Meters::default(),
            uploads: Uploads::default(),
            transits: VecDeque::new(),
            departed: Vec::new(),
            writes: Vec::new(),
            counts: RequestCounts::default(),
            exchange: Exchange::default(),
        }
    }

    pub(crate) fn add_user(&mut self, user: User) {
        let names = user.addresses.iter().chain(std::iter::once(&user.principal_name));
        for name in names {
            self.names.insert(name.to_lowercase(), user.id);
        }
        self.users.insert(user.id, user);
    }

    /// The user that an object id, a user principal name or an address in any case names.
    pub(crate) fn find_user(&self, name: &str) -> Option<&User> {
        let by_name = self.names.get(&name.to_lowercase()).copied();
        let id = by_name.or_else(|| Uuid::parse_str(name).ok())?;
        self.users.get(&id)
    }

    /// A user's mailbox as far as there is anything in it.
    pub(crate) fn existing_mailbox(&self, user: Uuid) -> Option<&Mailbox> {
        self.mailboxes.get(&user)
    }

    /// A user's mailbox, made on first use.
    pub(crate) fn mailbox(&mut self, user: Uuid) -> &mut Mailbox {
        let delta = self.options.delta;
        self.mailboxes.entry(user).or_insert_with(|| Mailbox::new(user, delta.lag, delta.tokens_per_mailbox))
    }

    pub(crate) fn mailboxes(&self) -> impl Iterator<Item = (Uuid, &Mailbox)> {
        self.mailboxes.iter().map(|(user, mailbox)| (*user, mailbox))
    }

    /// Tells subscribers what changed in a mailbox.
    pub(crate) fn publish(&mut self, user: Uuid, now: Timestamp, tenant: &crate::graph::Tenant) {
        let Some(mailbox) = self.mailboxes.get_mut(&user) else { return };
        let changes = mailbox.take_unpublished();
        let mailbox = &*mailbox;
        self.notifications.announce(user, mailbox, &changes, now, tenant, &self.options.notifications);
    }
}
