//! The store of one node: an SQLite file in WAL mode.
//!
//! One connection writes, a few read beside it. Every write is one transaction that is on the disk when
//! the call returns (`synchronous=FULL`). Values are kept whole as JSON; the columns beside them are there
//! to be searched.

mod failure;
mod opening;
mod rows;
mod searching;
#[cfg(test)]
mod tests;

use std::path::Path;

use async_trait::async_trait;
use hybridge_core::{
    decision::Decision,
    ids::{ItemId, RecordId},
    lane::LaneId,
};
use jiff::Timestamp;
use sqlx::{Sqlite, SqliteConnection, SqlitePool, Transaction};

pub use self::opening::SqliteMode;
use self::{
    opening::Tuning,
    rows::{LaneKey, json, nanoseconds},
};
use crate::{
    Commit, Cursor, Epoch, Error, Health, Installation, Intent, Lane, Link, MailboxRow, Result, RunEnd,
    Search, Store, Subscription, Tally,
};

// The statements whose cost must not grow with the number of decisions; a test looks at their plans.
const DUE: &str = "SELECT body FROM decision WHERE lane = (SELECT id FROM lane WHERE name = ?) \
    AND due <= ? ORDER BY due, item LIMIT ?";
const NEXT_DUE: &str = "SELECT min(due) FROM decision WHERE lane = (SELECT id FROM lane WHERE name = ?) \
    AND due IS NOT NULL";
const OPEN_INTENTS: &str = "SELECT body FROM intent WHERE lane = (SELECT id FROM lane WHERE name = ?) \
    ORDER BY recorded, item";
const LINKS_OF: &str = "SELECT body FROM link JOIN lane ON lane.id = link.lane WHERE record = ? \
    ORDER BY linked, lane.name, item";
const TALLY_OF_LANE: &str = "SELECT outcome, count(*) FROM decision \
    WHERE lane = (SELECT id FROM lane WHERE name = ?) GROUP BY outcome";

/// A store in an SQLite file. A clone is another handle to the same connections.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    writer: SqlitePool,
    readers: SqlitePool,
}

/// A lane as the latest run of it finds it.
struct Run {
    key: LaneKey,
    health: Health,
}

impl SqliteStore {
    /// Opens a database file; see [`SqliteMode`].
    ///
    /// Fails with [`Error::Open`] where the file is missing or can't be opened, [`Error::Damaged`] where
    /// it is no database, [`Error::Foreign`] where it is another program's, [`Error::NewerSchema`] where a
    /// newer Hybridge wrote it, and for reading only also with [`Error::OlderSchema`].
    pub async fn open(path: &Path, mode: SqliteMode) -> Result<Self> {
        opening::open(path, mode, Tuning::default()).await
    }

    /// Waits for what is under way, then closes the file and folds the write-ahead log into it. Without
    /// this nothing is lost; the next start reads the log.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// A transaction that will write. It takes the write lock at once: one that first reads could lose
    /// it to another program half-way. Dropped before its commit, it leaves nothing.
    async fn write(&self) -> Result<Transaction<'static, Sqlite>> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }
}

/// The run, if it is still the lane's latest.
async fn run(connection: &mut SqliteConnection, lane: LaneId, epoch: Epoch) -> Result<Run> {
    let row: Option<(i64, String)> =
        sqlx::query_as("SELECT id, health FROM lane WHERE name = ? AND epoch = ?")
            .bind(rows::name(lane))
            .bind(epoch.0)
            .fetch_optional(connection)
            .await?;
    let (key, health) = row.ok_or(Error::Fenced { lane, epoch })?;
    Ok(Run { key: LaneKey(key), health: rows::value("health", &health)? })
}

async fn put_health(connection: &mut SqliteConnection, lane: LaneKey, health: &Health) -> Result<()> {
    sqlx::query("UPDATE lane SET health = ? WHERE id = ?")
        .bind(json(health)?)
        .bind(lane.0)
        .execute(connection)
        .await?;
    Ok(())
}

#[async_trait]
impl Store for SqliteStore {
    async fn bind(&self, installation: &Installation) -> Result<()> {
        // Read first: who finds the store bound as it should be has nothing to write.
        if self.installation().await?.is_none() {
            sqlx::query("INSERT INTO installation (only, body) VALUES (1, ?) ON CONFLICT DO NOTHING")
                .bind(json(installation)?)
                .execute(&self.writer)
                .await?;
        }
        let bound = self.installation().await?.unwrap_or(*installation);
        if bound == *installation {
            Ok(())
        } else {
            Err(Error::OtherInstallation { bound, asked: *installation })
        }
    }

    async fn installation(&self) -> Result<Option<Installation>> {
        let row: Option<String> =
            sqlx::query_scalar("SELECT body FROM installation").fetch_optional(&self.readers).await?;
        row.map(|body| rows::value("installation", &body)).transpose()
    }

    async fn put_mailboxes(&self, mailboxes: &[MailboxRow]) -> Result<()> {
        let mut transaction = self.write().await?;
        sqlx::query("DELETE FROM mailbox").execute(&mut *transaction).await?;
        rows::put_mailboxes(&mut transaction, mailboxes).await?;
        Ok(transaction.commit().await?)
    }

    async fn mailboxes(&self) -> Result<Vec<MailboxRow>> {
        let rows: Vec<String> =
            sqlx::query_scalar("SELECT body FROM mailbox ORDER BY name, id").fetch_all(&self.readers).await?;
        rows::values("mailbox", &rows)
    }

    async fn lanes(&self) -> Result<Vec<Lane>> {
        let rows = sqlx::query_as("SELECT name, epoch, health FROM lane ORDER BY name")
            .fetch_all(&self.readers)
            .await?;
        rows.into_iter().map(rows::lane).collect()
    }

    async fn lane(&self, lane: LaneId) -> Result<Option<Lane>> {
        let row = sqlx::query_as("SELECT name, epoch, health FROM lane WHERE name = ?")
            .bind(rows::name(lane))
            .fetch_optional(&self.readers)
            .await?;
        row.map(rows::lane).transpose()
    }

    async fn begin_run(&self, lane: LaneId, now: Timestamp) -> Result<Epoch> {
        let mut transaction = self.write().await?;
        let before: Option<(i64, String)> = sqlx::query_as("SELECT epoch, health FROM lane WHERE name = ?")
            .bind(rows::name(lane))
            .fetch_optional(&mut *transaction)
            .await?;
        let (before, mut health) = match before {
            Some((epoch, health)) => (Epoch(epoch), rows::value("health", &health)?),
            None => (Epoch::default(), Health::default()),
        };
        let epoch = before.next();
        health.begun(now);
        sqlx::query(
            "INSERT INTO lane (name, epoch, health) VALUES (?, ?, ?) \
             ON CONFLICT (name) DO UPDATE SET epoch = excluded.epoch, health = excluded.health",
        )
        .bind(rows::name(lane))
        .bind(epoch.0)
        .bind(json(&health)?)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(epoch)
    }

    async fn end_run(&self, lane: LaneId, epoch: Epoch, end: &RunEnd) -> Result<()> {
        let mut transaction = self.write().await?;
        let Run { key, mut health } = run(&mut transaction, lane, epoch).await?;
        health.ended(end);
        put_health(&mut transaction, key, &health).await?;
        Ok(transaction.commit().await?)
    }

    async fn cursor(&self, lane: LaneId) -> Result<Option<Cursor>> {
        let row: Option<Option<String>> = sqlx::query_scalar("SELECT cursor FROM lane WHERE name = ?")
            .bind(rows::name(lane))
            .fetch_optional(&self.readers)
            .await?;
        row.flatten().map(|cursor| rows::value("cursor", &cursor)).transpose()
    }

    async fn record_intents(&self, lane: LaneId, epoch: Epoch, intents: &[Intent]) -> Result<()> {
        let mut transaction = self.write().await?;
        let Run { key, .. } = run(&mut transaction, lane, epoch).await?;
        rows::put_intents(&mut transaction, key, intents).await?;
        Ok(transaction.commit().await?)
    }

    async fn open_intents(&self, lane: LaneId) -> Result<Vec<Intent>> {
        let rows: Vec<String> =
            sqlx::query_scalar(OPEN_INTENTS).bind(rows::name(lane)).fetch_all(&self.readers).await?;
        rows::values("intent", &rows)
    }

    async fn commit(&self, lane: LaneId, epoch: Epoch, commit: &Commit) -> Result<()> {
        commit.stays_in(lane)?;
        let mut transaction = self.write().await?;
        let Run { key, mut health } = run(&mut transaction, lane, epoch).await?;
        rows::put_decisions(&mut transaction, key, &commit.decisions).await?;
        rows::put_links(&mut transaction, key, &commit.links).await?;
        rows::close_intents(&mut transaction, key, &commit.closed).await?;
        if let Some(cursor) = &commit.cursor {
            sqlx::query("UPDATE lane SET cursor = ? WHERE id = ?")
                .bind(json(cursor)?)
                .bind(key.0)
                .execute(&mut *transaction)
                .await?;
        }
        if commit.caught_up && !health.caught_up {
            health.caught_up = true;
            put_health(&mut transaction, key, &health).await?;
        }
        Ok(transaction.commit().await?)
    }

    async fn decisions(&self, lane: LaneId, items: &[ItemId]) -> Result<Vec<Decision>> {
        let mut connection = self.readers.acquire().await?;
        let key: Option<i64> = sqlx::query_scalar("SELECT id FROM lane WHERE name = ?")
            .bind(rows::name(lane))
            .fetch_optional(&mut *connection)
            .await?;
        match key {
            Some(key) => rows::decisions(&mut connection, LaneKey(key), items).await,
            None => Ok(Vec::new()),
        }
    }

    async fn due(&self, lane: LaneId, now: Timestamp, limit: u32) -> Result<Vec<Decision>> {
        let rows: Vec<String> = sqlx::query_scalar(DUE)
            .bind(rows::name(lane))
            .bind(nanoseconds(now))
            .bind(limit)
            .fetch_all(&self.readers)
            .await?;
        rows::values("decision", &rows)
    }

    async fn next_due(&self, lane: LaneId) -> Result<Option<Timestamp>> {
        let due: Option<i64> =
            sqlx::query_scalar(NEXT_DUE).bind(rows::name(lane)).fetch_one(&self.readers).await?;
        due.map(rows::instant).transpose()
    }

    async fn search(&self, search: &Search) -> Result<Vec<Decision>> {
        let mut connection = self.readers.acquire().await?;
        searching::search(&mut connection, search).await
    }

    async fn links_of(&self, record: RecordId) -> Result<Vec<Link>> {
        let rows: Vec<String> = sqlx::query_scalar(LINKS_OF)
            .bind(record.0.as_bytes().as_slice())
            .fetch_all(&self.readers)
            .await?;
        rows::values("link", &rows)
    }

    async fn tally(&self, lane: Option<LaneId>) -> Result<Tally> {
        let counts: Vec<(String, i64)> = match lane {
            None => {
                sqlx::query_as("SELECT outcome, count(*) FROM decision GROUP BY outcome")
                    .fetch_all(&self.readers)
                    .await?
            }
            Some(lane) => {
                sqlx::query_as(TALLY_OF_LANE).bind(rows::name(lane)).fetch_all(&self.readers).await?
            }
        };
        Ok(counts.into_iter().map(|(outcome, count)| (outcome, count.unsigned_abs())).collect())
    }

    async fn fact(&self, key: &str) -> Result<Option<String>> {
        Ok(sqlx::query_scalar("SELECT value FROM fact WHERE key = ?")
            .bind(key)
            .fetch_optional(&self.readers)
            .await?)
    }

    async fn put_fact(&self, key: &str, value: Option<&str>) -> Result<()> {
        let query = match value {
            Some(value) => sqlx::query(
                "INSERT INTO fact (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            )
            .bind(key)
            .bind(value),
            None => sqlx::query("DELETE FROM fact WHERE key = ?").bind(key),
        };
        query.execute(&self.writer).await?;
        Ok(())
    }

    async fn subscriptions(&self) -> Result<Vec<Subscription>> {
        let rows: Vec<String> = sqlx::query_scalar("SELECT body FROM subscription ORDER BY lane")
            .fetch_all(&self.readers)
            .await?;
        rows::values("subscription", &rows)
    }

    async fn subscription(&self, id: &str) -> Result<Option<Subscription>> {
        let row: Option<String> = sqlx::query_scalar("SELECT body FROM subscription WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.readers)
            .await?;
        row.map(|body| rows::value("subscription", &body)).transpose()
    }

    async fn put_subscription(&self, subscription: &Subscription) -> Result<()> {
        // REPLACE removes both the lane's former subscription and another lane's with the same id.
        sqlx::query("INSERT OR REPLACE INTO subscription (id, lane, body) VALUES (?, ?, ?)")
            .bind(&*subscription.id)
            .bind(rows::name(subscription.lane))
            .bind(json(subscription)?)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    async fn remove_subscription(&self, id: &str) -> Result<()> {
        sqlx::query("DELETE FROM subscription WHERE id = ?").bind(id).execute(&self.writer).await?;
        Ok(())
    }
}
