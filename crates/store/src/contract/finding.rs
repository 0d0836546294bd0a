//! Finding decisions again: by time, by search, by count.

use hybridge_core::{decision::Decision, message::InternetMessageId};
use jiff::Timestamp;

use super::samples::{
    at, decide, decision, ended_well, filtered, item, items, lane, of, promoted, record, waiting,
};
use crate::{Search, Store, Tally};

/// A decision of the second lane.
async fn decide_elsewhere(store: &dyn Store, mut decision: Decision) {
    decision.lane = lane(2);
    let epoch = store.begin_run(lane(2), at(0)).await.unwrap();
    store.commit(lane(2), epoch, &of(vec![decision])).await.unwrap();
    store.end_run(lane(2), epoch, &ended_well()).await.unwrap();
}

pub(crate) async fn what_waits_is_due_longest_overdue_first(store: &dyn Store) {
    let decisions = vec![
        decision("d", waiting(30)),
        decision("a", waiting(20)),
        decision("c", waiting(10)),
        decision("b", waiting(20)),
        decision("e", filtered()),
    ];
    decide(store, decisions).await;
    decide_elsewhere(store, decision("z", waiting(1))).await;
    let due = async |now, limit| {
        let due = store.due(lane(1), now, limit).await.unwrap();
        items(&due).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(due(at(9), 10).await.is_empty());
    assert_eq!(due(at(10), 10).await, ["c"], "to the nanosecond");
    assert!(due(at(10) - jiff::SignedDuration::from_nanos(1), 10).await.is_empty());
    assert_eq!(due(at(1000), 10).await, ["c", "a", "b", "d"]);
    assert_eq!(due(at(1000), 2).await, ["c", "a"]);
    assert!(due(at(1000), 0).await.is_empty());
    assert_eq!(due(Timestamp::MAX, 1).await, ["c"]);
    assert_eq!(store.due(lane(3), at(1000), 10).await.unwrap(), []);
}

pub(crate) async fn the_next_due_instant_is_known(store: &dyn Store) {
    assert_eq!(store.next_due(lane(1)).await.unwrap(), None);
    decide(store, vec![decision("a", waiting(20)), decision("b", waiting(10)), decision("c", filtered())])
        .await;
    decide_elsewhere(store, decision("z", waiting(1))).await;
    let next = store.next_due(lane(1)).await.unwrap().unwrap();
    assert_eq!(next, at(10));
    assert_eq!(
        items(&store.due(lane(1), next, 10).await.unwrap()),
        ["b"],
        "something is due at that instant"
    );

    decide(store, vec![decision("a", filtered()), decision("b", filtered())]).await;
    assert_eq!(store.next_due(lane(1)).await.unwrap(), None);
}

pub(crate) async fn a_message_id_is_found_with_and_without_brackets(store: &dyn Store) {
    let mut bare = decision("b", filtered());
    bare.message_id = InternetMessageId::new("b@example.com");
    let mut none = decision("c", filtered());
    none.message_id = None;
    decide(store, vec![decision("a", filtered()), bare, none]).await;
    let found = async |id: &str| {
        let found = store.search(&Search::MessageId(id.into())).await.unwrap();
        items(&found).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    for id in ["<a@example.com>", "a@example.com", " <a@example.com> ", "<a@example.com", "a@example.com>"] {
        assert_eq!(found(id).await, ["a"], "{id}");
    }
    for id in ["<b@example.com>", "b@example.com"] {
        assert_eq!(found(id).await, ["b"], "{id}");
    }
    for id in ["", "<>", "a@example", "A@example.com", "%", "_@example.com"] {
        assert!(found(id).await.is_empty(), "{id:?}");
    }
}

pub(crate) async fn text_is_found_in_any_case(store: &dyn Store) {
    let mut german = decision("a", filtered());
    german.subject = "ÄRGER in der Straße".into();
    let mut greek = decision("b", filtered());
    greek.subject = "ΟΔΟΣΑΝ".into();
    let mut sender = decision("c", filtered());
    sender.sender = "Kim.Ärmel@Example.COM".into();
    decide(store, vec![german, greek, sender]).await;
    let found = async |text: &str| {
        let found = store.search(&Search::Text(text.into())).await.unwrap();
        items(&found).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(found("ärger").await, ["a"]);
    assert_eq!(found("STRAßE").await, ["a"]);
    assert_eq!(found("οδοσ").await, ["b"]);
    assert_eq!(found("ΟΔΟΣ").await, ["b"]);
    assert_eq!(found("kim.äRMel@").await, ["c"]);
    assert_eq!(found("KIM").await, ["a", "b", "c"]);
    assert_eq!(found("").await, ["a", "b", "c"], "the empty text is a part of every text");
    assert!(found("nowhere").await.is_empty());
    assert!(found("straße\nkim").await.is_empty(), "subject and sender are two texts");
}

pub(crate) async fn wildcards_are_ordinary_letters(store: &dyn Store) {
    let with = |id: &str, subject: &str| Decision { subject: subject.into(), ..decision(id, filtered()) };
    decide(store, vec![with("a", "100% sure"), with("b", "snake_case"), with("c", "a*b?[c]\\d")]).await;
    let found = async |text: &str| {
        let found = store.search(&Search::Text(text.into())).await.unwrap();
        items(&found).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(found("%").await, ["a"]);
    assert_eq!(found("_").await, ["b"]);
    assert_eq!(found("*").await, ["c"]);
    assert_eq!(found("[c]\\").await, ["c"]);
    for text in ["1%e", "s_ake", "a*c", "%%"] {
        assert!(found(text).await.is_empty(), "{text}");
    }
}

pub(crate) async fn a_record_is_found_by_its_id(store: &dyn Store) {
    use hybridge_core::decision::Outcome::Duplicate;
    let decisions = vec![
        decision("a", promoted(7)),
        decision("b", Duplicate { record: Some(record(7)) }),
        decision("c", Duplicate { record: None }),
        decision("d", promoted(8)),
    ];
    decide(store, decisions).await;
    decide_elsewhere(store, decision("a", Duplicate { record: Some(record(7)) })).await;
    let found = store.search(&Search::Record(record(7))).await.unwrap();
    let places: Vec<_> = found.iter().map(|decision| (decision.lane, &*decision.item.0)).collect();
    assert_eq!(places, [(lane(1), "a"), (lane(1), "b"), (lane(2), "a")]);
    assert_eq!(store.search(&Search::Record(record(9))).await.unwrap(), []);
    assert_eq!(store.search(&Search::Item(item("a"))).await.unwrap().len(), 2, "in both lanes");
}

pub(crate) async fn outcomes_are_found_by_name_and_lane(store: &dyn Store) {
    decide(store, vec![decision("a", filtered()), decision("b", promoted(1))]).await;
    decide_elsewhere(store, decision("c", filtered())).await;
    let found = async |name: &str, lane| {
        let found = store.search(&Search::Outcome(name.into(), lane)).await.unwrap();
        items(&found).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(found("filtered", None).await, ["a", "c"]);
    assert_eq!(found("filtered", Some(lane(1))).await, ["a"]);
    assert_eq!(found("filtered", Some(lane(2))).await, ["c"]);
    assert!(found("filtered", Some(lane(3))).await.is_empty());
    assert!(found("Filtered", None).await.is_empty());
    assert!(found("gone", None).await.is_empty());
}

pub(crate) async fn the_newest_hundred_are_found(store: &dyn Store) {
    let decided =
        |number: i64| Decision { decided: at(number), ..decision(&format!("{number:03}"), filtered()) };
    decide(store, (0..150).map(decided).collect()).await;
    let expected: Vec<String> = (50..150).rev().map(|number| format!("{number:03}")).collect();
    for search in [
        Search::Text("QUOTE".into()),
        Search::Outcome("filtered".into(), None),
        Search::Outcome("filtered".into(), Some(lane(1))),
    ] {
        assert_eq!(items(&store.search(&search).await.unwrap()), expected, "{search:?}");
    }
}

pub(crate) async fn outcomes_are_counted(store: &dyn Store) {
    assert_eq!(store.tally(None).await.unwrap(), Tally::new());
    decide(store, vec![decision("a", filtered()), decision("b", filtered()), decision("c", promoted(1))])
        .await;
    decide_elsewhere(store, decision("a", filtered())).await;
    let counted = |counts: &[(&str, u64)]| {
        counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect::<Tally>()
    };
    assert_eq!(store.tally(None).await.unwrap(), counted(&[("filtered", 3), ("promoted", 1)]));
    assert_eq!(store.tally(Some(lane(1))).await.unwrap(), counted(&[("filtered", 2), ("promoted", 1)]));
    assert_eq!(store.tally(Some(lane(2))).await.unwrap(), counted(&[("filtered", 1)]));
    assert_eq!(store.tally(Some(lane(3))).await.unwrap(), Tally::new());
}
