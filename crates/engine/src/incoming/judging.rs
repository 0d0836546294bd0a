//! Puts candidates before `core` and the organization, and promotes what is wanted.

use std::collections::{BTreeMap, BTreeSet};

use hybridge_core::{
    decision::Outcome,
    ids::ItemId,
    message::InternetMessageId,
    trouble::{Class, Trouble},
    verdict::{ReasonCode, Verdict},
};
use hybridge_dynamics::Envelope;
use hybridge_graph::UserRef;
use hybridge_store::Intent;
use jiff::Timestamp;

use super::{Incoming, candidate::Candidate, settling::may_be_for_one};
use crate::error::LaneError;

/// A candidate that the organization wants.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) candidate: Candidate,
    pub(super) reason: ReasonCode,
}

impl Incoming<'_> {
    /// Judges candidates and promotes those that are wanted; everything else is concluded with its reason.
    pub(super) async fn promote(
        &mut self,
        user: &UserRef,
        candidates: Vec<Candidate>,
    ) -> Result<(), LaneError> {
        let candidates = self.sift(candidates);
        let mut asked = self.obey(candidates).await?;
        // In order of arrival, so that a message follows the one it answers.
        asked.sort_by(|left, right| {
            (left.header.received, &left.header.id).cmp(&(right.header.received, &right.header.id))
        });
        while !asked.is_empty() {
            let (first_of_each, copies) = one_per_identity(asked);
            let Judged { wanted, unanswered } = self.ask(user, first_of_each).await?;
            let threads: Vec<(ItemId, String)> = wanted
                .iter()
                .map(|wanted| {
                    (wanted.candidate.header.id.clone(), wanted.candidate.header.conversation.clone())
                })
                .collect();
            self.deliver(user, wanted).await?;
            let (promoted_threads, waiting_threads) = self.became_of(&threads);
            // A reply is refused when what it answers is not in Dynamics yet. What has just been delivered
            // may be exactly that, so those replies, and second copies, are asked about once more.
            let (again, refused): (Vec<Candidate>, Vec<Candidate>) = unanswered
                .into_iter()
                .partition(|candidate| promoted_threads.contains(&candidate.header.conversation));
            for candidate in refused {
                match waiting_threads.get(&candidate.header.conversation) {
                    // Due together with the message that it answers, so that they are asked about together.
                    Some(until) => {
                        let what = "the message that it answers is not in Dynamics yet";
                        let trouble = Trouble::new(Class::Transient, what, "");
                        self.decide(candidate.decision, Outcome::Waiting { until: *until, trouble });
                    }
                    None => self.conclude(
                        candidate.decision,
                        Outcome::Filtered { reason: ReasonCode::NoCorrelationMatch },
                    ),
                }
            }
            asked = again;
            asked.extend(copies);
        }
        Ok(())
    }

    /// The conversations whose messages are in Dynamics now, and those whose messages wait, with their time.
    fn became_of(&self, threads: &[(ItemId, String)]) -> (BTreeSet<String>, BTreeMap<String, Timestamp>) {
        let (mut promoted, mut waiting) = (BTreeSet::new(), BTreeMap::new());
        for (item, thread) in threads {
            let decided = self.pending.decisions.iter().rev().find(|decision| decision.item == *item);
            match decided.map(|decision| &decision.outcome) {
                Some(Outcome::Waiting { until, .. }) => drop(waiting.insert(thread.clone(), *until)),
                Some(outcome) if outcome.record().is_some() => drop(promoted.insert(thread.clone())),
                _ => {}
            }
        }
        (promoted, waiting)
    }

    /// What the organization need not be asked about is concluded; the rest is returned.
    fn sift(&mut self, candidates: Vec<Candidate>) -> Vec<Candidate> {
        let Some(own_address) = self.mailbox.address.clone() else { return Vec::new() };
        let mut rest = Vec::new();
        for candidate in candidates {
            match self.engine.judge(&candidate.header, &own_address, self.mailbox.floor) {
                Ok(()) => rest.push(candidate),
                Err(reason) => self.conclude(candidate.decision, Outcome::Skipped { reason }),
            }
        }
        rest
    }

    /// What a rule keeps out is concluded; the rest is returned. A message whose delivery may have taken place is asked
    /// about first, whatever the rules say by now: its record must be found.
    async fn obey(&mut self, candidates: Vec<Candidate>) -> Result<Vec<Candidate>, LaneError> {
        let (mut rest, mut forbidden) = (Vec::new(), Vec::new());
        for candidate in candidates {
            match self.engine.forbids(self.mailbox, &candidate.header) {
                None => rest.push(candidate),
                Some(ruling) => forbidden.push((candidate, ruling)),
            }
        }
        if forbidden.is_empty() {
            return Ok(rest);
        }
        let open: BTreeSet<ItemId> =
            self.engine.store.open_intents(self.lane).await?.into_iter().map(|intent| intent.item).collect();
        for (candidate, ruling) in forbidden {
            if open.contains(&candidate.header.id) {
                rest.push(candidate);
            } else {
                self.conclude(candidate.decision, Outcome::Ruled { ruling });
            }
        }
        Ok(rest)
    }

    /// Asks the organization, in batches. A batch that is refused as a whole is halved until the message that
    /// it is refused for stands alone (promise 6).
    async fn ask(&mut self, user: &UserRef, candidates: Vec<Candidate>) -> Result<Judged, LaneError> {
        let mut judged = Judged::default();
        let mut answered = false;
        let mut duplicates = Vec::new();
        let mut troubled = Vec::new();
        let mut batches = vec![candidates];
        while let Some(mut batch) = batches.pop() {
            let questions: Vec<Envelope> = batch
                .iter()
                .map(|candidate| {
                    self.engine.question(self.mailbox, &candidate.header, candidate.message_id.clone())
                })
                .collect();
            let answers = match self.engine.dynamics.check_incoming(&questions).await {
                Ok(answers) => answers,
                Err(error) if may_be_for_one(&error) && batch.len() > 1 => {
                    let second = batch.split_off(batch.len() / 2);
                    batches.extend([second, batch]);
                    continue;
                }
                Err(error) if may_be_for_one(&error) => {
                    answered = answered || self.organization_answers().await;
                    if !answered {
                        return Err(LaneError::dynamics(&error));
                    }
                    troubled.extend(batch.pop().map(|alone| (alone, hybridge_dynamics::trouble(&error))));
                    continue;
                }
                Err(error) => return Err(LaneError::dynamics(&error)),
            };
            for (mut candidate, answer) in batch.into_iter().zip(answers) {
                let now = self.now();
                answered |= answer.is_ok();
                if let Some(address) = self.engine.only_recipient(self.mailbox) {
                    let what = format!(
                        "The organization was asked with {address} as the only recipient, so that no other recipient's \
                         option counts (only_own_option)."
                    );
                    candidate.decision.note(now, what);
                }
                match answer {
                    Ok(Verdict { deliver: true, reason }) => {
                        candidate
                            .decision
                            .note(now, format!("The organization wants it: {}.", reason.words()));
                        let ruling = self
                            .engine
                            .forbids(self.mailbox, &candidate.header)
                            .or_else(|| self.engine.overrules(self.mailbox, &candidate.header, reason));
                        match ruling {
                            Some(ruling) => self.conclude(candidate.decision, Outcome::Ruled { ruling }),
                            None => judged.wanted.push(Wanted { candidate, reason }),
                        }
                    }
                    Ok(Verdict { reason: ReasonCode::Duplicate, .. }) => duplicates.push(candidate),
                    Ok(Verdict { reason: ReasonCode::NoCorrelationMatch, .. }) => {
                        judged.unanswered.push(candidate);
                    }
                    Ok(Verdict { reason, .. }) => {
                        self.conclude(candidate.decision, Outcome::Filtered { reason });
                    }
                    Err(error) => troubled.push((candidate, hybridge_dynamics::trouble(&error))),
                }
            }
        }
        self.judgement_failed(troubled, answered).await?;
        self.conclude_duplicates(user, duplicates).await?;
        Ok(judged)
    }

    /// Some questions got no verdict. That is these messages' trouble where the organization answers others, or
    /// objects to the messages themselves; else it is the lane's.
    async fn judgement_failed(
        &mut self,
        troubled: Vec<(Candidate, Trouble)>,
        answered: bool,
    ) -> Result<(), LaneError> {
        if let Some((_, trouble)) = troubled.first()
            && !answered
            && !matches!(trouble.class, Class::Item | Class::Protocol)
            && !self.organization_answers().await
        {
            return Err(LaneError::Trouble(trouble.clone()));
        }
        for (candidate, trouble) in troubled {
            self.set_aside_unsettled(candidate.decision, trouble);
        }
        Ok(())
    }

    /// Whether the organization answers a question about a message that nobody sent: then what it does not answer
    /// is the message's own trouble, and keeps no other waiting (promise 6).
    async fn organization_answers(&self) -> bool {
        self.engine.dynamics.try_email_messages(self.engine.chance.uuid()).await.is_ok()
    }

    /// The organization has these messages: looks up the records. One can be this lane's own, of a delivery
    /// whose answer was lost.
    async fn conclude_duplicates(
        &mut self,
        user: &UserRef,
        duplicates: Vec<Candidate>,
    ) -> Result<(), LaneError> {
        if duplicates.is_empty() {
            return Ok(());
        }
        let ids: Vec<InternetMessageId> =
            duplicates.iter().map(|candidate| candidate.message_id.clone()).collect();
        let rows = self.look_up(&ids).await?;
        let mut open: BTreeMap<ItemId, Intent> = self
            .engine
            .store
            .open_intents(self.lane)
            .await?
            .into_iter()
            .map(|intent| (intent.item.clone(), intent))
            .collect();
        for (candidate, row) in duplicates.into_iter().zip(rows) {
            match (row, open.remove(&candidate.header.id)) {
                (Ok(Some(row)), Some(intent)) => match self.made(user, intent).await? {
                    Ok(mut made) => {
                        made.decision = candidate.decision;
                        self.adopt(user, made, &row).await?;
                    }
                    Err(trouble) => self.set_aside_unsettled(candidate.decision, trouble),
                },
                (Ok(Some(row)), None) => self.was_there(user, candidate.decision, row.id).await,
                (Ok(None), _) => self.conclude(candidate.decision, Outcome::Duplicate { record: None }),
                (Err(error), _) => {
                    self.set_aside_unsettled(candidate.decision, hybridge_dynamics::trouble(&error));
                }
            }
        }
        Ok(())
    }
}

/// What the organization's answers lead to.
#[derive(Debug, Default)]
struct Judged {
    wanted: Vec<Wanted>,
    /// Refused because they answer nothing that is in Dynamics.
    unanswered: Vec<Candidate>,
}

/// Two items of one mailbox can be the same message (a copy, or a note to oneself): the second one waits
/// for the first one's outcome.
fn one_per_identity(candidates: Vec<Candidate>) -> (Vec<Candidate>, Vec<Candidate>) {
    let mut seen = BTreeSet::new();
    candidates.into_iter().partition(|candidate| seen.insert(candidate.message_id.clone()))
}
