//! What a run would do, without doing it.

use std::collections::BTreeSet;

use hybridge_core::{
    candidate::NotACandidate,
    eligibility::Mailbox,
    lane::{LaneId, LaneKind},
    message::MessageHeader,
    outgoing::{Departure, Outgoing, departure},
    rules::Ruling,
    trouble::Trouble,
    verdict::{ReasonCode, Verdict},
};
use hybridge_dynamics::Envelope;
use hybridge_graph::{Entry, Place};
use hybridge_store::Position;

use crate::{engine::Engine, error::LaneError};

/// A message and what would become of it.
#[derive(Debug, Clone)]
pub struct Preview {
    /// The message.
    pub header: MessageHeader,
    /// What would become of it.
    pub would_be: WouldBe,
}

/// What would become of a message.
#[derive(Debug, Clone)]
pub enum WouldBe {
    /// An email record.
    Promoted(ReasonCode),
    /// Nothing: the organization does not want it, or has it.
    Refused(ReasonCode),
    /// Nothing: a rule of the administrator keeps it out.
    Ruled(Ruling),
    /// It would not be put before the organization.
    Skipped(NotACandidate),
    /// It would wait.
    Troubled(Trouble),
}

/// An email that waits to be sent, and what would become of it.
#[derive(Debug, Clone)]
pub struct OutgoingPreview {
    /// The email.
    pub email: Outgoing,
    /// What would become of it; `None` where an earlier run was interrupted, and it must first be looked whether it left.
    pub departure: Option<Departure>,
}

impl Engine {
    /// Reads what waits to be sent from a mailbox, and sends and stores nothing.
    ///
    /// # Errors
    /// When the organization can't be asked.
    pub async fn preview_outgoing(&self, mailbox: &Mailbox) -> Result<Vec<OutgoingPreview>, LaneError> {
        let emails = self.dynamics.waiting_to_be_sent(mailbox.id).await;
        let now = self.clock.now();
        let foretell = |email: Outgoing| {
            let departure = (!email.begun).then(|| departure(&email, now));
            OutgoingPreview { email, departure }
        };
        Ok(emails.map_err(|error| LaneError::dynamics(&error))?.into_iter().map(foretell).collect())
    }

    /// Reads a mailbox's new messages and asks the organization about them, but delivers and stores
    /// nothing.
    ///
    /// # Errors
    /// When either side or the store can't be read.
    pub async fn preview(&self, mailbox: &Mailbox) -> Result<Vec<Preview>, LaneError> {
        let lane = LaneId { mailbox: mailbox.id, kind: LaneKind::IncomingEmail };
        let user = self.find_user(mailbox).await?.into_user();
        let mut link = self.store.cursor(lane).await?.and_then(|cursor| match cursor.position {
            Position::Start => None,
            Position::Listing(link) | Position::Following(link) | Position::Settled(link) => Some(link),
        });
        let mut previews = Vec::new();
        let mut seen = BTreeSet::new();
        loop {
            let round = match &link {
                None => self.graph.delta_begin(&user, "inbox", mailbox.floor, self.options.page_size).await,
                Some(link) => self.graph.delta_follow(&user, link, self.options.page_size).await,
            }
            .map_err(|error| LaneError::graph(&error))?;
            let mut headers: Vec<MessageHeader> = round
                .entries
                .into_iter()
                .filter_map(|entry| match entry {
                    Entry::Message(header) if seen.insert(header.id.clone()) => Some(*header),
                    _ => None,
                })
                .collect();
            let ids: Vec<_> = headers.iter().map(|header| header.id.clone()).collect();
            let known: BTreeSet<_> =
                self.store.decisions(lane, &ids).await?.into_iter().map(|decision| decision.item).collect();
            headers.retain(|header| !known.contains(&header.id));
            previews.extend(self.foretell(mailbox, headers).await?);
            match round.place {
                Place::More(next) => link = Some(next),
                Place::Over(_) => return Ok(previews),
            }
        }
    }

    async fn foretell(
        &self,
        mailbox: &Mailbox,
        headers: Vec<MessageHeader>,
    ) -> Result<Vec<Preview>, LaneError> {
        let Some(address) = &mailbox.address else { return Ok(Vec::new()) };
        let mut previews = Vec::new();
        let mut asked = Vec::new();
        for header in headers {
            match (self.judge(&header, address, mailbox.floor), self.forbids(mailbox, &header)) {
                (Ok(()), None) => asked.push(header),
                (Ok(()), Some(ruling)) => previews.push(Preview { header, would_be: WouldBe::Ruled(ruling) }),
                (Err(reason), _) => previews.push(Preview { header, would_be: WouldBe::Skipped(reason) }),
            }
        }
        let questions: Vec<Envelope> =
            asked.iter().map(|header| self.question(mailbox, header, header.identity(self.tenant))).collect();
        let answers =
            self.dynamics.check_incoming(&questions).await.map_err(|error| LaneError::dynamics(&error))?;
        previews.extend(asked.into_iter().zip(answers).map(|(header, answer)| {
            let would_be = match answer {
                Ok(Verdict { deliver: true, reason }) => {
                    self.overrules(mailbox, &header, reason).map_or(WouldBe::Promoted(reason), WouldBe::Ruled)
                }
                Ok(Verdict { deliver: false, reason }) => WouldBe::Refused(reason),
                Err(error) => WouldBe::Troubled(hybridge_dynamics::trouble(&error)),
            };
            Preview { header, would_be }
        }));
        Ok(previews)
    }
}
