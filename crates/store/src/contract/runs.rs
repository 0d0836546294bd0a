//! Runs, their epochs and their health.

use super::samples::{at, cursor, decision, ended_well, filtered, intent, item, lane, link, of, trouble};
use crate::{Commit, Epoch, Error, Health, RunEnd, Store};

pub(crate) async fn each_run_has_a_higher_epoch(store: &dyn Store) {
    assert_eq!(store.lanes().await.unwrap(), []);
    assert_eq!(store.lane(lane(1)).await.unwrap(), None);
    let first = store.begin_run(lane(1), at(0)).await.unwrap();
    let other = store.begin_run(lane(2), at(1)).await.unwrap();
    let second = store.begin_run(lane(1), at(2)).await.unwrap();
    assert!(second > first);

    let lanes = store.lanes().await.unwrap();
    let shown: Vec<_> = lanes.iter().map(|lane| (lane.id, lane.epoch)).collect();
    assert_eq!(shown, [(lane(1), second), (lane(2), other)]);
    assert_eq!(store.lane(lane(2)).await.unwrap().as_ref(), lanes.get(1));
}

pub(crate) async fn health_tells_how_the_runs_ended(store: &dyn Store) {
    let health = async || store.lane(lane(1)).await.unwrap().unwrap().health;
    let epoch = store.begin_run(lane(1), at(0)).await.unwrap();
    assert_eq!(health().await, Health { last_started: Some(at(0)), ..Health::default() });

    store.end_run(lane(1), epoch, &ended_well()).await.unwrap();
    let well = Health {
        last_started: Some(at(0)),
        last_succeeded: Some(at(10)),
        next_due: Some(at(300)),
        ..Health::default()
    };
    assert_eq!(health().await, well);

    for failures in 1..=3 {
        let epoch = store.begin_run(lane(1), at(20)).await.unwrap();
        let end = RunEnd { at: at(21), trouble: Some(trouble("no answer")), next_due: at(400) };
        store.end_run(lane(1), epoch, &end).await.unwrap();
        let ill = Health {
            last_started: Some(at(20)),
            failures,
            trouble: Some(trouble("no answer")),
            next_due: Some(at(400)),
            ..well.clone()
        };
        assert_eq!(health().await, ill);
    }

    let epoch = store.begin_run(lane(1), at(0)).await.unwrap();
    store.end_run(lane(1), epoch, &ended_well()).await.unwrap();
    assert_eq!(health().await, well);
}

pub(crate) async fn an_overtaken_run_can_store_nothing(store: &dyn Store) {
    let slow = store.begin_run(lane(1), at(0)).await.unwrap();
    let newer = store.begin_run(lane(1), at(1)).await.unwrap();
    refused(store, slow).await;

    // The newer run goes on as if nothing had happened.
    store.record_intents(lane(1), newer, &[intent("a", 1)]).await.unwrap();
    store.commit(lane(1), newer, &of(vec![decision("a", filtered())])).await.unwrap();
    store.end_run(lane(1), newer, &ended_well()).await.unwrap();
}

pub(crate) async fn a_lane_that_never_ran_can_store_nothing(store: &dyn Store) {
    let foreign = store.begin_run(lane(2), at(0)).await.unwrap();
    refused(store, foreign).await;
    assert_eq!(store.lane(lane(1)).await.unwrap(), None);
}

/// Every write of this run of the first lane is refused, and leaves nothing.
async fn refused(store: &dyn Store, epoch: Epoch) {
    let before = store.lane(lane(1)).await.unwrap();
    let commit = Commit {
        cursor: Some(cursor("slow")),
        decisions: vec![decision("a", filtered())],
        links: vec![link("a", 1)],
        closed: vec![item("a")],
        caught_up: true,
    };
    for refusal in [
        store.end_run(lane(1), epoch, &ended_well()).await,
        store.record_intents(lane(1), epoch, &[intent("a", 0)]).await,
        store.commit(lane(1), epoch, &commit).await,
        store.commit(lane(1), epoch, &Commit::default()).await,
    ] {
        let refusal = refusal.unwrap_err();
        assert!(
            matches!(refusal, Error::Fenced { lane: of, epoch: run } if of == lane(1) && run == epoch),
            "{refusal}"
        );
    }
    assert_eq!(store.lane(lane(1)).await.unwrap(), before);
    assert_eq!(store.open_intents(lane(1)).await.unwrap(), []);
    assert_eq!(store.cursor(lane(1)).await.unwrap(), None);
    assert_eq!(store.decisions(lane(1), &[item("a")]).await.unwrap(), []);
}

pub(crate) async fn a_lane_stays_caught_up(store: &dyn Store) {
    let caught_up = async || store.lane(lane(1)).await.unwrap().unwrap().health.caught_up;
    let epoch = store.begin_run(lane(1), at(0)).await.unwrap();
    store.commit(lane(1), epoch, &Commit::default()).await.unwrap();
    assert!(!caught_up().await);
    let done = Commit { caught_up: true, ..Commit::default() };
    store.commit(lane(1), epoch, &done).await.unwrap();
    assert!(caught_up().await);
    store.commit(lane(1), epoch, &Commit::default()).await.unwrap();
    store.end_run(lane(1), epoch, &ended_well()).await.unwrap();
    assert!(caught_up().await);
}

pub(crate) async fn runs_that_begin_at_once_have_epochs_of_their_own(store: &dyn Store) {
    let (one, two, three) = tokio::join!(
        store.begin_run(lane(1), at(0)),
        store.begin_run(lane(1), at(0)),
        store.begin_run(lane(1), at(0)),
    );
    let mut epochs = [one.unwrap(), two.unwrap(), three.unwrap()];
    epochs.sort();
    let [first, second, third] = epochs;
    assert!(first < second && second < third);
    assert_eq!(store.lane(lane(1)).await.unwrap().unwrap().epoch, third);
}

pub(crate) async fn lanes_do_not_disturb_each_other(store: &dyn Store) {
    let one = store.begin_run(lane(1), at(0)).await.unwrap();
    let two = store.begin_run(lane(2), at(0)).await.unwrap();
    let mut theirs = decision("a", filtered());
    theirs.lane = lane(2);
    let (of_one, of_two) =
        (of(vec![decision("a", filtered()), decision("b", filtered())]), of(vec![theirs.clone()]));
    let (stored, also_stored) =
        tokio::join!(store.commit(lane(1), one, &of_one), store.commit(lane(2), two, &of_two));
    stored.unwrap();
    also_stored.unwrap();
    let asked = [item("a"), item("b")];
    assert_eq!(store.decisions(lane(1), &asked).await.unwrap().len(), 2);
    assert_eq!(store.decisions(lane(2), &asked).await.unwrap(), [theirs]);
    assert_eq!(store.decisions(lane(3), &asked).await.unwrap(), []);
}
