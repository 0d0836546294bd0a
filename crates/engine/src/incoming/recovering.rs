//! After an interruption: what became of deliveries that were under way, and another attempt at what
//! waits.

use hybridge_core::{
    decision::{Decision, Outcome},
    ids::ItemId,
    message::InternetMessageId,
    trouble::{Class, Trouble},
};
use hybridge_graph::UserRef;
use hybridge_store::Intent;
use jiff::Timestamp;

use super::{Incoming, candidate::Candidate};
use crate::error::LaneError;

/// How many waiting messages one run tries again.
const AT_ONCE: u32 = 200;

impl Incoming<'_> {
    /// Settles intents that a killed run left open: the organization is asked by Message-Id whether the
    /// delivery took place (design.md, "Intent, then act, then commit").
    pub(super) async fn recover(&mut self, user: &UserRef) -> Result<(), LaneError> {
        let intents = self.engine.store.open_intents(self.lane).await?;
        if intents.is_empty() {
            return Ok(());
        }
        tracing::info!(lane = %self.lane, open = intents.len(), "deliveries were interrupted; asking what became of them");
        let ids: Vec<InternetMessageId> = intents.iter().map(|intent| intent.message_id.clone()).collect();
        let rows = self.look_up(&ids).await?;
        let items: Vec<ItemId> = intents.iter().map(|intent| intent.item.clone()).collect();
        let decided = self.engine.store.decisions(self.lane, &items).await?;
        for (intent, row) in intents.into_iter().zip(rows) {
            let waiting = decided.iter().find(|decision| waits_since(decision, &intent));
            if waiting.is_some_and(|decision| is_due_later(decision, self.now())) {
                continue;
            }
            // What was noted and counted since goes on.
            let mut decision = waiting.cloned().unwrap_or_else(|| intent.draft.clone());
            match row {
                Ok(Some(row)) => match self.made(user, intent).await? {
                    Ok(mut made) => {
                        made.decision = decision;
                        self.adopt(user, made, &row).await?;
                    }
                    Err(trouble) => self.set_aside_unsettled(decision, trouble),
                },
                Ok(None) if waiting.is_none() => {
                    // It did not take place, or not yet: tried again right away, wherever the message lies now.
                    let trouble = Trouble::new(
                        Class::Transient,
                        "the delivery was interrupted before it took place",
                        "",
                    );
                    let now = self.now();
                    decision
                        .note(now, "The delivery was interrupted before it took place; it is tried again.");
                    self.decide(decision, Outcome::Waiting { until: now, trouble });
                }
                Ok(None) => {}
                Err(error) => self.set_aside_unsettled(decision, hybridge_dynamics::trouble(&error)),
            }
        }
        self.commit().await
    }

    /// Tries again what waits and is due.
    pub(super) async fn try_again(&mut self, user: &UserRef) -> Result<(), LaneError> {
        let due = self.engine.store.due(self.lane, self.now(), AT_ONCE).await?;
        if due.is_empty() {
            return Ok(());
        }
        let ids: Vec<ItemId> = due.iter().map(|decision| decision.item.clone()).collect();
        let headers =
            self.engine.graph.headers(user, &ids).await.map_err(|error| LaneError::graph(&error))?;
        let mut candidates = Vec::new();
        for (decision, header) in due.into_iter().zip(headers) {
            match header {
                Ok(header) => {
                    let now = self.now();
                    candidates.push(Candidate::new(
                        header,
                        Some(decision),
                        self.lane,
                        self.engine.tenant,
                        now,
                    ));
                }
                Err(error) => self.set_aside_unsettled(decision, hybridge_graph::trouble(&error)),
            }
        }
        self.promote(user, candidates).await?;
        self.commit().await
    }
}

/// Whether a message waits for its next attempt since this delivery, whose fate is not known, was tried.
fn waits_since(decision: &Decision, intent: &Intent) -> bool {
    decision.item == intent.item
        && decision.decided >= intent.at
        && matches!(decision.outcome, Outcome::Waiting { .. })
}

fn is_due_later(decision: &Decision, now: Timestamp) -> bool {
    matches!(decision.outcome, Outcome::Waiting { until, .. } if until > now)
}
