//! Hands messages over and settles what became of them.
//!
//! An intent is stored before anything is sent. When an answer is lost, the organization is asked by
//! Message-Id what happened before anything is repeated (design.md, promise 2).

use std::collections::VecDeque;

use hybridge_core::{
    attachment::{AttachmentInfo, LeftOut},
    decision::{AttachmentLeftOut, Outcome},
    ids::{ItemId, RecordId},
    message::InternetMessageId,
    retry::ITEM_ATTEMPTS,
    trouble::{Class, Trouble},
};
use hybridge_dynamics::{Delivery, is_known_duplicate, is_request_too_large};
use hybridge_graph::UserRef;
use hybridge_net::Happened;
use hybridge_odata::Error;
use hybridge_store::Intent;

use super::{
    Incoming, adopting::Made, afterwards::Record, fetching::Parcel, judging::Wanted, settling::may_be_for_one,
};
use crate::error::LaneError;

/// How many messages are read and handed over together.
const TOGETHER: usize = 20;
/// How often adding one attachment is tried in one run.
const ATTACHMENT_ATTEMPTS: u32 = 3;

impl Incoming<'_> {
    /// Delivers messages in order. Each is concluded: promoted, a duplicate, waiting or failed.
    pub(super) async fn deliver(&mut self, user: &UserRef, wanted: Vec<Wanted>) -> Result<(), LaneError> {
        let mut rest: VecDeque<Wanted> = wanted.into();
        while !rest.is_empty() {
            let chunk: Vec<Wanted> = rest.drain(..rest.len().min(TOGETHER)).collect();
            let parcels = self.open(user, chunk).await?;
            for group in grouped(parcels, self.engine.options.request_bytes) {
                let memory =
                    u32::try_from(group.iter().map(Parcel::bytes).sum::<u64>() / 512).unwrap_or(u32::MAX);
                let whole = u32::try_from(self.engine.options.memory_bytes / 1024).unwrap_or(u32::MAX).max(1);
                // Held until the group is delivered, so that many lanes with large mail don't fill the memory.
                let _held = self.engine.memory.clone().acquire_many_owned(memory.clamp(1, whole)).await;
                let filled = self.fill(user, group).await?;
                self.hand_over(user, filled).await?;
            }
        }
        Ok(())
    }

    async fn hand_over(&mut self, user: &UserRef, parcels: Vec<Parcel>) -> Result<(), LaneError> {
        let mut batches = vec![parcels];
        while let Some(batch) = batches.pop() {
            if batch.is_empty() {
                continue;
            }
            let now = self.now();
            let intents: Vec<Intent> = batch.iter().map(|parcel| parcel.intent(now)).collect();
            self.engine.store.record_intents(self.lane, self.epoch, &intents).await?;
            let deliveries: Vec<Delivery> = batch.iter().map(|parcel| parcel.delivery.clone()).collect();
            match self.engine.dynamics.deliver(&deliveries).await {
                Ok(answers) => {
                    for (parcel, answer) in batch.into_iter().zip(answers) {
                        batches.extend(self.settle(user, parcel, answer).await?);
                    }
                }
                Err(error) if is_request_too_large(&error) => batches.extend(self.refused(batch, &error)),
                Err(error) if error.happened() == Happened::No && may_be_for_one(&error) => {
                    batches.extend(self.refused(batch, &error));
                }
                // Nothing was sent now; an earlier delivery's fate may be open, so the next run asks.
                Err(error) if error.happened() == Happened::No => return Err(LaneError::dynamics(&error)),
                Err(error) => batches.extend(self.find_out(user, batch, &error).await?),
            }
        }
        Ok(())
    }

    /// Settles one answer; a parcel that is to be tried in another form is handed back.
    async fn settle(
        &mut self,
        user: &UserRef,
        parcel: Parcel,
        answer: Result<RecordId, Error>,
    ) -> Result<Option<Vec<Parcel>>, LaneError> {
        let error = match answer {
            Ok(record) => {
                self.complete(user, parcel.into(), record, false).await?;
                return Ok(None);
            }
            Err(error) => error,
        };
        if is_known_duplicate(&error) {
            self.found_in_dynamics(user, parcel.into()).await?;
            return Ok(None);
        }
        if error.happened() == Happened::Perhaps && hybridge_dynamics::trouble(&error).class != Class::Item {
            let again = self.find_out(user, vec![parcel], &error).await?;
            return Ok((!again.is_empty()).then_some(again.into_iter().flatten().collect()));
        }
        let trouble = hybridge_dynamics::trouble(&error);
        if trouble.class != Class::Item {
            self.set_aside(parcel.wanted.candidate.decision, trouble);
            return Ok(None);
        }
        Ok(self.refused_alone(parcel, trouble))
    }

    /// A batch was refused as a whole: it is halved until the message that it is refused for stands alone.
    fn refused(&mut self, mut batch: Vec<Parcel>, error: &Error) -> Vec<Vec<Parcel>> {
        if batch.len() > 1 {
            return halves(batch);
        }
        let mut trouble = hybridge_dynamics::trouble(error);
        // The question about this message was answered, so it is the message that is refused, whatever the status.
        trouble.class = Class::Item;
        batch.pop().and_then(|parcel| self.refused_alone(parcel, trouble)).into_iter().collect()
    }

    /// One message was refused. One attachment can be what it is refused for: the email goes by itself then, the
    /// attachments one by one.
    fn refused_alone(&mut self, mut parcel: Parcel, trouble: Trouble) -> Option<Vec<Parcel>> {
        if parcel.inside.is_empty() {
            self.set_aside(parcel.wanted.candidate.decision, trouble);
            return None;
        }
        let now = self.now();
        parcel.wanted.candidate.decision.note(
            now,
            format!("Refused together with its attachments ({}); it is delivered without them, and they are added one by one.", trouble.what),
        );
        parcel.lighten();
        Some(vec![parcel])
    }

    /// The answer to a batch is lost: what was stored is promoted, the rest is tried in smaller batches;
    /// a single one waits.
    async fn find_out(
        &mut self,
        user: &UserRef,
        batch: Vec<Parcel>,
        error: &Error,
    ) -> Result<Vec<Vec<Parcel>>, LaneError> {
        let ids: Vec<InternetMessageId> =
            batch.iter().map(|parcel| parcel.wanted.candidate.message_id.clone()).collect();
        let alone = batch.len() == 1;
        let rows = self.look_up(&ids).await?;
        let mut missing = Vec::new();
        for (parcel, row) in batch.into_iter().zip(rows) {
            match row {
                Ok(Some(row)) => self.adopt(user, parcel.into(), &row).await?,
                Ok(None) if alone => {
                    let trouble = hybridge_dynamics::trouble(error);
                    self.set_aside_unsettled(parcel.wanted.candidate.decision, trouble);
                }
                Ok(None) => missing.push(parcel),
                Err(error) => {
                    let trouble = hybridge_dynamics::trouble(&error);
                    self.set_aside_unsettled(parcel.wanted.candidate.decision, trouble);
                }
            }
        }
        Ok(halves(missing))
    }

    /// The record exists: adds the attachments that follow it, then the message is promoted. One that can't be
    /// added now keeps none of the others waiting.
    pub(super) async fn complete(
        &mut self,
        user: &UserRef,
        made: Made,
        record: RecordId,
        recovered: bool,
    ) -> Result<(), LaneError> {
        let Made { mut decision, reason, after, mut left_out } = made;
        let mut present =
            if recovered && !after.is_empty() { self.present(record).await? } else { Present::default() };
        let last_attempt = decision.attempts + 1 >= ITEM_ATTEMPTS;
        let mut waits = None;
        for info in &after {
            let missing = match self.add(user, &decision.item, record, info, &mut present).await? {
                Added::Yes => continue,
                Added::Never(missing) => missing,
                Added::NotNow(trouble) if last_attempt => {
                    let now = self.now();
                    decision.note(
                        now,
                        format!("Attachment \"{}\" could not be added: {}.", info.name, trouble.what),
                    );
                    LeftOut::GivenUp
                }
                Added::NotNow(trouble) => {
                    waits = waits.or(Some(trouble));
                    continue;
                }
            };
            let now = self.now();
            decision.note(now, format!("Attachment \"{}\" is left out: {}.", info.name, missing.words()));
            left_out.push(AttachmentLeftOut {
                name: info.name.clone(),
                size_bytes: info.size_bytes,
                reason: missing,
            });
        }
        if let Some(trouble) = waits {
            // The next run finds the record and adds what is missing.
            self.set_aside_unsettled(decision, trouble);
            return Ok(());
        }
        if let Err(trouble) = self.afterwards(user, &mut decision, record, Record::Made).await {
            self.set_aside_unsettled(decision, trouble);
            return Ok(());
        }
        self.conclude(decision, Outcome::Promoted { record, reason, recovered, left_out });
        Ok(())
    }

    /// The attachments that a record has.
    async fn present(&self, record: RecordId) -> Result<Present, LaneError> {
        let stored =
            self.engine.dynamics.attachments_of(record).await.map_err(|error| LaneError::dynamics(&error))?;
        let stored = stored.into_iter().filter_map(|stored| Some((stored.name?, stored.size_bytes)));
        Ok(Present { stored: stored.collect(), added: Vec::new() })
    }

    async fn add(
        &self,
        user: &UserRef,
        message: &ItemId,
        record: RecordId,
        info: &AttachmentInfo,
        present: &mut Present,
    ) -> Result<Added, LaneError> {
        let file = match self.file(user, message, info).await {
            Ok(file) => file,
            Err(error) => {
                let trouble = hybridge_graph::trouble(&error);
                return Ok(if trouble.class == Class::Gone {
                    Added::Never(LeftOut::Gone)
                } else {
                    Added::NotNow(trouble)
                });
            }
        };
        let size = file.bytes.len() as u64;
        // Names alone don't tell: two images of one message are often called the same.
        if present.take(&file.name, size) {
            return Ok(Added::Yes);
        }
        if let Some(reason) = self.engine.attachment_rules().objection(&file.name, size) {
            return Ok(Added::Never(reason));
        }
        let mut attempt = 1;
        loop {
            let error = match self.engine.dynamics.add_attachment(record, &info.id, &file).await {
                Ok(()) => {
                    present.added.push((file.name, size));
                    return Ok(Added::Yes);
                }
                Err(error) => error,
            };
            let trouble = hybridge_dynamics::trouble(&error);
            if is_request_too_large(&error) || is_turned_away_by_the_web_server(&error) {
                return Ok(Added::Never(LeftOut::LargerThanARequest));
            }
            if trouble.class == Class::Item {
                return Ok(Added::Never(LeftOut::Refused));
            }
            // The answer may be lost and the attachment be there.
            if error.happened() == Happened::Perhaps {
                let mut now_present = self.present(record).await?;
                let before =
                    present.added.iter().filter(|(name, bytes)| *name == file.name && *bytes == size);
                for _ in 0..before.count() {
                    now_present.take(&file.name, size);
                }
                if now_present.take(&file.name, size) {
                    present.added.push((file.name, size));
                    return Ok(Added::Yes);
                }
            }
            if attempt == ATTACHMENT_ATTEMPTS || trouble.class != Class::Transient {
                return Ok(Added::NotNow(trouble));
            }
            attempt += 1;
        }
    }
}

/// The attachments that a record has: those that were there, and those that were added since.
#[derive(Debug, Default)]
struct Present {
    stored: Vec<(String, Option<u64>)>,
    added: Vec<(String, u64)>,
}

impl Present {
    /// Whether a file of this name and size was there; each counts once. A row without a size counts by its name.
    fn take(&mut self, name: &str, size: u64) -> bool {
        let found = self
            .stored
            .iter()
            .position(|(known, bytes)| known == name && bytes.is_none_or(|bytes| bytes == size));
        let Some(found) = found else { return false };
        self.stored.remove(found);
        self.added.push((name.to_owned(), size));
        true
    }
}

/// IIS answers what is longer than it takes with a 404 of its own (404.13), which remote callers see without its
/// number; the Web API's own 404 has a code.
fn is_turned_away_by_the_web_server(error: &Error) -> bool {
    error.failure().is_some_and(|failure| failure.status.as_u16() == 404 && failure.code.is_empty())
}

enum Added {
    Yes,
    NotNow(Trouble),
    Never(LeftOut),
}

fn halves(mut parcels: Vec<Parcel>) -> Vec<Vec<Parcel>> {
    if parcels.len() < 2 {
        return vec![parcels];
    }
    let second = parcels.split_off(parcels.len() / 2);
    // The last one is worked on first.
    vec![second, parcels]
}

/// Groups parcels, in order, so that each group fits into one request.
fn grouped(parcels: Vec<Parcel>, limit: u64) -> Vec<Vec<Parcel>> {
    let mut groups: Vec<Vec<Parcel>> = Vec::new();
    let mut room = 0;
    for parcel in parcels {
        let bytes = parcel.bytes();
        match groups.last_mut() {
            Some(group) if bytes <= room => {
                room -= bytes;
                group.push(parcel);
            }
            _ => {
                room = limit.saturating_sub(bytes);
                groups.push(vec![parcel]);
            }
        }
    }
    groups
}
