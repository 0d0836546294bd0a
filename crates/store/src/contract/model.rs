//! A store compared with the one in memory, over random sequences of operations.
//!
//! The domain is small on purpose: three lanes and a handful of items, so that operations meet.

use hybridge_core::{
    candidate::NotACandidate,
    decision::{Decision, Outcome},
    ids::ItemId,
    lane::LaneId,
    message::InternetMessageId,
    rules::{RuledBy, Ruling},
};
use jiff::Timestamp;
use proptest::{
    collection::vec,
    option,
    prelude::{BoxedStrategy, Just, Strategy, any, prop_oneof},
    sample::select,
};

use super::samples::{
    at, cursor, decision, installation, intent, item, lane, link, mailbox, promoted, record, subscription,
    trouble, waiting,
};
use crate::{
    Commit, Epoch, Installation, Intent, Link, MailboxRow, MemoryStore, RunEnd, Search, Store, Subscription,
};

const LANES: [u128; 3] = [1, 2, 3];
const ITEMS: [&str; 6] = ["AAa", "AAA", "aaA", "%", "A_a", "\u{0}"];
const TEXTS: [&str; 8] = ["", "Quote", "qUOTE %", "ÄRGER", "ärger_1", "100%", "ΟΔΟΣ", "a\u{0}b"];
const KEYS: [&str; 3] = ["route", "Route", ""];
const SUBSCRIPTIONS: [&str; 3] = ["s1", "S1", "s2"];

/// One call that changes something.
#[derive(Debug, Clone)]
pub(crate) enum Operation {
    Bind(Installation),
    PutMailboxes(Vec<MailboxRow>),
    BeginRun(LaneId, Timestamp),
    EndRun(LaneId, Age, RunEnd),
    RecordIntents(LaneId, Age, Vec<Intent>),
    Commit(LaneId, Age, Commit),
    PutFact(&'static str, Option<String>),
    PutSubscription(Subscription),
    RemoveSubscription(&'static str),
}

/// Whether the run that calls is the lane's latest, as it is mostly.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Age {
    Latest,
    Overtaken,
}

/// Sequences of operations.
pub(crate) fn operations() -> impl Strategy<Value = Vec<Operation>> {
    vec(operation(), 1..40)
}

fn operation() -> BoxedStrategy<Operation> {
    let mailboxes = vec((0_u128..4, select(&TEXTS[..])), 0..4)
        .prop_map(|rows| rows.into_iter().map(|(number, name)| mailbox(number, name)).collect());
    let end = (0_i64..9, any::<bool>(), 0_i64..9).prop_map(|(ended, failed, due)| RunEnd {
        at: at(ended),
        trouble: failed.then(|| trouble("no answer")),
        next_due: at(due),
    });
    prop_oneof![
        1 => (1_u128..3).prop_map(|tenant| Operation::Bind(installation(1, tenant))),
        1 => mailboxes.prop_map(Operation::PutMailboxes),
        6 => (lanes(), 0_i64..9).prop_map(|(lane, now)| Operation::BeginRun(lane, at(now))),
        2 => (lanes(), age(), end).prop_map(|(lane, age, end)| Operation::EndRun(lane, age, end)),
        4 => (lanes(), age(), vec((select(&ITEMS[..]), 0_i64..9), 0..4)).prop_map(|(lane, age, intents)| {
            let intents = intents.into_iter().map(|(id, seconds)| intent(id, seconds)).collect();
            Operation::RecordIntents(lane, age, intents)
        }),
        10 => (lanes(), age()).prop_flat_map(|(lane, age)| {
            commit(lane).prop_map(move |commit| Operation::Commit(lane, age, commit))
        }),
        1 => (select(&KEYS[..]), option::of(".*")).prop_map(|(key, value)| Operation::PutFact(key, value)),
        1 => (select(&SUBSCRIPTIONS[..]), select(&LANES[..]))
            .prop_map(|(id, lane)| Operation::PutSubscription(subscription(id, lane))),
        1 => select(&SUBSCRIPTIONS[..]).prop_map(Operation::RemoveSubscription),
    ]
    .boxed()
}

fn lanes() -> impl Strategy<Value = LaneId> {
    select(&LANES[..]).prop_map(lane)
}

fn age() -> impl Strategy<Value = Age> {
    prop_oneof![9 => Just(Age::Latest), 1 => Just(Age::Overtaken)]
}

fn commit(lane: LaneId) -> impl Strategy<Value = Commit> {
    let link = (select(&ITEMS[..]), 0_u128..4, 0_i64..9).prop_map(move |(id, number, seconds)| Link {
        lane,
        at: at(seconds),
        ..link(id, number)
    });
    (
        option::of("[a-z]{0,9}").prop_map(|link| link.map(|link| cursor(&link))),
        vec(a_decision(lane), 0..5),
        vec(link, 0..3),
        vec(select(&ITEMS[..]).prop_map(item), 0..4),
        any::<bool>(),
    )
        .prop_map(|(cursor, decisions, links, closed, caught_up)| Commit {
            cursor,
            decisions,
            links,
            closed,
            caught_up,
        })
}

fn ruled(rule: Option<String>) -> Outcome {
    let by = rule.map_or(RuledBy::ForwardsAreNotReplies, RuledBy::Rule);
    Outcome::Ruled { ruling: Ruling { by, because: "its sender is “kim”".into() } }
}

fn a_decision(lane: LaneId) -> impl Strategy<Value = Decision> {
    let outcome = prop_oneof![
        3 => (0_i64..9).prop_map(waiting),
        2 => (0_u128..4).prop_map(promoted),
        1 => option::of(0_u128..4).prop_map(|number| Outcome::Duplicate { record: number.map(record) }),
        1 => Just(Outcome::Skipped { reason: NotACandidate::Draft }),
        1 => option::of("[a-z]{0,9}").prop_map(ruled),
        1 => Just(Outcome::Gone),
    ];
    let text = || prop_oneof![3 => select(&TEXTS[..]).prop_map(str::to_owned), 1 => ".*"];
    (select(&ITEMS[..]), outcome, text(), text(), select(&TEXTS[..]), 0_i64..9).prop_map(
        move |(id, outcome, subject, sender, message_id, decided)| Decision {
            lane,
            message_id: InternetMessageId::new(message_id),
            subject,
            sender,
            decided: at(decided),
            ..decision(id, outcome)
        },
    )
}

/// Does the same to both stores, and compares what each call returned and all that can be read at the end.
pub(crate) async fn compare(store: &dyn Store, operations: &[Operation]) {
    let model = MemoryStore::default();
    for operation in operations {
        assert_eq!(run(store, operation).await, run(&model, operation).await, "{operation:?}");
    }
    /// Asks both stores the same.
    macro_rules! same {
        ($($question:tt)*) => {
            assert_eq!(
                store.$($question)*.await.unwrap(),
                model.$($question)*.await.unwrap(),
                stringify!($($question)*)
            )
        };
    }
    same!(installation());
    same!(mailboxes());
    same!(lanes());
    same!(tally(None));
    same!(subscriptions());
    let items: Vec<ItemId> = ITEMS.into_iter().map(item).collect();
    for lane in LANES.map(lane) {
        same!(lane(lane));
        same!(cursor(lane));
        same!(open_intents(lane));
        same!(due(lane, at(5), 100));
        same!(due(lane, Timestamp::MAX, 2));
        same!(next_due(lane));
        same!(tally(Some(lane)));
        let by_item = |mut decisions: Vec<Decision>| {
            decisions.sort_by(|one, other| one.item.cmp(&other.item));
            decisions
        };
        let (stored, expected) = (store.decisions(lane, &items).await, model.decisions(lane, &items).await);
        assert_eq!(by_item(stored.unwrap()), by_item(expected.unwrap()));
    }
    for search in searches() {
        let (found, expected) = (store.search(&search).await, model.search(&search).await);
        assert_eq!(found.unwrap(), expected.unwrap(), "{search:?}");
    }
    for record in (0..4).map(record) {
        same!(links_of(record));
    }
    for key in KEYS {
        same!(fact(key));
    }
    for id in SUBSCRIPTIONS {
        same!(subscription(id));
    }
}

/// Calls the store; what it answers, with errors as text.
async fn run(store: &dyn Store, operation: &Operation) -> Result<Option<Epoch>, String> {
    let done = match operation {
        Operation::BeginRun(lane, now) => {
            return store.begin_run(*lane, *now).await.map(Some).map_err(|error| error.to_string());
        }
        Operation::Bind(installation) => store.bind(installation).await,
        Operation::PutMailboxes(rows) => store.put_mailboxes(rows).await,
        Operation::EndRun(lane, age, end) => store.end_run(*lane, epoch(store, *lane, *age).await, end).await,
        Operation::RecordIntents(lane, age, intents) => {
            store.record_intents(*lane, epoch(store, *lane, *age).await, intents).await
        }
        Operation::Commit(lane, age, commit) => {
            store.commit(*lane, epoch(store, *lane, *age).await, commit).await
        }
        Operation::PutFact(key, value) => store.put_fact(key, value.as_deref()).await,
        Operation::PutSubscription(subscription) => store.put_subscription(subscription).await,
        Operation::RemoveSubscription(id) => store.remove_subscription(id).await,
    };
    done.map(|()| None).map_err(|error| error.to_string())
}

async fn epoch(store: &dyn Store, lane: LaneId, age: Age) -> Epoch {
    let latest = store.lane(lane).await.unwrap().map_or(Epoch(0), |lane| lane.epoch);
    match age {
        Age::Latest => latest,
        Age::Overtaken => Epoch(latest.0 - 1),
    }
}

fn searches() -> Vec<Search> {
    let texts = TEXTS.into_iter().map(|text| Search::Text(text.into()));
    let message_ids = TEXTS.into_iter().map(|text| Search::MessageId(format!("<{text}>")));
    let items = ITEMS.into_iter().map(|id| Search::Item(item(id)));
    let records = (0..4).map(|number| Search::Record(record(number)));
    let outcomes = ["waiting", "promoted", "gone"]
        .into_iter()
        .flat_map(|name| [None, Some(lane(1)), Some(lane(2))].map(|lane| Search::Outcome(name.into(), lane)));
    texts.chain(message_ids).chain(items).chain(records).chain(outcomes).collect()
}
