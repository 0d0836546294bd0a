//! What can't be opened or written: each has its own error, and leaves everything as it was.

use std::{fs, time::Duration};

use super::*;
use crate::contract::samples::{at, cursor, decide, decision, ended_well, filtered, intent, lane, of};

const IMPATIENT: Tuning = Tuning { patience: Duration::ZERO, most_pages: None };

async fn refused(path: &Path, mode: SqliteMode) -> Error {
    SqliteStore::open(path, mode).await.unwrap_err()
}

#[tokio::test]
async fn a_file_or_folder_that_is_not_there_can_not_be_opened() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("no such folder").join("hybridge.db");
    for (path, mode) in [
        (&nowhere, WRITE),
        (&path(&folder), SqliteMode::ReadWrite { create: false }),
        (&path(&folder), SqliteMode::ReadOnly),
        (&folder.path().to_owned(), WRITE),
    ] {
        let refusal = refused(path, mode).await;
        assert!(matches!(&refusal, Error::Open { path: named, .. } if *named == path.display().to_string()));
        assert!(refusal.to_string().contains("can't be opened"), "{refusal}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was made");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_damaged_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = b"Dear Kim, here are the figures. ".repeat(500);
    fs::write(path(&folder), &garbage).unwrap();
    for mode in [WRITE, SqliteMode::ReadOnly] {
        let refusal = refused(&path(&folder), mode).await;
        assert!(matches!(refusal, Error::Damaged(_)), "{refusal}");
    }
    assert_eq!(fs::read(path(&folder)).unwrap(), garbage);
}

#[tokio::test]
async fn a_damaged_database_says_so() {
    let (store, folder) = opened().await;
    decide(&store, (0..500).map(|number| decision(&number.to_string(), filtered())).collect()).await;
    store.close().await;
    let mut bytes = fs::read(path(&folder)).unwrap();
    // The first page, with the schema, stays whole.
    bytes.iter_mut().skip(8 * 4096).for_each(|byte| *byte = 0xAA);
    fs::write(path(&folder), bytes).unwrap();

    let store = SqliteStore::open(&path(&folder), SqliteMode::ReadOnly).await.unwrap();
    let damaged = store.search(&Search::Text("quote".into())).await.unwrap_err();
    assert!(matches!(damaged, Error::Damaged(_)), "{damaged}");
}

#[tokio::test]
async fn a_value_that_can_not_be_read_back_says_which() {
    let (store, _folder) = opened().await;
    decide(&store, vec![decision("a", filtered())]).await;
    sqlx::query("UPDATE decision SET body = '{}'").execute(&store.writer).await.unwrap();
    let unreadable = store.search(&Search::Text(String::new())).await.unwrap_err();
    assert!(matches!(unreadable, Error::Unreadable { what: "decision", .. }), "{unreadable}");
    sqlx::query("UPDATE lane SET name = 'faxes/7'").execute(&store.writer).await.unwrap();
    let unreadable = store.lanes().await.unwrap_err();
    assert!(matches!(unreadable, Error::Unreadable { what: "lane", .. }), "{unreadable}");
}

#[tokio::test]
async fn another_programs_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let others = SqlitePool::connect_with(options(&folder)).await.unwrap();
    sqlx::query("CREATE TABLE recipe (name TEXT)").execute(&others).await.unwrap();
    others.close().await;
    let before = fs::read(path(&folder)).unwrap();
    for mode in [WRITE, SqliteMode::ReadOnly] {
        let refusal = refused(&path(&folder), mode).await;
        assert!(matches!(refusal, Error::Foreign { .. }), "{refusal}");
    }
    assert_eq!(fs::read(path(&folder)).unwrap(), before);
}

fn options(folder: &TempDir) -> sqlx::sqlite::SqliteConnectOptions {
    sqlx::sqlite::SqliteConnectOptions::new().filename(path(folder)).create_if_missing(true)
}

#[tokio::test]
async fn a_newer_schema_is_not_touched() {
    let (store, folder) = opened().await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         VALUES (99, 'of the future', TRUE, x'00', 0)",
    )
    .execute(&store.writer)
    .await
    .unwrap();
    store.close().await;
    for mode in [WRITE, SqliteMode::ReadOnly] {
        let refusal = refused(&path(&folder), mode).await;
        assert!(matches!(refusal, Error::NewerSchema { found: 99, known: 1 }), "{refusal}");
    }
}

#[tokio::test]
async fn an_older_schema_is_brought_up_to_date_but_not_by_a_reader() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(path(&folder), "").unwrap();
    let refusal = refused(&path(&folder), SqliteMode::ReadOnly).await;
    assert!(matches!(refusal, Error::OlderSchema { found: 0, known: 1 }), "{refusal}");
    SqliteStore::open(&path(&folder), SqliteMode::ReadWrite { create: false }).await.unwrap().close().await;
    SqliteStore::open(&path(&folder), SqliteMode::ReadOnly).await.unwrap();
}

#[tokio::test]
async fn a_reader_reads_beside_the_writer_and_writes_nothing() {
    let (writer, folder) = opened().await;
    let reader = SqliteStore::open(&path(&folder), SqliteMode::ReadOnly).await.unwrap();
    decide(&writer, vec![decision("a", filtered())]).await;
    assert_eq!(reader.search(&Search::Text("quote".into())).await.unwrap(), [decision("a", filtered())]);

    let epoch = reader.lane(lane(1)).await.unwrap().unwrap().epoch;
    for refusal in [
        reader.begin_run(lane(1), at(0)).await.map(drop),
        reader.commit(lane(1), epoch, &of(vec![decision("b", filtered())])).await,
        reader.end_run(lane(1), epoch, &ended_well()).await,
        reader.put_fact("route", Some("soap")).await,
        reader.put_mailboxes(&[]).await,
    ] {
        let refusal = refusal.unwrap_err();
        assert!(matches!(refusal, Error::ReadOnly), "{refusal}");
    }
    assert_eq!(reader.tally(None).await.unwrap(), [("filtered".into(), 1)].into());
}

#[cfg(unix)]
#[tokio::test]
async fn in_a_folder_without_write_permission_the_database_can_not_be_opened() {
    use std::os::unix::fs::PermissionsExt;
    let (store, folder) = opened().await;
    store.close().await;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o500)).unwrap();
    if fs::write(folder.path().join("probe"), "").is_ok() {
        return; // The superuser writes everywhere; nothing can be refused here.
    }
    let refusal = refused(&path(&folder), WRITE).await;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(matches!(refusal, Error::Open { .. } | Error::ReadOnly), "{refusal}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_without_write_permission_is_read_only() {
    use std::os::unix::fs::PermissionsExt;
    let (store, folder) = opened().await;
    store.close().await;
    fs::set_permissions(path(&folder), fs::Permissions::from_mode(0o400)).unwrap();
    if fs::OpenOptions::new().write(true).open(path(&folder)).is_ok() {
        return; // The superuser writes everywhere; nothing can be refused here.
    }
    let refusal = refused(&path(&folder), WRITE).await;
    assert!(matches!(refusal, Error::ReadOnly), "{refusal}");
}

#[tokio::test]
async fn while_another_program_holds_the_database_it_is_locked() {
    let (store, folder) = opened().await;
    let other = opening::open(&path(&folder), WRITE, IMPATIENT).await.unwrap();
    let held = store.write().await.unwrap();
    let refusal = other.begin_run(lane(1), at(0)).await.unwrap_err();
    assert!(matches!(refusal, Error::Locked), "{refusal}");
    let refusal = opening::open(&path(&folder), WRITE, IMPATIENT).await.unwrap_err();
    assert!(matches!(refusal, Error::Locked), "{refusal}");
    assert_eq!(other.lanes().await.unwrap(), [], "reading goes on");

    drop(held);
    store.put_fact("the lock", Some("is given back")).await.unwrap();
    other.begin_run(lane(1), at(0)).await.unwrap();
}

#[tokio::test]
async fn on_a_full_disk_nothing_is_half_done_and_once_there_is_space_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let small = Tuning { most_pages: Some(80), ..Tuning::default() };
    let store = opening::open(&path(&folder), WRITE, small).await.unwrap();
    let epoch = store.begin_run(lane(1), at(0)).await.unwrap();
    let filler: Vec<_> = (0..100).map(|number| decision(&format!("filler {number}"), filtered())).collect();
    store.commit(lane(1), epoch, &of(filler)).await.unwrap();
    store.record_intents(lane(1), epoch, &[intent("a", 0)]).await.unwrap();

    let large = Commit {
        cursor: Some(cursor("next page")),
        decisions: (0..300).map(|number| decision(&number.to_string(), filtered())).collect(),
        closed: vec![intent("a", 0).item],
        ..Commit::default()
    };
    for _ in 0..3 {
        let refusal = store.commit(lane(1), epoch, &large).await.unwrap_err();
        assert!(matches!(refusal, Error::DiskFull), "{refusal}");
    }
    assert_eq!(store.cursor(lane(1)).await.unwrap(), None);
    assert_eq!(store.tally(None).await.unwrap(), [("filtered".into(), 100)].into());
    assert_eq!(store.open_intents(lane(1)).await.unwrap(), [intent("a", 0)]);

    sqlx::query("DELETE FROM decision WHERE item LIKE 'filler%'").execute(&store.writer).await.unwrap();
    let fits = Commit { decisions: large.decisions[..50].to_vec(), ..large };
    store.commit(lane(1), epoch, &fits).await.unwrap();
    assert_eq!(store.cursor(lane(1)).await.unwrap(), fits.cursor);
    assert_eq!(store.open_intents(lane(1)).await.unwrap(), []);
}

#[tokio::test]
async fn every_refusal_says_what_to_do() {
    let at_fault = Error::Open { path: "x".into(), detail: "y".into() };
    let lane = lane(1);
    for error in [
        at_fault,
        Error::Foreign { path: "x".into() },
        Error::NewerSchema { found: 2, known: 1 },
        Error::OlderSchema { found: 1, known: 2 },
        Error::DiskFull,
        Error::ReadOnly,
        Error::Locked,
        Error::Damaged("x".into()),
        Error::Unreadable { what: "lane", detail: "y".into() },
        Error::Database("x".into()),
        Error::Fenced { lane, epoch: Epoch(1) },
        Error::OtherLane { lane, other: lane },
    ] {
        assert!(error.remedy().ends_with('.'), "{error}");
    }
}
