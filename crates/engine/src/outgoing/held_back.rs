//! Emails in Pending Send that no lane will take: each says why (server-side-sync.md 3.2, section 6 row 4).

use std::collections::{BTreeMap, BTreeSet};

use hybridge_core::{
    decision::{Decision, Outcome},
    ids::{ItemId, MailboxId},
    lane::{LaneId, LaneKind},
    trouble::{Class, Trouble},
};
use hybridge_dynamics::{InOutbox, MOST_IN_OUTBOX};
use hybridge_store::{Commit, MailboxRow, Search, Store};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{item, unsent};
use crate::{engine::Engine, error::Error};

/// After this time the reason is looked at again.
const A_WHILE: SignedDuration = SignedDuration::from_mins(10);

/// What an email waits for whose sender does not send.
fn reason(sender: Option<&MailboxRow>) -> Option<Trouble> {
    let Some(sender) = sender else {
        return Some(Trouble::new(
            Class::Denied,
            "its sender has no mailbox record in Dynamics, or one that the service account can't read",
            "Send it from a user or queue that has a mailbox record with the outgoing method \"Server-Side Synchronization or \
             Email Router\".",
        ));
    };
    let why = sender.does_not_send?;
    Some(Trouble::new(
        Class::Denied,
        format!("the mailbox {} takes no part in outgoing email: {}", sender.mailbox.name, why.words()),
        "Change that on its mailbox record in Dynamics (Settings, Email Configuration, Mailboxes); the email is sent by itself then.",
    ))
}

impl Engine {
    /// Looks over what waits to be sent in the whole organization, with one question: the lanes that have something to
    /// do. Emails that none of them will take say why.
    ///
    /// # Errors
    /// When the organization can't be asked, or the store fails.
    pub async fn look_over_outbox(&self) -> Result<BTreeSet<LaneId>, Error> {
        let failed = |error| Error::Organization(hybridge_dynamics::trouble(&error));
        let waiting = self.dynamics.outbox(self.clock.now()).await.map_err(failed)?;
        let (seen, mailboxes) = (waiting.len(), self.mailboxes());
        let mut lanes = BTreeSet::new();
        let mut held: BTreeMap<LaneId, BTreeMap<ItemId, (InOutbox, Trouble)>> = BTreeMap::new();
        for email in waiting {
            let mailbox = email.mailbox.unwrap_or(MailboxId(Uuid::nil()));
            let lane = LaneId { mailbox, kind: LaneKind::OutgoingEmail };
            match reason(mailboxes.get(&mailbox)) {
                None => drop(lanes.insert(lane)),
                Some(trouble) => {
                    held.entry(lane).or_default().insert(item(email.record), (email, trouble));
                }
            }
        }
        // What was held back and waits no more was taken back, or sent by another.
        let all_seen = seen < MOST_IN_OUTBOX;
        let told = if all_seen {
            self.store.search(&Search::Outcome("waiting".to_owned(), None)).await?
        } else {
            Vec::new()
        };
        for told in told {
            if told.lane.kind == LaneKind::OutgoingEmail
                && reason(mailboxes.get(&told.lane.mailbox)).is_some()
            {
                held.entry(told.lane).or_default();
            }
        }
        for (lane, emails) in held {
            self.hold_back(lane, emails, mailboxes.get(&lane.mailbox), all_seen).await?;
        }
        Ok(lanes)
    }

    async fn hold_back(
        &self,
        lane: LaneId,
        emails: BTreeMap<ItemId, (InOutbox, Trouble)>,
        sender: Option<&MailboxRow>,
        all_seen: bool,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let items: Vec<ItemId> = emails.keys().cloned().collect();
        let told = self.store.decisions(lane, &items).await?;
        let mut told: BTreeMap<_, _> =
            told.into_iter().map(|decision| (decision.item.clone(), decision)).collect();
        let mut decisions =
            if all_seen { taken_back(self.store.as_ref(), lane, &items, now).await? } else { Vec::new() };
        for (item, (email, trouble)) in emails {
            let before = told.remove(&item);
            let same = before.as_ref().is_some_and(|before| {
                matches!(&before.outcome, Outcome::Waiting { until, trouble: known } if known.what == trouble.what && *until > now)
            });
            if same {
                continue;
            }
            let address = sender.and_then(|sender| sender.mailbox.address.as_ref()).map(ToString::to_string);
            let mut decision =
                before.unwrap_or_else(|| unsent(lane, email.record, address.unwrap_or_default(), now));
            decision.subject = email.subject;
            decision.decided = now;
            decision.outcome = Outcome::Waiting { until: now.checked_add(A_WHILE).unwrap_or(now), trouble };
            let words = decision.conclusion();
            decision.note(now, words);
            decisions.push(decision);
        }
        if decisions.is_empty() {
            return Ok(());
        }
        for decision in &decisions {
            self.observer.decided(decision);
        }
        let epoch = self.store.begin_run(lane, now).await?;
        match self.store.commit(lane, epoch, &Commit { decisions, ..Commit::default() }).await {
            // A lane of that mailbox has begun: it says itself what its emails wait for.
            Ok(()) | Err(hybridge_store::Error::Fenced { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// What is said to wait, and does so no more.
pub(super) async fn taken_back(
    store: &dyn Store,
    lane: LaneId,
    waiting: &[ItemId],
    now: Timestamp,
) -> Result<Vec<Decision>, hybridge_store::Error> {
    let told = store.search(&Search::Outcome("waiting".to_owned(), Some(lane))).await?;
    let gone = told.into_iter().filter(|decision| !waiting.contains(&decision.item));
    let close = |mut decision: Decision| {
        decision.outcome = Outcome::TakenBack;
        decision.decided = now;
        let words = decision.conclusion();
        decision.note(now, words);
        decision
    };
    Ok(gone.map(close).collect())
}
