//! How the demo went, for people and for scripts.

use std::collections::BTreeMap;

use hybridge_core::decision::Outcome;
use hybridge_sandbox::Sandbox;
use hybridge_store::{Search, Store};
use serde_json::json;

use super::seen::Seen;
use crate::{
    error::Result,
    output::{column, percentile, span},
};

/// How the demo went.
pub(super) struct Summary {
    outcomes: BTreeMap<&'static str, u64>,
    reasons: BTreeMap<String, u64>,
    records: usize,
    /// Messages that have come to no final conclusion.
    pub(super) open: usize,
    latencies: Vec<f64>,
    first_reading: f64,
    seen: usize,
    graph_requests: u64,
    /// A message that became a record.
    pub(super) example: Option<String>,
}

impl Summary {
    pub(super) async fn of(
        store: &dyn Store,
        seen: &Seen,
        sandbox: &Sandbox,
        first_reading: f64,
    ) -> Result<Self> {
        let (outcomes, latencies) = (seen.outcomes(), seen.latencies());
        let mut reasons = BTreeMap::new();
        for name in ["filtered", "skipped", "waiting", "failed"] {
            for decision in store.search(&Search::Outcome(name.to_owned(), None)).await? {
                let why = match &decision.outcome {
                    Outcome::Filtered { reason } => reason.words(),
                    Outcome::Skipped { reason } => reason.words().to_owned(),
                    Outcome::Waiting { trouble, .. } | Outcome::Failed { trouble } => trouble.what.clone(),
                    _ => continue,
                };
                *reasons.entry(format!("{name}: {why}")).or_default() += 1;
            }
        }
        let example = store
            .search(&Search::Outcome("promoted".to_owned(), None))
            .await?
            .into_iter()
            .find_map(|decision| decision.message_id.map(|id| id.to_string()));
        let messages = sandbox.graph().census().iter().filter(|entry| entry.folder == "inbox").count();
        let open = messages.saturating_sub(seen.concluded());
        let records = sandbox.organization().emails().iter().filter(|email| !email.outgoing).count();
        let graph_requests = sandbox.graph().request_counts().requests;
        Ok(Self {
            outcomes,
            reasons,
            records,
            open,
            latencies,
            first_reading,
            seen: messages,
            graph_requests,
            example,
        })
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let count = |name: &str| self.outcomes.get(name).copied().unwrap_or(0);
        let mut lines = vec![
            String::new(),
            format!("{} messages seen, {} email records made:", self.seen, self.records),
            format!("  promoted   {:>6}", count("promoted")),
            format!(
                "  duplicate  {:>6}   the same message in another mailbox: one record serves all",
                count("duplicate")
            ),
            format!("  filtered   {:>6}   the organization does not want them", count("filtered")),
            format!("  skipped    {:>6}", count("skipped")),
            format!(
                "  open       {:>6}   waiting for another attempt, or failed: {}",
                self.open,
                count("failed")
            ),
        ];
        if !self.reasons.is_empty() {
            lines.push(String::new());
            lines.push("Why not (of the latest hundred each):".to_owned());
            lines.extend(
                self.reasons
                    .iter()
                    .map(|(why, count)| format!("  {count:>6}  {}", column(why, 110).trim_end())),
            );
        }
        lines.push(String::new());
        lines.push(format!(
            "From arrival to record: median {}, 99th percentile {} ({} new messages timed; Exchange stamps whole seconds)",
            span(percentile(&self.latencies, 0.5)),
            span(percentile(&self.latencies, 0.99)),
            self.latencies.len()
        ));
        lines
    }

    pub(super) fn json(&self) -> serde_json::Value {
        json!({
            "seen": self.seen,
            "records": self.records,
            "outcomes": self.outcomes,
            "open": self.open,
            "reasons": self.reasons,
            "first_reading_seconds": self.first_reading,
            "arrival_to_record_seconds": {
                "median": percentile(&self.latencies, 0.5),
                "p99": percentile(&self.latencies, 0.99),
                "count": self.latencies.len(),
            },
            "graph_requests": self.graph_requests,
        })
    }
}
