//! Values as rows, and rows as values.

use hybridge_core::{
    decision::Decision,
    ids::{ItemId, MailboxId},
    lane::LaneId,
};
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{QueryBuilder, Sqlite, SqliteConnection, query_builder::Separated};
use uuid::Uuid;

use crate::{Epoch, Error, Health, Intent, Lane, Link, MailboxRow, Result, lookup};

/// Rows of one statement: a page and more, and well below SQLite's limit of 32,766 parameters.
const ROWS_AT_ONCE: usize = 500;

/// The number of a lane inside this database.
#[derive(Debug, Clone, Copy)]
pub(super) struct LaneKey(pub(super) i64);

/// An instant as a number that orders like it. What lies outside the years 1677 to 2262 is moved to
/// their edge: it comes first or last either way, and the value itself is in the row's JSON.
pub(super) fn nanoseconds(at: Timestamp) -> i64 {
    let exact = at.as_nanosecond();
    i64::try_from(exact).unwrap_or(if exact < 0 { i64::MIN } else { i64::MAX })
}

/// The instant of such a number.
pub(super) fn instant(nanoseconds: i64) -> Result<Timestamp> {
    Timestamp::from_nanosecond(i128::from(nanoseconds)).map_err(|error| unreadable("instant", &error))
}

/// A value as JSON.
pub(super) fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::Database(error.to_string()))
}

/// A value from its JSON.
pub(super) fn value<T: DeserializeOwned>(what: &'static str, json: &str) -> Result<T> {
    serde_json::from_str(json).map_err(|error| unreadable(what, &error))
}

/// Values from their JSON.
pub(super) fn values<T: DeserializeOwned>(what: &'static str, rows: &[String]) -> Result<Vec<T>> {
    rows.iter().map(|row| value(what, row)).collect()
}

/// A lane's name in the database. It orders like the id: the mailbox first.
pub(super) fn name(lane: LaneId) -> String {
    format!("{}/{}", lane.mailbox, lane.kind)
}

/// A lane from its row: name, epoch, health.
pub(super) fn lane((name, epoch, health): (String, i64, String)) -> Result<Lane> {
    let (mailbox, kind) = name.split_once('/').ok_or_else(|| unreadable("lane", &name))?;
    let mailbox = mailbox.parse::<Uuid>().map_err(|error| unreadable("lane", &error))?;
    let kind = kind.parse().map_err(|error| unreadable("lane", &error))?;
    let id = LaneId { mailbox: MailboxId(mailbox), kind };
    Ok(Lane { id, epoch: Epoch(epoch), health: value::<Health>("health", &health)? })
}

fn unreadable(what: &'static str, error: &impl ToString) -> Error {
    Error::Unreadable { what, detail: error.to_string() }
}

/// Stores mailboxes.
pub(super) async fn put_mailboxes(connection: &mut SqliteConnection, mailboxes: &[MailboxRow]) -> Result<()> {
    for chunk in mailboxes.chunks(ROWS_AT_ONCE) {
        let bodies = chunk.iter().map(json).collect::<Result<Vec<_>>>()?;
        let mut insert = QueryBuilder::new("INSERT OR REPLACE INTO mailbox (id, name, body) ");
        insert.push_values(chunk.iter().zip(bodies), |mut row, (mailbox, body)| {
            row.push_bind(mailbox.mailbox.id.0.as_bytes().as_slice())
                .push_bind(&*mailbox.mailbox.name)
                .push_bind(body);
        });
        execute(connection, insert).await?;
    }
    Ok(())
}

/// Stores decisions in place of the older ones about the same items.
pub(super) async fn put_decisions(
    connection: &mut SqliteConnection,
    lane: LaneKey,
    decisions: &[Decision],
) -> Result<()> {
    for chunk in decisions.chunks(ROWS_AT_ONCE) {
        let bodies = chunk.iter().map(json).collect::<Result<Vec<_>>>()?;
        let mut insert = QueryBuilder::new(
            "INSERT INTO decision (item, lane, message_id, record, outcome, due, decided, subject, sender, body) ",
        );
        insert.push_values(chunk.iter().zip(bodies), |mut row, (decision, body)| {
            row.push_bind(&*decision.item.0)
                .push_bind(lane.0)
                .push_bind(decision.message_id.as_ref().map(|id| lookup::bare(id.as_str())))
                .push_bind(decision.outcome.record().map(|record| record.0.as_bytes().to_vec()))
                .push_bind(decision.outcome.name())
                .push_bind(lookup::due(decision).map(nanoseconds))
                .push_bind(nanoseconds(decision.decided))
                .push_bind(lookup::folded(&decision.subject))
                .push_bind(lookup::folded(&decision.sender))
                .push_bind(body);
        });
        insert.push(
            " ON CONFLICT (item, lane) DO UPDATE SET message_id = excluded.message_id, record = excluded.record, \
             outcome = excluded.outcome, due = excluded.due, decided = excluded.decided, \
             subject = excluded.subject, sender = excluded.sender, body = excluded.body",
        );
        execute(connection, insert).await?;
    }
    Ok(())
}

/// Stores links in place of the older ones of the same items.
pub(super) async fn put_links(
    connection: &mut SqliteConnection,
    lane: LaneKey,
    links: &[Link],
) -> Result<()> {
    for chunk in links.chunks(ROWS_AT_ONCE) {
        let bodies = chunk.iter().map(json).collect::<Result<Vec<_>>>()?;
        let mut insert = QueryBuilder::new("INSERT INTO link (item, lane, record, linked, body) ");
        insert.push_values(chunk.iter().zip(bodies), |mut row, (link, body)| {
            row.push_bind(&*link.item.0)
                .push_bind(lane.0)
                .push_bind(link.record.0.as_bytes().as_slice())
                .push_bind(nanoseconds(link.at))
                .push_bind(body);
        });
        insert.push(
            " ON CONFLICT (item, lane) DO UPDATE SET record = excluded.record, linked = excluded.linked, \
             body = excluded.body",
        );
        execute(connection, insert).await?;
    }
    Ok(())
}

/// Stores intents in place of the older ones for the same items.
pub(super) async fn put_intents(
    connection: &mut SqliteConnection,
    lane: LaneKey,
    intents: &[Intent],
) -> Result<()> {
    for chunk in intents.chunks(ROWS_AT_ONCE) {
        let bodies = chunk.iter().map(json).collect::<Result<Vec<_>>>()?;
        let mut insert = QueryBuilder::new("INSERT INTO intent (lane, item, recorded, body) ");
        insert.push_values(chunk.iter().zip(bodies), |mut row, (intent, body)| {
            row.push_bind(lane.0)
                .push_bind(&*intent.item.0)
                .push_bind(nanoseconds(intent.at))
                .push_bind(body);
        });
        insert.push(
            " ON CONFLICT (lane, item) DO UPDATE SET recorded = excluded.recorded, body = excluded.body",
        );
        execute(connection, insert).await?;
    }
    Ok(())
}

/// Deletes the intents for these items.
pub(super) async fn close_intents(
    connection: &mut SqliteConnection,
    lane: LaneKey,
    items: &[ItemId],
) -> Result<()> {
    for chunk in items.chunks(ROWS_AT_ONCE) {
        let mut delete = QueryBuilder::new("DELETE FROM intent WHERE lane = ");
        delete.push_bind(lane.0).push(" AND item IN (");
        list(delete.separated(", "), chunk);
        delete.push(")");
        execute(connection, delete).await?;
    }
    Ok(())
}

/// The decisions about these items, by item.
pub(super) async fn decisions(
    connection: &mut SqliteConnection,
    lane: LaneKey,
    items: &[ItemId],
) -> Result<Vec<Decision>> {
    let mut sorted: Vec<&ItemId> = items.iter().collect();
    sorted.sort_unstable();
    sorted.dedup();
    let mut found = Vec::new();
    for chunk in sorted.chunks(ROWS_AT_ONCE) {
        let mut select = select_decisions(lane, chunk);
        let rows: Vec<String> =
            select.build_query_scalar().persistent(false).fetch_all(&mut *connection).await?;
        found.extend(values::<Decision>("decision", &rows)?);
    }
    Ok(found)
}

/// The statement that reads the decisions about these items.
pub(super) fn select_decisions(lane: LaneKey, items: &[&ItemId]) -> QueryBuilder<Sqlite> {
    let mut select = QueryBuilder::new("SELECT body FROM decision WHERE lane = ");
    select.push_bind(lane.0).push(" AND item IN (");
    list(select.separated(", "), items.iter().copied());
    select.push(") ORDER BY item");
    select
}

fn list<'a>(mut list: Separated<'_, Sqlite, &str>, items: impl IntoIterator<Item = &'a ItemId>) {
    for item in items {
        list.push_bind(&*item.0);
    }
}

/// Runs a statement whose text depends on the number of its rows; it is not kept prepared, as that would
/// push out the statements that are used again.
async fn execute(connection: &mut SqliteConnection, mut statement: QueryBuilder<Sqlite>) -> Result<()> {
    statement.build().persistent(false).execute(connection).await?;
    Ok(())
}
