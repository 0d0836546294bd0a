//! Values for tests: short to write, distinct where it matters.

use hybridge_core::{
    address::Address,
    decision::{Decision, Outcome, Step},
    eligibility::{Approval, IncomingMethod, Mailbox, MailboxOwner},
    ids::{DeltaLink, ItemId, MailboxId, OrganizationId, RecordId, TenantId},
    lane::{LaneId, LaneKind},
    message::InternetMessageId,
    trouble::{Class, Trouble},
    verdict::ReasonCode,
};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::{Commit, Cursor, Installation, Intent, Link, MailboxRow, Position, RunEnd, Store, Subscription};

/// So many seconds after the beginning of the story.
pub(crate) fn at(seconds: i64) -> Timestamp {
    let beginning: Timestamp = "2026-11-23T08:00:00.123456789Z".parse().unwrap();
    beginning + SignedDuration::from_secs(seconds)
}

pub(crate) fn lane(number: u128) -> LaneId {
    LaneId { mailbox: MailboxId(Uuid::from_u128(number)), kind: LaneKind::IncomingEmail }
}

pub(crate) fn item(id: &str) -> ItemId {
    ItemId(id.into())
}

pub(crate) fn record(number: u128) -> RecordId {
    RecordId(Uuid::from_u128(number))
}

pub(crate) fn installation(organization: u128, tenant: u128) -> Installation {
    Installation {
        organization: OrganizationId(Uuid::from_u128(organization)),
        tenant: TenantId(Uuid::from_u128(tenant)),
    }
}

pub(crate) fn mailbox(number: u128, name: &str) -> MailboxRow {
    MailboxRow {
        mailbox: Mailbox {
            id: MailboxId(Uuid::from_u128(number)),
            name: name.into(),
            address: Address::new("anna@contoso.test"),
            owner: MailboxOwner::User,
            active: true,
            incoming: IncomingMethod::Synchronizer,
            approval: Approval::Approved,
            profile_active: Some(true),
            floor: Some(at(-1)),
            sends: true,
            queue: None,
            deletes: false,
        },
        ineligible: None,
        does_not_send: None,
        read: at(0),
    }
}

pub(crate) fn trouble(what: &str) -> Trouble {
    Trouble::new(Class::Transient, what, "Wait.")
}

pub(crate) fn promoted(number: u128) -> Outcome {
    Outcome::Promoted {
        record: record(number),
        reason: ReasonCode::AcceptAll,
        recovered: false,
        left_out: vec![],
    }
}

pub(crate) fn waiting(until: i64) -> Outcome {
    Outcome::Waiting { until: at(until), trouble: trouble("the organization did not answer") }
}

pub(crate) fn filtered() -> Outcome {
    Outcome::Filtered { reason: ReasonCode::NoRecipientMatch }
}

/// A decision about an item of the first lane.
pub(crate) fn decision(id: &str, outcome: Outcome) -> Decision {
    Decision {
        lane: lane(1),
        item: item(id),
        message_id: InternetMessageId::new(&format!("<{id}@example.com>")),
        subject: "Quote".into(),
        sender: "kim@example.com".into(),
        received: Some(at(-60)),
        first_seen: at(-5),
        decided: at(0),
        attempts: 1,
        in_inbox: true,
        outcome,
        steps: vec![Step { at: at(-5), what: "seen".into() }],
    }
}

pub(crate) fn intent(id: &str, seconds: i64) -> Intent {
    Intent {
        item: item(id),
        message_id: InternetMessageId::new(&format!("<{id}@example.com>")).unwrap(),
        at: at(seconds),
        reason: ReasonCode::SenderMatch,
        draft: decision(id, waiting(0)),
        attachments_after: vec!["attachment".into()],
        left_out: vec![],
    }
}

pub(crate) fn link(id: &str, number: u128) -> Link {
    Link { lane: lane(1), item: item(id), record: record(number), at: at(0) }
}

pub(crate) fn cursor(link: &str) -> Cursor {
    Cursor {
        floor: Some(at(-3600)),
        filtered: true,
        listed: 7,
        position: Position::Following(DeltaLink(link.into())),
    }
}

pub(crate) fn subscription(id: &str, number: u128) -> Subscription {
    Subscription {
        id: id.into(),
        lane: lane(number),
        client_state: format!("secret of {id}"),
        expires: at(3600),
        notification_url: "https://hybridge.contoso.test/notifications".into(),
    }
}

pub(crate) fn ended_well() -> RunEnd {
    RunEnd { at: at(10), trouble: None, next_due: at(300) }
}

pub(crate) fn of(decisions: Vec<Decision>) -> Commit {
    Commit { decisions, ..Commit::default() }
}

/// Stores decisions about items of the first lane, in a run of their own.
pub(crate) async fn decide(store: &dyn Store, decisions: Vec<Decision>) {
    let epoch = store.begin_run(lane(1), at(0)).await.unwrap();
    store.commit(lane(1), epoch, &of(decisions)).await.unwrap();
}

/// The items of decisions, in their order.
pub(crate) fn items(decisions: &[Decision]) -> Vec<&str> {
    decisions.iter().map(|decision| &*decision.item.0).collect()
}
