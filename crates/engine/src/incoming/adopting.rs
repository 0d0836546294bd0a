//! Whose is a record that is there already: this delivery's, whose answer was lost, or somebody else's?
//!
//! Dynamics writes the mailbox that a message was delivered from into the record (`submittedby`), so two
//! mailboxes with copies of the same message are told apart, whatever was interrupted and in which order
//! they look.

use hybridge_core::{
    attachment::AttachmentInfo,
    decision::{AttachmentLeftOut, Decision, Outcome},
    ids::{ItemId, RecordId},
    message::InternetMessageId,
    trouble::{Class, Trouble},
    verdict::ReasonCode,
};
use hybridge_dynamics::EmailRow;
use hybridge_graph::UserRef;
use hybridge_store::{Intent, Search};

use super::{Incoming, afterwards::Record, fetching::Parcel};
use crate::error::LaneError;

/// A message that was handed over, and what follows when its record exists.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) decision: Decision,
    pub(super) reason: ReasonCode,
    /// Attachments that are added to the record.
    pub(super) after: Vec<AttachmentInfo>,
    pub(super) left_out: Vec<AttachmentLeftOut>,
}

impl From<Parcel> for Made {
    fn from(parcel: Parcel) -> Self {
        Self {
            decision: parcel.wanted.candidate.decision,
            reason: parcel.wanted.reason,
            after: parcel.after,
            left_out: parcel.left_out,
        }
    }
}

impl Incoming<'_> {
    /// A record with the message's identity was found after a delivery whose answer is lost.
    pub(super) async fn adopt(
        &mut self,
        user: &UserRef,
        made: Made,
        row: &EmailRow,
    ) -> Result<(), LaneError> {
        if self.is_ours(row, &made.decision.item).await? {
            self.complete(user, made, row.id, true).await
        } else {
            self.was_there(user, made.decision, row.id).await;
            Ok(())
        }
    }

    /// The organization refuses a delivery because it has the message: an earlier attempt's answer may have
    /// been lost.
    pub(super) async fn found_in_dynamics(
        &mut self,
        user: &UserRef,
        mut made: Made,
    ) -> Result<(), LaneError> {
        let now = self.now();
        made.decision.note(now, "The organization refused the delivery, because it has the message by now.");
        let Some(id) = made.decision.message_id.clone() else { return Ok(()) };
        let rows = self.look_up(&[id]).await?;
        match rows.into_iter().next() {
            Some(Ok(Some(row))) => self.adopt(user, made, &row).await?,
            Some(Err(error)) => {
                self.set_aside_unsettled(made.decision, hybridge_dynamics::trouble(&error));
            }
            Some(Ok(None)) | None => self.conclude(made.decision, Outcome::Duplicate { record: None }),
        }
        Ok(())
    }

    /// Another mailbox's copy is the record.
    pub(super) async fn was_there(&mut self, user: &UserRef, mut decision: Decision, record: RecordId) {
        match self.afterwards(user, &mut decision, record, Record::WasThere).await {
            Ok(()) => self.conclude(decision, Outcome::Duplicate { record: Some(record) }),
            Err(trouble) => self.set_aside_unsettled(decision, trouble),
        }
    }

    /// Asks the organization for the records of messages, one answer each, in order.
    pub(super) async fn look_up(
        &self,
        ids: &[InternetMessageId],
    ) -> Result<Vec<hybridge_dynamics::Result<Option<EmailRow>>>, LaneError> {
        self.engine.dynamics.emails_by_message_id(ids).await.map_err(|error| LaneError::dynamics(&error))
    }

    /// Whether this lane's delivery of the item made the record.
    async fn is_ours(&self, row: &EmailRow, item: &ItemId) -> Result<bool, LaneError> {
        let from_here = match (&row.submitted_by, &self.mailbox.address) {
            (Some(by), Some(own)) => by == own,
            _ => true,
        };
        Ok(row.incoming && from_here && !self.is_accounted_for(row.id, item).await?)
    }

    /// Whether another item, of this mailbox or another one, is known to have become the record.
    async fn is_accounted_for(&self, record: RecordId, item: &ItemId) -> Result<bool, LaneError> {
        let known = self.engine.store.search(&Search::Record(record)).await?;
        Ok(known.iter().chain(&self.pending.decisions).any(|decision| {
            matches!(decision.outcome, Outcome::Promoted { record: made, .. } if made == record)
                && (decision.lane, &decision.item) != (self.lane, item)
        }))
    }

    /// What was intended with a delivery, so that it can be completed; or why its message can't be read now.
    pub(super) async fn made(
        &self,
        user: &UserRef,
        intent: Intent,
    ) -> Result<Result<Made, Trouble>, LaneError> {
        let mut after = Vec::new();
        if !intent.attachments_after.is_empty() {
            let contents = self
                .engine
                .graph
                .contents(user, std::slice::from_ref(&intent.item))
                .await
                .map_err(|error| LaneError::graph(&error))?;
            for content in contents {
                match content {
                    Ok(content) => after.extend(
                        content
                            .attachments
                            .into_iter()
                            .filter(|info| intent.attachments_after.contains(&info.id)),
                    ),
                    Err(error) => {
                        let trouble = hybridge_graph::trouble(&error);
                        if trouble.class != Class::Gone {
                            return Ok(Err(trouble));
                        }
                    }
                }
            }
        }
        Ok(Ok(Made { decision: intent.draft, reason: intent.reason, after, left_out: intent.left_out }))
    }
}
