//! Emails in Pending Send that no lane will take: each says why (server-side-sync.md 3.2, section 6 row 4).

use std::collections::{BTreeMap, BTreeSet};

use hybridge_core::{
    decision::Outcome,
    eligibility::Ineligible,
    ids::MailboxId,
    lane::{LaneId, LaneKind},
    trouble::{Class, Trouble},
};
use hybridge_dynamics::InOutbox;
use hybridge_store::{Commit, Search};
use jiff::SignedDuration;
use uuid::Uuid;

use super::{item, unsent};
use crate::{engine::Engine, error::Error};

/// After this time the reason is looked at again.
const A_WHILE: SignedDuration = SignedDuration::from_mins(10);

/// A mailbox as a sender.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    pub(crate) name: String,
    pub(crate) address: String,
    /// Why it does not send.
    pub(crate) ineligible: Option<Ineligible>,
}

/// What an email waits for whose sender does not send.
fn reason(sender: Option<&Sender>) -> Option<Trouble> {
    let Some(sender) = sender else {
        return Some(Trouble::new(
            Class::Denied,
            "its sender has no mailbox record in Dynamics, or one that the service account can't read",
            "Send it from a user or queue that has a mailbox record with the outgoing method \"Server-Side Synchronization or \
             Email Router\".",
        ));
    };
    let why = sender.ineligible?;
    Some(Trouble::new(
        Class::Denied,
        format!("the mailbox {} takes no part in outgoing email: {}", sender.name, why.words()),
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
        let waiting = self.dynamics.outbox().await.map_err(failed)?;
        let senders = self.senders();
        let (mut lanes, mut held): (BTreeSet<LaneId>, BTreeMap<LaneId, Vec<(InOutbox, Trouble)>>) =
            Default::default();
        for email in waiting {
            let mailbox = email.mailbox.unwrap_or(MailboxId(Uuid::nil()));
            let lane = LaneId { mailbox, kind: LaneKind::OutgoingEmail };
            match reason(senders.get(&mailbox)) {
                None => drop(lanes.insert(lane)),
                Some(trouble) => held.entry(lane).or_default().push((email, trouble)),
            }
        }
        for (lane, emails) in held {
            self.hold_back(lane, emails, senders.get(&lane.mailbox)).await?;
        }
        Ok(lanes)
    }

    async fn hold_back(
        &self,
        lane: LaneId,
        emails: Vec<(InOutbox, Trouble)>,
        sender: Option<&Sender>,
    ) -> Result<(), Error> {
        let now = self.clock.now();
        let told: BTreeMap<_, _> = self
            .store
            .search(&Search::Outcome("waiting".to_owned(), Some(lane)))
            .await?
            .into_iter()
            .map(|decision| (decision.item.clone(), decision))
            .collect();
        let mut decisions = Vec::new();
        for (email, trouble) in emails {
            let before = told.get(&item(email.record));
            let same = before.is_some_and(|before| {
                matches!(&before.outcome, Outcome::Waiting { until, trouble: known } if known.what == trouble.what && *until > now)
            });
            if same {
                continue;
            }
            let address = sender.map(|sender| sender.address.clone()).unwrap_or_default();
            let mut decision = before.cloned().unwrap_or_else(|| unsent(lane, email.record, address, now));
            decision.subject = email.subject;
            decision.decided = now;
            decision.outcome = Outcome::Waiting { until: now.checked_add(A_WHILE).unwrap_or(now), trouble };
            let words = decision.conclusion();
            decision.note(now, words);
            self.observer.decided(&decision);
            decisions.push(decision);
        }
        if decisions.is_empty() {
            return Ok(());
        }
        let epoch = self.store.begin_run(lane, now).await?;
        match self.store.commit(lane, epoch, &Commit { decisions, ..Commit::default() }).await {
            // A lane of that mailbox has begun: it says itself what its emails wait for.
            Ok(()) | Err(hybridge_store::Error::Fenced { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
