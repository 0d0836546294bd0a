//! What survives: a restart, a crash, a call that is given up half-way, many lanes at once.

use std::{fs, future::poll_fn, path::Path, pin::pin, task::Poll};

use super::*;
use crate::contract::samples::{
    at, cursor, decide, decision, ended_well, filtered, installation, intent, item, lane, link, mailbox, of,
    promoted, record, subscription, waiting,
};

/// A page's worth of everything.
fn page() -> Commit {
    Commit {
        cursor: Some(cursor("next page")),
        decisions: (0..40).map(|number| decision(&format!("{number:02}"), promoted(number))).collect(),
        links: (0..40).map(|number| link(&format!("{number:02}"), number)).collect(),
        closed: vec![item("a")],
        caught_up: true,
    }
}

#[tokio::test]
async fn everything_is_found_again_after_a_restart() {
    let (store, folder) = opened().await;
    store.bind(&installation(1, 1)).await.unwrap();
    store.put_mailboxes(&[mailbox(1, "Anna")]).await.unwrap();
    let epoch = store.begin_run(lane(1), at(0)).await.unwrap();
    store.record_intents(lane(1), epoch, &[intent("a", 0), intent("b", 0)]).await.unwrap();
    store.commit(lane(1), epoch, &page()).await.unwrap();
    store.commit(lane(1), epoch, &of(vec![decision("w", waiting(5))])).await.unwrap();
    store.end_run(lane(1), epoch, &ended_well()).await.unwrap();
    store.put_fact("route", Some("soap")).await.unwrap();
    store.put_subscription(&subscription("s", 1)).await.unwrap();
    let health = store.lane(lane(1)).await.unwrap();
    store.close().await;
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(left, ["hybridge.db"], "the log is folded in");

    let store = SqliteStore::open(&path(&folder), WRITE).await.unwrap();
    assert_eq!(store.installation().await.unwrap(), Some(installation(1, 1)));
    assert_eq!(store.mailboxes().await.unwrap(), [mailbox(1, "Anna")]);
    assert_eq!(store.lane(lane(1)).await.unwrap(), health);
    assert_eq!(store.cursor(lane(1)).await.unwrap(), page().cursor);
    assert_eq!(store.open_intents(lane(1)).await.unwrap(), [intent("b", 0)]);
    assert_eq!(store.tally(None).await.unwrap(), [("promoted".into(), 40), ("waiting".into(), 1)].into());
    assert_eq!(store.due(lane(1), at(5), 9).await.unwrap(), [decision("w", waiting(5))]);
    assert_eq!(store.links_of(record(7)).await.unwrap(), [link("07", 7)]);
    assert_eq!(store.fact("route").await.unwrap().as_deref(), Some("soap"));
    assert_eq!(store.subscriptions().await.unwrap(), [subscription("s", 1)]);
    assert!(store.begin_run(lane(1), at(9)).await.unwrap() > epoch, "epochs go on");
}

/// The files as a crash at this instant would leave them.
fn crash(folder: &TempDir) -> TempDir {
    let image = tempfile::tempdir().unwrap();
    for name in ["hybridge.db", "hybridge.db-wal"] {
        fs::copy(folder.path().join(name), image.path().join(name)).unwrap();
    }
    image
}

#[tokio::test]
async fn after_a_crash_what_was_committed_is_there_and_what_was_not_is_not() {
    let (store, folder) = opened().await;
    let epoch = store.begin_run(lane(1), at(0)).await.unwrap();
    store.commit(lane(1), epoch, &page()).await.unwrap();

    // A transaction too large for the page cache: SQLite writes parts of it before its commit.
    let mut unfinished = store.write().await.unwrap();
    sqlx::query("PRAGMA cache_size = 10").execute(&mut *unfinished).await.unwrap();
    let Run { key, .. } = run(&mut unfinished, lane(1), epoch).await.unwrap();
    let many: Vec<_> = (0..2_000).map(|number| decision(&format!("u{number}"), filtered())).collect();
    rows::put_decisions(&mut unfinished, key, &many).await.unwrap();

    for mode in [SqliteMode::ReadOnly, WRITE] {
        let image = crash(&folder);
        assert!(fs::metadata(image.path().join("hybridge.db-wal")).unwrap().len() > 1_000_000);
        let after = SqliteStore::open(&path(&image), mode).await.unwrap();
        assert_eq!(after.tally(None).await.unwrap(), [("promoted".into(), 40)].into(), "{mode:?}");
        assert_eq!(after.cursor(lane(1)).await.unwrap(), page().cursor);
    }
    drop(unfinished);
    assert_eq!(store.tally(None).await.unwrap(), [("promoted".into(), 40)].into());
    store.commit(lane(1), epoch, &of(many)).await.unwrap();
}

#[tokio::test]
async fn a_commit_that_is_given_up_leaves_all_or_nothing() {
    let (mut nothing, mut all) = (0, 0);
    for polls in 0..40 {
        let (store, _folder) = opened().await;
        let epoch = store.begin_run(lane(1), at(0)).await.unwrap();
        store.record_intents(lane(1), epoch, &[intent("a", 0)]).await.unwrap();
        {
            let page = page();
            let mut commit = pin!(store.commit(lane(1), epoch, &page));
            let mut left = polls;
            // Each poll follows a wake-up; the future is dropped at the one after the last.
            poll_fn(|context| {
                if left == 0 {
                    return Poll::Ready(());
                }
                left -= 1;
                commit.as_mut().poll(context).map(Result::unwrap)
            })
            .await;
        }
        // This run's next write waits for the connection, and so for the end of the former.
        store.put_fact("next", Some("write")).await.unwrap();
        let decided = store.tally(None).await.unwrap().into_values().sum::<u64>();
        let moved = store.cursor(lane(1)).await.unwrap().is_some();
        let open = store.open_intents(lane(1)).await.unwrap().len();
        match (decided, moved, open) {
            (0, false, 1) => nothing += 1,
            (40, true, 0) => all += 1,
            half => panic!("half a commit after {polls} polls: {half:?}"),
        }
    }
    assert!(nothing > 0 && all > 0, "both were seen");
}

#[tokio::test]
async fn a_transaction_that_sqlite_undoes_by_itself_does_not_block_the_next() {
    // It does so when the disk is full or fails, depending on the moment.
    let (store, _folder) = opened().await;
    for _ in 0..3 {
        let mut transaction = store.write().await.unwrap();
        sqlx::query("INSERT INTO fact VALUES ('a', 'b')").execute(&mut *transaction).await.unwrap();
        sqlx::query("ROLLBACK").execute(&mut *transaction).await.unwrap();
        drop(transaction);
    }
    assert_eq!(store.fact("a").await.unwrap(), None);
    store.begin_run(lane(1), at(0)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_lanes_write_at_once_while_others_read() {
    let (store, folder) = opened().await;
    let reader = SqliteStore::open(&path(&folder), SqliteMode::ReadOnly).await.unwrap();
    let mut lanes = tokio::task::JoinSet::new();
    for number in 1..=50 {
        let store = store.clone();
        lanes.spawn(async move {
            let lane = lane(number);
            for round in 0..4 {
                let epoch = store.begin_run(lane, at(round)).await.unwrap();
                let mut decision = decision("a", waiting(round));
                decision.lane = lane;
                store.commit(lane, epoch, &of(vec![decision])).await.unwrap();
                store.end_run(lane, epoch, &ended_well()).await.unwrap();
                assert_eq!(
                    store.next_due(lane).await.unwrap(),
                    Some(at(round)),
                    "reads see one's own writes"
                );
            }
        });
        assert!(reader.lanes().await.unwrap().len() <= 50);
    }
    while let Some(ended) = lanes.join_next().await {
        ended.unwrap();
    }
    assert_eq!(reader.tally(None).await.unwrap(), [("waiting".into(), 50)].into());
    assert_eq!(reader.lanes().await.unwrap().iter().map(|lane| lane.epoch.0).min(), Some(4));
}

#[tokio::test]
async fn two_programs_that_start_at_once_make_one_database() {
    // Many times, as it takes luck to hit the instant at which SQLite does not wait.
    for _ in 0..40 {
        let folder = tempfile::tempdir().unwrap();
        let path = path(&folder);
        let (one, two) = tokio::join!(SqliteStore::open(&path, WRITE), SqliteStore::open(&path, WRITE));
        let (one, two) = (one.unwrap(), two.unwrap());
        decide(&one, vec![decision("a", filtered())]).await;
        assert_eq!(two.tally(None).await.unwrap(), [("filtered".into(), 1)].into());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_own_account_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let (store, folder) = opened().await;
    decide(&store, vec![decision("a", filtered())]).await;
    let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
    for name in ["hybridge.db", "hybridge.db-wal", "hybridge.db-shm"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
}

#[tokio::test]
async fn names_that_mean_something_to_sqlite_are_names_of_files() {
    let folder = tempfile::tempdir().unwrap();
    for name in [":memory:", "file:x?mode=memory", "100% käse #1?.db"] {
        let path = folder.path().join(name);
        let store = SqliteStore::open(&path, WRITE).await.unwrap();
        decide(&store, vec![decision("a", filtered())]).await;
        store.close().await;
        assert!(fs::metadata(Path::new(&path)).unwrap().len() > 0, "{name}");
    }
}
