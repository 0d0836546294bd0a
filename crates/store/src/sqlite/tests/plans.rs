//! No statement of the daily work walks through all decisions.

use sqlx::AssertSqlSafe;

use super::*;
use crate::contract::samples::{item, lane, record};

/// The steps of SQLite's plan for a statement.
async fn plan(store: &SqliteStore, statement: &str) -> Vec<String> {
    let rows: Vec<(i64, i64, i64, String)> =
        sqlx::query_as(AssertSqlSafe(format!("EXPLAIN QUERY PLAN {statement}")))
            .fetch_all(&store.readers)
            .await
            .unwrap();
    rows.into_iter().map(|(_, _, _, step)| step).collect()
}

#[tokio::test]
async fn the_daily_work_goes_straight_to_its_rows() {
    let (store, _folder) = opened().await;
    let (one, two) = (item("a"), item("b"));
    let statements = [
        (DUE.to_owned(), "decision USING INDEX decision_due (lane=? AND due<?)"),
        (NEXT_DUE.to_owned(), "decision USING COVERING INDEX decision_due (lane=? AND due>?)"),
        (OPEN_INTENTS.to_owned(), "intent USING PRIMARY KEY (lane=?)"),
        (LINKS_OF.to_owned(), "link USING INDEX link_record (record=?)"),
        (TALLY_OF_LANE.to_owned(), "decision USING COVERING INDEX decision_lane_outcome (lane=?)"),
        (
            rows::select_decisions(LaneKey(1), &[&one, &two]).into_string(),
            "decision USING INDEX sqlite_autoindex_decision_1 (item=? AND lane=?)",
        ),
        (
            searching::query(&Search::Item(one)).into_string(),
            "decision USING INDEX sqlite_autoindex_decision_1 (item=?)",
        ),
        (
            searching::query(&Search::MessageId("a".into())).into_string(),
            "decision USING INDEX decision_message_id (message_id=?)",
        ),
        (
            searching::query(&Search::Record(record(1))).into_string(),
            "decision USING INDEX decision_record (record=?)",
        ),
        (
            searching::query(&Search::Outcome("failed".into(), None)).into_string(),
            "decision USING INDEX decision_outcome (outcome=?)",
        ),
        (
            searching::query(&Search::Outcome("failed".into(), Some(lane(1)))).into_string(),
            "decision USING INDEX decision_lane_outcome (lane=? AND outcome=?)",
        ),
    ];
    for (statement, expected) in statements {
        let steps = plan(&store, &statement).await;
        assert!(steps.contains(&format!("SEARCH {expected}")), "{statement}: {steps:?}");
        assert!(!steps.iter().any(|step| step.contains("SCAN ")), "{statement}: {steps:?}");
    }
}

#[tokio::test]
async fn a_search_for_text_walks_the_slim_index_and_stops_when_it_has_enough() {
    let (store, _folder) = opened().await;
    let steps = plan(&store, &searching::query(&Search::Text("quote".into())).into_string()).await;
    assert!(steps.contains(&"SCAN decision USING INDEX decision_newest".to_owned()), "{steps:?}");
    assert!(!steps.contains(&"USE TEMP B-TREE FOR ORDER BY".to_owned()), "{steps:?}");
}
