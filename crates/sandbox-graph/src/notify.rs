//! Change notifications and lifecycle events: made when something changes, sent when they are due
//! (graph.md 6.2, 6.3).

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Request, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use crate::{
    graph::Tenant,
    mailbox::{
        Change, ChangeKind, Mailbox,
        ids::{IdForm, StayNumber},
    },
    messages::render::Rendering,
    session::etag,
    setup::NotificationOptions,
    subscriptions::Subscription,
    web::{answer::Fault, prefer::Prefer, view::View},
};

/// Undelivered notifications are dropped after that.
const GIVE_UP_AFTER: SignedDuration = SignedDuration::from_hours(4);

const FIRST_RETRY: SignedDuration = SignedDuration::from_secs(10);
const LONGEST_RETRY: SignedDuration = SignedDuration::from_mins(10);

/// Between two reminders of one subscription.
const SHORTEST_REMINDER: SignedDuration = SignedDuration::from_mins(15);

/// An endpoint that answers later than this has not acknowledged.
pub(crate) const ACKNOWLEDGE_WITHIN: SignedDuration = SignedDuration::from_secs(3);

/// The subscriptions of the tenant and what is to be told to them.
#[derive(Debug, Default)]
pub(crate) struct Notifications {
    subscriptions: BTreeMap<Uuid, Subscription>,
    by_mailbox: BTreeMap<Uuid, Vec<Uuid>>,
    queue: BTreeMap<(Timestamp, u64), Pending>,
    serial: u64,
}

/// A notification that has not been acknowledged.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    subscription: Uuid,
    url: Url,
    item: Value,
    since: Timestamp,
    attempts: u32,
    is_lifecycle: bool,
}

/// Notifications that go to one endpoint in one request.
#[derive(Debug)]
pub(crate) struct Delivery {
    url: Url,
    items: Vec<Pending>,
}

impl Delivery {
    pub(crate) fn request(&self) -> Option<Request<Bytes>> {
        let items: Vec<&Value> = self.items.iter().map(|pending| &pending.item).collect();
        let body = serde_json::to_vec(&json!({"value": items})).ok()?;
        Request::post(self.url.as_str())
            .header("content-type", "application/json; charset=utf-8")
            .body(Bytes::from(body))
            .ok()
    }
}

impl Notifications {
    pub(crate) fn subscriptions(&self) -> impl Iterator<Item = &Subscription> {
        self.subscriptions.values()
    }

    pub(crate) fn find(&mut self, id: Uuid, now: Timestamp) -> Option<&mut Subscription> {
        self.subscriptions.get_mut(&id).filter(|subscription| subscription.expires > now)
    }

    /// One subscription for the same thing, and so many of one mailbox.
    pub(crate) fn require_room(&self, new: &Subscription, limit: usize) -> Result<(), Fault> {
        let own = self.of_mailbox(new.user);
        let mut others = own.iter().filter_map(|id| self.subscriptions.get(id));
        let same = others.any(|other| {
            other.app_id == new.app_id
                && other.resource.eq_ignore_ascii_case(&new.resource)
                && other.kinds == new.kinds
        });
        if same {
            return Err(Fault::new(
                StatusCode::CONFLICT,
                "Conflict",
                "A subscription for the same resource and change types already exists.",
            ));
        }
        if own.len() >= limit {
            return Err(Fault::new(
                StatusCode::FORBIDDEN,
                "ExtensionError",
                format!(
                    "Operation: Create; Exception: The maximum number of active subscriptions per mailbox ({limit}) was reached."
                ),
            ));
        }
        Ok(())
    }

    pub(crate) fn subscribe(&mut self, subscription: Subscription) {
        self.by_mailbox.entry(subscription.user).or_default().push(subscription.id);
        self.subscriptions.insert(subscription.id, subscription);
    }

    pub(crate) fn unsubscribe(&mut self, id: Uuid) -> Option<Subscription> {
        let subscription = self.subscriptions.remove(&id)?;
        if let Some(ids) = self.by_mailbox.get_mut(&subscription.user) {
            ids.retain(|other| *other != id);
        }
        self.queue.retain(|_, pending| pending.subscription != id || pending.is_lifecycle);
        Some(subscription)
    }

    fn of_mailbox(&self, user: Uuid) -> &[Uuid] {
        self.by_mailbox.get(&user).map(Vec::as_slice).unwrap_or_default()
    }

    /// Queues what the subscribers of a mailbox are to be told about changes in it.
    pub(crate) fn announce(
        &mut self,
        user: Uuid,
        mailbox: &Mailbox,
        changes: &[Change],
        now: Timestamp,
        tenant: &Tenant,
        options: &NotificationOptions,
    ) {
        let subscribers: Vec<Subscription> = self
            .of_mailbox(user)
            .iter()
            .filter_map(|id| self.subscriptions.get(id))
            .filter(|subscription| subscription.expires > now)
            .cloned()
            .collect();
        for change in changes {
            for subscription in &subscribers {
                for (kind, stay) in events(subscription, mailbox, *change) {
                    let item = notification(subscription, mailbox, *change, kind, stay, tenant);
                    self.send_or_spoil(subscription, item, now, tenant, options);
                }
            }
        }
    }

    fn send_or_spoil(
        &mut self,
        subscription: &Subscription,
        item: Value,
        now: Timestamp,
        tenant: &Tenant,
        options: &NotificationOptions,
    ) {
        let dice = &tenant.dice;
        if dice.chance(options.lose) {
            if options.announce_losses {
                self.lifecycle(subscription, "missed", now, tenant);
            }
            return;
        }
        let delay = if dice.chance(options.delay) { options.delay_by } else { SignedDuration::ZERO };
        let due = now.checked_add(options.latency + delay).unwrap_or(now);
        let pending = Pending {
            subscription: subscription.id,
            url: subscription.notification_url.clone(),
            item,
            since: due,
            attempts: 0,
            is_lifecycle: false,
        };
        if dice.chance(options.duplicate) {
            self.enqueue(due, pending.clone());
        }
        self.enqueue(due, pending);
    }

    fn enqueue(&mut self, due: Timestamp, pending: Pending) {
        self.serial += 1;
        self.queue.insert((due, self.serial), pending);
    }

    /// Queues a lifecycle event, when the subscriber gave an address for these.
    pub(crate) fn lifecycle(
        &mut self,
        subscription: &Subscription,
        event: &str,
        now: Timestamp,
        tenant: &Tenant,
    ) {
        let Some(url) = subscription.lifecycle_url.clone() else { return };
        let item = json!({
            "subscriptionId": subscription.id,
            "subscriptionExpirationDateTime": subscription.expires.to_string(),
            "tenantId": tenant.id,
            "clientState": subscription.client_state,
            "lifecycleEvent": event,
        });
        let pending =
            Pending { subscription: subscription.id, url, item, since: now, attempts: 0, is_lifecycle: true };
        self.enqueue(now, pending);
    }

    /// Ends what has expired and reminds of what is about to.
    pub(crate) fn keep_up(&mut self, now: Timestamp, tenant: &Tenant) {
        let over: Vec<Uuid> =
            self.subscriptions.values().filter(|s| s.expires <= now).map(|s| s.id).collect();
        for id in over {
            self.unsubscribe(id);
        }
        let due: Vec<Uuid> =
            self.subscriptions.values().filter(|s| s.reminder <= now).map(|s| s.id).collect();
        for id in due {
            let Some(subscription) = self.subscriptions.get_mut(&id) else { continue };
            let next = (now.duration_until(subscription.expires) / 2).max(SHORTEST_REMINDER);
            subscription.reminder = now.checked_add(next).unwrap_or(subscription.expires);
            let subscription = subscription.clone();
            self.lifecycle(&subscription, "reauthorizationRequired", now, tenant);
        }
    }

    /// Takes what is due, in requests of at most `batch_size` items.
    pub(crate) fn take_due(&mut self, now: Timestamp, batch_size: usize) -> Vec<Delivery> {
        let later = self.queue.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut self.queue, later);
        let mut deliveries: Vec<Delivery> = Vec::new();
        for pending in due.into_values() {
            let open = deliveries
                .iter_mut()
                .find(|delivery| delivery.url == pending.url && delivery.items.len() < batch_size.max(1));
            match open {
                Some(delivery) => delivery.items.push(pending),
                None => deliveries.push(Delivery { url: pending.url.clone(), items: vec![pending] }),
            }
        }
        deliveries
    }

    /// Queues again what was not acknowledged, or gives it up and says so.
    pub(crate) fn failed(&mut self, delivery: Delivery, now: Timestamp, tenant: &Tenant) {
        for mut pending in delivery.items {
            let Some(subscription) = self.subscriptions.get(&pending.subscription).cloned() else { continue };
            if pending.since.duration_until(now) >= GIVE_UP_AFTER {
                if !pending.is_lifecycle {
                    self.lifecycle(&subscription, "missed", now, tenant);
                }
                continue;
            }
            let wait = FIRST_RETRY.checked_mul(1 << pending.attempts.min(10)).unwrap_or(LONGEST_RETRY);
            pending.attempts += 1;
            let due = now.checked_add(wait.min(LONGEST_RETRY)).unwrap_or(now);
            self.enqueue(due, pending);
        }
    }

    /// When there is something to do next.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let queued = self.queue.keys().next().map(|(due, _)| *due);
        let reminders = self.subscriptions.values().map(|s| s.reminder.min(s.expires)).min();
        [queued, reminders].into_iter().flatten().min()
    }

    /// How many notifications wait to be sent or acknowledged.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }
}

/// What a change is to a subscriber: under which name, and with which of the message's stays.
fn events(subscription: &Subscription, mailbox: &Mailbox, change: Change) -> Vec<(&'static str, StayNumber)> {
    let inside = |folder| subscription.folder.is_none_or(|wanted| wanted == folder);
    let mut events = Vec::new();
    match change.kind {
        ChangeKind::Created if inside(change.folder) => events.push(("created", change.stay)),
        ChangeKind::Updated if inside(change.folder) => events.push(("updated", change.stay)),
        ChangeKind::Deleted if inside(change.folder) => events.push(("deleted", change.stay)),
        ChangeKind::Moved { from, old_stay } => match (inside(from), inside(change.folder)) {
            (true, true) if subscription.form == IdForm::Immutable => events.push(("updated", change.stay)),
            (from_inside, to_inside) => {
                if from_inside {
                    events.push(("deleted", old_stay));
                }
                if to_inside {
                    events.push(("created", change.stay));
                }
            }
        },
        _ => {}
    }
    let events = events
        .into_iter()
        .filter_map(|(kind, stay)| filtered(subscription, mailbox, change, kind).map(|kind| (kind, stay)));
    let wanted = |kind: &str| match kind {
        "created" => subscription.kinds.created,
        "updated" => subscription.kinds.updated,
        _ => subscription.kinds.deleted,
    };
    events.filter(|(kind, _)| wanted(kind)).collect()
}

/// A filter on `isRead` turns becoming read into "deleted" and becoming unread into "created".
fn filtered(
    subscription: &Subscription,
    mailbox: &Mailbox,
    change: Change,
    kind: &'static str,
) -> Option<&'static str> {
    let Some(filter) = &subscription.filter else { return Some(kind) };
    let Some(message) = mailbox.message(change.item) else { return Some(kind) };
    let properties = filter.properties();
    let view = View::only(properties.iter().map(String::as_str));
    let rendering = Rendering { view: &view, prefer: &Prefer::default(), everything: true };
    let admitted = filter.admits(&rendering.message(mailbox, message));
    let about_reading = properties.iter().any(|name| name.eq_ignore_ascii_case("isRead"));
    match (admitted, change.read_changed) {
        (true, Some(_)) if about_reading => Some("created"),
        (false, Some(_)) if about_reading => Some("deleted"),
        (true, _) => Some(kind),
        (false, _) => None,
    }
}

fn notification(
    subscription: &Subscription,
    mailbox: &Mailbox,
    change: Change,
    kind: &str,
    stay: StayNumber,
    tenant: &Tenant,
) -> Value {
    let id = mailbox.codec.item(subscription.form, change.item, stay);
    let resource = format!("Users/{}/Messages/{id}", subscription.user);
    json!({
        "id": tenant.dice.uuid(),
        "subscriptionId": subscription.id,
        "subscriptionExpirationDateTime": subscription.expires.to_string(),
        "clientState": subscription.client_state,
        "changeType": kind,
        "resource": resource,
        "tenantId": tenant.id,
        "resourceData": {
            "@odata.type": "#Microsoft.Graph.Message",
            "@odata.id": resource,
            "@odata.etag": etag(change.sequence),
            "id": id,
        },
    })
}
