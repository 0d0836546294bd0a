//! The lane of outgoing email: one run of it (server-side-sync.md 3.2).
//!
//! A record in Pending Send is claimed, its draft made and submitted, and the record set to Sent. What stands in between
//! is on the record itself ([`hybridge_core::outgoing`]): whoever finds it in Sending looks for its draft first.

mod held_back;
mod sending;

use std::collections::{BTreeMap, VecDeque};

use hybridge_core::{
    decision::{Decision, Outcome},
    eligibility::Mailbox,
    ids::{ItemId, OrganizationId, RecordId},
    lane::LaneId,
    outgoing::Outgoing,
    retry::{ITEM_ATTEMPTS, item_pause},
    trouble::{Class, Trouble},
};
use hybridge_graph::UserRef;
use hybridge_store::{Commit, Epoch, Link};
use jiff::{SignedDuration, Timestamp};

use crate::{engine::Engine, error::LaneError, incoming::Tally};

/// What Exchange Online takes of one mailbox in a minute (graph.md 3.4).
const MOST_A_MINUTE: usize = 30;
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
/// After so many mails in a row that met a trouble, it is the mailbox's, not theirs.
const TROUBLES_IN_A_ROW: usize = 3;

/// One run of a mailbox's outgoing email lane.
pub(crate) struct Sending<'a> {
    engine: &'a Engine,
    lane: LaneId,
    epoch: Epoch,
    mailbox: &'a Mailbox,
    organization: OrganizationId,
    known: BTreeMap<ItemId, Decision>,
    pub(crate) tally: Tally,
}

/// What came of one email.
enum Came {
    Of(Outcome),
    /// Nothing to tell: somebody else is at it.
    OfNothing,
}

impl<'a> Sending<'a> {
    pub(crate) fn new(
        engine: &'a Engine,
        lane: LaneId,
        epoch: Epoch,
        mailbox: &'a Mailbox,
        organization: OrganizationId,
    ) -> Self {
        Self { engine, lane, epoch, mailbox, organization, known: BTreeMap::new(), tally: Tally::new() }
    }

    /// Sends what waits, as long as the mailbox may send.
    pub(crate) async fn run(&mut self) -> Result<(), LaneError> {
        let failed = |error| LaneError::dynamics(&error);
        let emails = self.engine.dynamics.waiting_to_be_sent(self.mailbox.id).await.map_err(failed)?;
        self.recall(&emails).await?;
        if emails.is_empty() {
            return Ok(());
        }
        let mut rest = VecDeque::from(emails);
        let user = match self.engine.user(self.mailbox).await {
            Err(LaneError::Trouble(trouble)) => return self.all_wait(rest, trouble).await,
            user => user?,
        };
        let (mut went_well, mut in_a_row) = (0, 0);
        while let Some(email) = rest.pop_front() {
            if self.has_its_pause(&email) {
                continue;
            }
            if let Some(free) = self.engine.sends_again_at(self.mailbox.id, MOST_A_MINUTE, MINUTE) {
                rest.push_front(email);
                return self.over_the_limit(rest, free).await;
            }
            match self.one(&user, &email).await {
                Ok(Came::Of(outcome)) => {
                    (went_well, in_a_row) = (went_well + 1, 0);
                    self.conclude(&email, outcome).await?;
                }
                Ok(Came::OfNothing) => {}
                Err(LaneError::Trouble(trouble)) => {
                    in_a_row += 1;
                    let mailboxes = matches!(trouble.class, Class::Denied | Class::Throttled | Class::Gone);
                    let passes = trouble.class.passes() && (went_well == 0 && rest.is_empty());
                    if mailboxes || passes || in_a_row >= TROUBLES_IN_A_ROW {
                        rest.push_front(email);
                        return self.all_wait(rest, trouble).await;
                    }
                    self.set_aside(&email, trouble).await?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    async fn one(&self, user: &UserRef, email: &Outgoing) -> Result<Came, LaneError> {
        if email.begun { self.settle(user, email).await } else { self.begin(user, email).await }
    }

    /// What is known of the emails that wait. Those that waited and do so no more were taken back, or sent by another.
    async fn recall(&mut self, emails: &[Outgoing]) -> Result<(), LaneError> {
        let items: Vec<ItemId> = emails.iter().map(|email| item(email.record)).collect();
        let known = self.engine.store.decisions(self.lane, &items).await?;
        self.known = known.into_iter().map(|decision| (decision.item.clone(), decision)).collect();
        let gone = held_back::taken_back(self.engine.store.as_ref(), self.lane, &items, self.now()).await?;
        if !gone.is_empty() {
            let commit = Commit { decisions: gone, ..Commit::default() };
            self.engine.store.commit(self.lane, self.epoch, &commit).await?;
        }
        Ok(())
    }

    /// Whether an email that met a trouble of its own waits for its next attempt.
    fn has_its_pause(&self, email: &Outgoing) -> bool {
        let Some(decision) = self.known.get(&item(email.record)) else { return false };
        let Outcome::Waiting { until, .. } = &decision.outcome else { return false };
        decision.attempts > 0 && *until > self.now()
    }

    /// One email met a trouble; the next may go.
    async fn set_aside(&mut self, email: &Outgoing, trouble: Trouble) -> Result<(), LaneError> {
        let attempts =
            self.known.get(&item(email.record)).map_or(0, |decision| decision.attempts).saturating_add(1);
        // What was submitted may have left: that is looked for, and never given up as unsent.
        let hopeless = !trouble.class.passes() && attempts >= ITEM_ATTEMPTS && email.attempts == 0;
        if hopeless {
            self.give_up(email, &trouble).await?;
            return self.conclude(email, Outcome::Failed { trouble }).await;
        }
        let pause = self.engine.chance.jitter(item_pause(attempts));
        let until = self.now().checked_add(pause).unwrap_or(self.now());
        let until = trouble.not_before.map_or(until, |not_before| until.max(not_before));
        self.note(email, Outcome::Waiting { until, trouble }, attempts).await
    }

    /// The mailbox met a trouble: each of its emails says what it waits for.
    async fn all_wait(&mut self, emails: VecDeque<Outgoing>, trouble: Trouble) -> Result<(), LaneError> {
        let until = self.now().checked_add(MINUTE).unwrap_or(self.now());
        for email in &emails {
            self.note(email, Outcome::Waiting { until, trouble: trouble.clone() }, 0).await?;
        }
        Err(LaneError::Trouble(trouble))
    }

    /// As much was sent as Exchange takes.
    async fn over_the_limit(
        &mut self,
        emails: VecDeque<Outgoing>,
        until: Timestamp,
    ) -> Result<(), LaneError> {
        tracing::info!(mailbox = %self.mailbox.id, backlog = emails.len(), "as much was sent as Exchange takes in a minute");
        let trouble = Trouble::new(
            Class::Throttled,
            format!(
                "Exchange Online takes {MOST_A_MINUTE} mails a minute of a mailbox, and others go before it"
            ),
            "Nothing: it is sent when its turn comes. Mailings belong into a service that is made for them.",
        );
        for email in &emails {
            self.note(email, Outcome::Waiting { until, trouble: trouble.clone() }, 0).await?;
        }
        Ok(())
    }

    async fn conclude(&mut self, email: &Outgoing, outcome: Outcome) -> Result<(), LaneError> {
        self.note(email, outcome, email.attempts + 1).await
    }

    /// Writes down what became of an email, unless exactly that stands there.
    async fn note(&mut self, email: &Outgoing, outcome: Outcome, attempts: u32) -> Result<(), LaneError> {
        let now = self.now();
        let item = item(email.record);
        let known = self.known.remove(&item);
        if let (Some(known), Outcome::Waiting { trouble, .. }) = (&known, &outcome)
            && let Outcome::Waiting { trouble: before, until } = &known.outcome
            && before.what == trouble.what
            && *until > now
        {
            return Ok(());
        }
        let mut decision = known.unwrap_or_else(|| self.first_seen(email));
        decision.subject.clone_from(&email.subject);
        decision.message_id = email.message_id.clone().or(decision.message_id);
        decision.attempts = attempts;
        decision.decided = now;
        decision.outcome = outcome;
        let words = decision.conclusion();
        decision.note(now, words);
        *self.tally.entry(decision.outcome.name()).or_default() += 1;
        self.engine.metrics.decided(&decision);
        self.engine.observer.decided(&decision);
        let links = match decision.outcome {
            Outcome::Sent { record, .. } => vec![Link { lane: self.lane, item, record, at: now }],
            _ => Vec::new(),
        };
        let commit = Commit { decisions: vec![decision], links, ..Commit::default() };
        self.engine.store.commit(self.lane, self.epoch, &commit).await?;
        Ok(())
    }

    fn first_seen(&self, email: &Outgoing) -> Decision {
        let sender = self.mailbox.address.as_ref().map(ToString::to_string).unwrap_or_default();
        unsent(self.lane, email.record, sender, self.now())
    }

    fn now(&self) -> Timestamp {
        self.engine.clock.now()
    }
}

/// An email record in the outgoing lane is known by its record's id.
fn item(record: RecordId) -> ItemId {
    ItemId(record.to_string())
}

fn unsent(lane: LaneId, record: RecordId, sender: String, now: Timestamp) -> Decision {
    Decision {
        lane,
        item: item(record),
        message_id: None,
        subject: String::new(),
        sender,
        received: None,
        first_seen: now,
        decided: now,
        attempts: 0,
        in_inbox: false,
        outcome: Outcome::TakenBack,
        steps: Vec::new(),
    }
}
