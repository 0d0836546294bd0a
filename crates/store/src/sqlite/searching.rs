//! The search among decisions.
//!
//! Every form but the one for text goes straight to its rows by an index. Text can stand anywhere in a
//! subject, so that search walks an index that holds nothing else, newest first, until it has enough.

use hybridge_core::decision::Decision;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::rows;
use crate::{
    Result, Search,
    lookup::{self, MOST_FOUND},
};

/// Decisions that match, newest first.
pub(super) async fn search(connection: &mut SqliteConnection, search: &Search) -> Result<Vec<Decision>> {
    let rows: Vec<String> =
        query(search).build_query_scalar().persistent(false).fetch_all(connection).await?;
    rows::values("decision", &rows)
}

/// The statement that finds them.
pub(super) fn query(search: &Search) -> QueryBuilder<Sqlite> {
    let mut query = QueryBuilder::new("SELECT body FROM decision ");
    if matches!(search, Search::Text(_)) {
        // Left to itself, the planner may read all rows with their bodies, and sort them.
        query.push("INDEXED BY decision_newest ");
    }
    query.push("JOIN lane ON lane.id = decision.lane WHERE ");
    match search {
        Search::MessageId(id) => query.push("message_id = ").push_bind(lookup::bare(id)),
        Search::Item(item) => query.push("item = ").push_bind(&*item.0),
        Search::Record(record) => query.push("record = ").push_bind(record.0.as_bytes().as_slice()),
        Search::Text(part) => {
            // Not LIKE: `%` and `_` are ordinary letters in a subject.
            let part = lookup::folded(part);
            query.push("(instr(subject, ").push_bind(part.clone()).push(") > 0 OR instr(sender, ");
            query.push_bind(part).push(") > 0)")
        }
        Search::Outcome(name, None) => query.push("outcome = ").push_bind(&**name),
        Search::Outcome(name, Some(lane)) => {
            query.push("outcome = ").push_bind(&**name);
            query.push(" AND decision.lane = (SELECT id FROM lane WHERE name = ");
            query.push_bind(rows::name(*lane)).push(")")
        }
    };
    query.push(" ORDER BY decided DESC, lane.name, item LIMIT ");
    query.push(MOST_FOUND);
    query
}
