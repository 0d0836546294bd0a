//! How the demo went, for people and for scripts.

use std::collections::BTreeMap;

use hybridge_core::trouble::Trouble;
use hybridge_sandbox::Sandbox;
use hybridge_store::{Search, Store};
use serde_json::json;
use uuid::Uuid;

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
    /// Messages that have come to no final conclusion, in mailboxes that can be read.
    open: usize,
    denied: Vec<Denied>,
    latencies: Vec<f64>,
    first_reading: f64,
    seen: usize,
    graph_requests: u64,
    /// A message that became a record.
    pub(super) example: Option<String>,
}

/// A mailbox that nobody can read until a person has mended something.
pub(super) struct Denied {
    user: Option<Uuid>,
    mailbox: String,
    trouble: Trouble,
}

/// The mailboxes that can't be read.
pub(super) async fn denied(store: &dyn Store, sandbox: &Sandbox, seen: &Seen) -> Result<Vec<Denied>> {
    let lanes = seen.denied();
    if lanes.is_empty() {
        return Ok(Vec::new());
    }
    let mailboxes = store.mailboxes().await?;
    Ok(mailboxes
        .into_iter()
        .filter_map(|row| {
            let (_, trouble) = lanes.iter().find(|(lane, _)| lane.mailbox == row.mailbox.id)?;
            let user =
                row.mailbox.address.as_ref().and_then(|address| sandbox.graph().find_user(address.as_str()));
            Some(Denied { user, mailbox: row.mailbox.name, trouble: trouble.clone() })
        })
        .collect())
}

/// How many messages lie in the Inboxes that can be read.
pub(super) fn inbox(sandbox: &Sandbox, denied: &[Denied]) -> usize {
    let readable = |user: Uuid| denied.iter().all(|denied| denied.user != Some(user));
    sandbox.graph().census().iter().filter(|entry| entry.folder == "inbox" && readable(entry.user_id)).count()
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
        for name in ["filtered", "ruled", "skipped", "waiting", "failed"] {
            for decision in store.search(&Search::Outcome(name.to_owned(), None)).await? {
                *reasons.entry(format!("{name}: {}", decision.outcome.why())).or_default() += 1;
            }
        }
        let example = store
            .search(&Search::Outcome("promoted".to_owned(), None))
            .await?
            .into_iter()
            .find_map(|decision| decision.message_id.map(|id| id.to_string()));
        let denied = denied(store, sandbox, seen).await?;
        let messages = inbox(sandbox, &[]);
        let open = inbox(sandbox, &denied).saturating_sub(seen.concluded());
        let records = sandbox.organization().emails().iter().filter(|email| !email.outgoing).count();
        let graph_requests = sandbox.graph().request_counts().requests;
        Ok(Self {
            outcomes,
            reasons,
            records,
            open,
            denied,
            latencies,
            first_reading,
            seen: messages,
            graph_requests,
            example,
        })
    }

    /// Whether every message was promoted or explained.
    pub(super) fn is_complete(&self) -> bool {
        self.open == 0 && self.denied.is_empty()
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
            format!("  ruled      {:>6}   kept out by a rule of the administrator", count("ruled")),
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
        for denied in &self.denied {
            lines.push(String::new());
            lines.push(format!("{} can't be read: {}", denied.mailbox, denied.trouble.what));
            lines.push(format!("  What to do: {}", denied.trouble.remedy));
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
            "unreadable_mailboxes": self.denied.iter().map(|denied| &denied.mailbox).collect::<Vec<_>>(),
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
