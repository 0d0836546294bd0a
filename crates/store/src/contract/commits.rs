//! Commits and intents: all or nothing, and the newest of each.

use hybridge_core::{
    attachment::LeftOut,
    candidate::NotACandidate,
    decision::{AttachmentLeftOut, Outcome},
    verdict::ReasonCode,
};

use super::samples::{
    at, cursor, decide, decision, filtered, intent, item, items, lane, link, of, promoted, record, trouble,
    waiting,
};
use crate::{Commit, Error, Search, Store};

pub(crate) async fn all_of_a_commit_is_stored(store: &dyn Store) {
    let epoch = store.begin_run(lane(1), at(0)).await.unwrap();
    assert_eq!(store.cursor(lane(1)).await.unwrap(), None);
    store.record_intents(lane(1), epoch, &[intent("a", 1), intent("b", 2)]).await.unwrap();
    let commit = Commit {
        cursor: Some(cursor("page 2")),
        decisions: vec![decision("a", promoted(7)), decision("c", filtered())],
        links: vec![link("a", 7)],
        closed: vec![item("a")],
        caught_up: true,
    };
    store.commit(lane(1), epoch, &commit).await.unwrap();
    assert_eq!(store.cursor(lane(1)).await.unwrap(), commit.cursor);
    assert_eq!(store.decisions(lane(1), &[item("a"), item("c")]).await.unwrap(), commit.decisions);
    assert_eq!(store.links_of(record(7)).await.unwrap(), commit.links);
    assert_eq!(store.open_intents(lane(1)).await.unwrap(), [intent("b", 2)]);

    // What a commit does not speak of stays as it is.
    store.commit(lane(1), epoch, &Commit::default()).await.unwrap();
    assert_eq!(store.cursor(lane(1)).await.unwrap(), commit.cursor);
    assert_eq!(store.open_intents(lane(1)).await.unwrap(), [intent("b", 2)]);
}

pub(crate) async fn nothing_of_a_refused_commit_is_stored(store: &dyn Store) {
    let slow = store.begin_run(lane(1), at(0)).await.unwrap();
    store.record_intents(lane(1), slow, &[intent("a", 1)]).await.unwrap();
    let first = Commit {
        cursor: Some(cursor("page 1")),
        decisions: vec![decision("a", waiting(5))],
        ..Commit::default()
    };
    store.commit(lane(1), slow, &first).await.unwrap();
    store.begin_run(lane(1), at(1)).await.unwrap();

    let late = Commit {
        cursor: Some(cursor("page 2")),
        decisions: vec![decision("a", promoted(7)), decision("b", promoted(8))],
        links: vec![link("a", 7)],
        closed: vec![item("a")],
        caught_up: true,
    };
    let refusal = store.commit(lane(1), slow, &late).await.unwrap_err();
    assert!(matches!(refusal, Error::Fenced { .. }), "{refusal}");
    assert_eq!(store.cursor(lane(1)).await.unwrap(), first.cursor);
    assert_eq!(store.decisions(lane(1), &[item("a"), item("b")]).await.unwrap(), first.decisions);
    assert_eq!(store.links_of(record(7)).await.unwrap(), []);
    assert_eq!(store.open_intents(lane(1)).await.unwrap(), [intent("a", 1)]);
    assert!(!store.lane(lane(1)).await.unwrap().unwrap().health.caught_up);
}

pub(crate) async fn what_belongs_to_another_lane_is_refused(store: &dyn Store) {
    let epoch = store.begin_run(lane(2), at(0)).await.unwrap();
    let decided = of(vec![decision("a", filtered())]);
    let linked = Commit { links: vec![link("a", 1)], ..Commit::default() };
    for foreign in [decided, linked] {
        let refusal = store.commit(lane(2), epoch, &foreign).await.unwrap_err();
        assert!(
            matches!(refusal, Error::OtherLane { lane: of, other } if of == lane(2) && other == lane(1)),
            "{refusal}"
        );
    }
    assert!(store.tally(None).await.unwrap().is_empty());
    assert_eq!(store.links_of(record(1)).await.unwrap(), []);
}

pub(crate) async fn a_decision_replaces_the_older_one_everywhere(store: &dyn Store) {
    decide(store, vec![decision("a", waiting(5))]).await;
    let mut later = decision("a", promoted(7));
    later.subject = "Order".into();
    later.decided = at(9);
    decide(store, vec![later.clone()]).await;

    assert_eq!(store.decisions(lane(1), &[item("a")]).await.unwrap(), [later]);
    assert_eq!(store.due(lane(1), at(1000), 10).await.unwrap(), []);
    assert_eq!(store.next_due(lane(1)).await.unwrap(), None);
    let found = async |search| store.search(&search).await.unwrap().len();
    assert_eq!(found(Search::Text("quote".into())).await, 0);
    assert_eq!(found(Search::Text("order".into())).await, 1);
    assert_eq!(found(Search::Outcome("waiting".into(), None)).await, 0);
    assert_eq!(found(Search::Record(record(7))).await, 1);
    assert_eq!(found(Search::Item(item("a"))).await, 1);
    assert_eq!(store.tally(None).await.unwrap(), [("promoted".to_owned(), 1)].into());
}

pub(crate) async fn a_link_replaces_the_older_one(store: &dyn Store) {
    let epoch = store.begin_run(lane(1), at(0)).await.unwrap();
    for number in [7, 8] {
        let linked = Commit { links: vec![link("a", number)], ..Commit::default() };
        store.commit(lane(1), epoch, &linked).await.unwrap();
    }
    assert_eq!(store.links_of(record(7)).await.unwrap(), []);
    assert_eq!(store.links_of(record(8)).await.unwrap(), [link("a", 8)]);

    // A record that several items led to: oldest link first.
    let mut older = link("b", 8);
    older.at = at(-1);
    let linked = Commit { links: vec![link("A", 8), older.clone()], ..Commit::default() };
    store.commit(lane(1), epoch, &linked).await.unwrap();
    assert_eq!(store.links_of(record(8)).await.unwrap(), [older, link("A", 8), link("a", 8)]);
}

pub(crate) async fn of_two_decisions_about_an_item_in_one_commit_the_last_counts(store: &dyn Store) {
    decide(store, vec![decision("a", filtered()), decision("a", Outcome::Gone)]).await;
    let found = store.decisions(lane(1), &[item("a"), item("a")]).await.unwrap();
    assert_eq!(found, [decision("a", Outcome::Gone)]);
    assert_eq!(store.tally(None).await.unwrap(), [("gone".to_owned(), 1)].into());
}

pub(crate) async fn intents_are_open_until_they_are_closed(store: &dyn Store) {
    let epoch = store.begin_run(lane(1), at(0)).await.unwrap();
    assert_eq!(store.open_intents(lane(1)).await.unwrap(), []);
    store.record_intents(lane(1), epoch, &[intent("c", 1), intent("b", 3), intent("a", 3)]).await.unwrap();
    assert_eq!(
        store.open_intents(lane(1)).await.unwrap(),
        [intent("c", 1), intent("a", 3), intent("b", 3)],
        "oldest first"
    );

    // A new run finds them, and may write one down anew.
    let epoch = store.begin_run(lane(1), at(4)).await.unwrap();
    store.record_intents(lane(1), epoch, &[intent("c", 5)]).await.unwrap();
    assert_eq!(store.open_intents(lane(1)).await.unwrap(), [intent("a", 3), intent("b", 3), intent("c", 5)]);
    assert_eq!(store.open_intents(lane(2)).await.unwrap(), []);

    let closed = Commit { closed: vec![item("b"), item("C"), item("never known")], ..Commit::default() };
    store.commit(lane(1), epoch, &closed).await.unwrap();
    assert_eq!(store.open_intents(lane(1)).await.unwrap(), [intent("a", 3), intent("c", 5)]);
}

pub(crate) async fn items_whose_ids_differ_in_case_are_two_items(store: &dyn Store) {
    // Two real ids can differ in one letter's case only (anchors.md section 8).
    let (upper, lower) = ("AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0AB", "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0Ab");
    let epoch = store.begin_run(lane(1), at(0)).await.unwrap();
    store.record_intents(lane(1), epoch, &[intent(upper, 0), intent(lower, 0)]).await.unwrap();
    let commit = Commit {
        decisions: vec![decision(upper, promoted(1)), decision(lower, filtered())],
        links: vec![link(upper, 1)],
        closed: vec![item(upper)],
        ..Commit::default()
    };
    store.commit(lane(1), epoch, &commit).await.unwrap();
    assert_eq!(store.decisions(lane(1), &[item(upper)]).await.unwrap(), [decision(upper, promoted(1))]);
    assert_eq!(store.decisions(lane(1), &[item(lower)]).await.unwrap(), [decision(lower, filtered())]);
    assert_eq!(store.search(&Search::Item(item(lower))).await.unwrap(), [decision(lower, filtered())]);
    assert_eq!(store.open_intents(lane(1)).await.unwrap(), [intent(lower, 0)]);
    assert_eq!(store.links_of(record(1)).await.unwrap(), [link(upper, 1)]);
}

pub(crate) async fn more_than_a_page_is_stored_at_once(store: &dyn Store) {
    let ids: Vec<String> = (0..1_234).map(|number| format!("item {number:04}")).collect();
    let epoch = store.begin_run(lane(1), at(0)).await.unwrap();
    let intents: Vec<_> = ids.iter().map(|id| intent(id, 0)).collect();
    store.record_intents(lane(1), epoch, &intents).await.unwrap();
    assert_eq!(store.open_intents(lane(1)).await.unwrap(), intents);
    let commit = Commit {
        decisions: ids.iter().map(|id| decision(id, filtered())).collect(),
        links: ids.iter().map(|id| link(id, 1)).collect(),
        closed: ids.iter().map(|id| item(id)).collect(),
        ..Commit::default()
    };
    store.commit(lane(1), epoch, &commit).await.unwrap();
    let mut found = store.decisions(lane(1), &commit.closed).await.unwrap();
    found.sort_by(|one, other| one.item.cmp(&other.item));
    assert_eq!(items(&found), ids);
    assert_eq!(store.links_of(record(1)).await.unwrap(), commit.links);
    assert_eq!(store.open_intents(lane(1)).await.unwrap(), []);
}

pub(crate) async fn every_outcome_comes_back_whole(store: &dyn Store) {
    let left_out = vec![AttachmentLeftOut {
        name: "plan.dwg".into(),
        size_bytes: u64::MAX,
        reason: LeftOut::LargerThanAllowed,
    }];
    let outcomes = [
        Outcome::Promoted { record: record(1), reason: ReasonCode::Other(-1), recovered: true, left_out },
        Outcome::Duplicate { record: Some(record(2)) },
        Outcome::Duplicate { record: None },
        filtered(),
        Outcome::Skipped { reason: NotACandidate::TooOld },
        waiting(5),
        Outcome::Failed { trouble: trouble("refused") },
        Outcome::Gone,
    ];
    let decisions: Vec<_> =
        outcomes.into_iter().zip('a'..).map(|(outcome, id)| decision(&id.to_string(), outcome)).collect();
    let asked: Vec<_> = decisions.iter().map(|decision| decision.item.clone()).collect();
    decide(store, decisions.clone()).await;
    let mut found = store.decisions(lane(1), &asked).await.unwrap();
    found.sort_by(|one, other| one.item.cmp(&other.item));
    assert_eq!(found, decisions);
}

pub(crate) async fn strange_text_comes_back_whole(store: &dyn Store) {
    let strange = "'; DROP TABLE decision; -- \u{0} \u{1F600} \"\\ \u{202e}\n%_";
    let mut odd = decision(strange, filtered());
    odd.subject = strange.into();
    odd.sender = strange.into();
    odd.message_id = None;
    odd.received = None;
    odd.first_seen = jiff::Timestamp::MIN;
    odd.steps.clear();
    decide(store, vec![odd.clone(), decision("a", filtered())]).await;
    assert_eq!(store.decisions(lane(1), &[item(strange)]).await.unwrap(), [odd.clone()]);
    assert_eq!(store.search(&Search::Item(item(strange))).await.unwrap(), [odd.clone()]);
    assert_eq!(store.search(&Search::Text(strange.into())).await.unwrap(), [odd]);
}
