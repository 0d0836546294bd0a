use hybridge_core::{
    decision::{Decision, Outcome},
    ids::{ItemId, TenantId},
    lane::LaneId,
    message::{InternetMessageId, MessageHeader},
    trouble::{Class, Trouble},
};
use jiff::Timestamp;

/// A message on its way through a run: its header, and what was concluded about it so far.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    pub(super) header: MessageHeader,
    pub(super) message_id: InternetMessageId,
    pub(super) decision: Decision,
}

impl Candidate {
    /// A message that is looked at, for the first time or (with what was concluded before) again.
    pub(super) fn new(
        header: MessageHeader,
        before: Option<Decision>,
        lane: LaneId,
        tenant: TenantId,
        now: Timestamp,
    ) -> Self {
        let message_id = header.identity(tenant);
        let mut decision = before.unwrap_or_else(|| unjudged(header.id.clone(), lane, now));
        decision.message_id = Some(message_id.clone());
        decision.subject.clone_from(&header.subject);
        decision.sender = header.from.as_ref().map(|from| from.address.to_string()).unwrap_or_default();
        decision.received = Some(header.received);
        if decision.steps.is_empty() {
            decision.note(now, format!("Seen in the Inbox; Exchange received it at {}.", header.received));
            if header.message_id.is_none() {
                decision.note(
                    now,
                    "It has no usable Message-Id of its own; one was computed from its sender, time, subject and conversation.",
                );
            }
        }
        Self { header, message_id, decision }
    }
}

/// A decision about an item of which nothing is known yet.
pub(super) fn unjudged(item: ItemId, lane: LaneId, now: Timestamp) -> Decision {
    Decision {
        lane,
        item,
        message_id: None,
        subject: String::new(),
        sender: String::new(),
        received: None,
        first_seen: now,
        decided: now,
        attempts: 0,
        in_inbox: true,
        outcome: Outcome::Waiting {
            until: now,
            trouble: Trouble::new(Class::Transient, "the run that looked at it was interrupted", ""),
        },
        steps: Vec::new(),
    }
}
