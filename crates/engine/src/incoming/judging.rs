//! Puts candidates before `core` and the organization, and promotes what is wanted.

use std::collections::{BTreeMap, BTreeSet};

use hybridge_core::{
    candidate::judge,
    decision::Outcome,
    ids::ItemId,
    message::InternetMessageId,
    trouble::{Class, Trouble},
    verdict::{ReasonCode, Verdict},
};
use hybridge_dynamics::Envelope;
use hybridge_graph::UserRef;
use hybridge_store::Intent;

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
        let mut asked = self.sift(candidates);
        // In order of arrival, so that a message follows the one it answers.
        asked.sort_by(|left, right| {
            (left.header.received, &left.header.id).cmp(&(right.header.received, &right.header.id))
        });
        while !asked.is_empty() {
            let (first_of_each, copies) = one_per_identity(asked);
            let Judged { wanted, unanswered } = self.ask(user, first_of_each).await?;
            let promoted_threads: BTreeSet<String> =
                wanted.iter().map(|wanted| wanted.candidate.header.conversation.clone()).collect();
            self.deliver(user, wanted).await?;
            // A reply is refused when what it answers is not in Dynamics yet. What has just been delivered
            // may be exactly that, so those replies, and second copies, are asked about once more.
            let (again, refused): (Vec<Candidate>, Vec<Candidate>) = unanswered
                .into_iter()
                .partition(|candidate| promoted_threads.contains(&candidate.header.conversation));
            for candidate in refused {
                self.conclude(
                    candidate.decision,
                    Outcome::Filtered { reason: ReasonCode::NoCorrelationMatch },
                );
            }
            asked = again;
            asked.extend(copies);
        }
        Ok(())
    }

    /// What the organization need not be asked about is concluded; the rest is returned.
    fn sift(&mut self, candidates: Vec<Candidate>) -> Vec<Candidate> {
        let Some(own_address) = self.mailbox.address.clone() else { return Vec::new() };
        let mut rest = Vec::new();
        for candidate in candidates {
            match judge(&candidate.header, &own_address, self.mailbox.floor) {
                Ok(()) => rest.push(candidate),
                Err(reason) => self.conclude(candidate.decision, Outcome::Skipped { reason }),
            }
        }
        rest
    }

    /// Asks the organization, in batches. A batch that is refused as a whole is halved until the message that
    /// it is refused for stands alone (promise 6).
    async fn ask(&mut self, user: &UserRef, candidates: Vec<Candidate>) -> Result<Judged, LaneError> {
        let mut judged = Judged::default();
        let mut duplicates = Vec::new();
        let mut troubled = Vec::new();
        let mut batches = vec![candidates];
        while let Some(mut batch) = batches.pop() {
            let questions: Vec<Envelope> = batch
                .iter()
                .map(|candidate| Envelope::of(&candidate.header, candidate.message_id.clone()))
                .collect();
            let answers = match self.engine.dynamics.check_incoming(&questions).await {
                Ok(answers) => answers,
                Err(error) if may_be_for_one(&error) && batch.len() > 1 => {
                    let second = batch.split_off(batch.len() / 2);
                    batches.extend([second, batch]);
                    continue;
                }
                Err(error) if may_be_for_one(&error) => {
                    troubled.extend(batch.pop().map(|alone| (alone, hybridge_dynamics::trouble(&error))));
                    continue;
                }
                Err(error) => return Err(LaneError::dynamics(&error)),
            };
            for (mut candidate, answer) in batch.into_iter().zip(answers) {
                let now = self.now();
                match answer {
                    Ok(Verdict { deliver: true, reason }) => {
                        candidate
                            .decision
                            .note(now, format!("The organization wants it: {}.", reason.words()));
                        judged.wanted.push(Wanted { candidate, reason });
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
        let answered = !(judged.wanted.is_empty() && judged.unanswered.is_empty() && duplicates.is_empty());
        self.judgement_failed(troubled, answered)?;
        self.conclude_duplicates(user, duplicates).await?;
        Ok(judged)
    }

    /// Some questions got no verdict. One among others is that message's trouble; all of them are the
    /// lane's, unless the organization objects to the messages themselves.
    fn judgement_failed(
        &mut self,
        troubled: Vec<(Candidate, Trouble)>,
        answered: bool,
    ) -> Result<(), LaneError> {
        if let Some((_, trouble)) = troubled.first()
            && !answered
            && !matches!(trouble.class, Class::Item | Class::Protocol)
        {
            return Err(LaneError::Trouble(trouble.clone()));
        }
        for (candidate, trouble) in troubled {
            self.set_aside(candidate.decision, trouble);
        }
        Ok(())
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
                (Ok(Some(row)), Some(intent)) => {
                    let mut made = self.made(user, intent).await?;
                    made.decision = candidate.decision;
                    self.adopt(user, made, &row).await?;
                }
                (Ok(row), _) => {
                    self.conclude(candidate.decision, Outcome::Duplicate { record: row.map(|row| row.id) });
                }
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
