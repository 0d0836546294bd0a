//! What a decision can be found by, said once for all implementations.

use hybridge_core::decision::{Decision, Outcome};
use jiff::Timestamp;

use crate::model::Search;

/// The most decisions that [`crate::Store::search`] returns.
pub(crate) const MOST_FOUND: usize = 100;

/// The instant a waiting decision becomes due.
pub(crate) fn due(decision: &Decision) -> Option<Timestamp> {
    match &decision.outcome {
        Outcome::Waiting { until, .. } => Some(*until),
        _ => None,
    }
}

/// A Message-Id without its angle brackets: people copy it with and without them.
pub(crate) fn bare(message_id: &str) -> &str {
    let trimmed = message_id.trim();
    let opened = trimmed.strip_prefix('<').unwrap_or(trimmed);
    opened.strip_suffix('>').unwrap_or(opened)
}

/// Text in the form in which it is compared without regard to case, in every script and not only in
/// ASCII, which is all that SQL's own `lower` knows.
///
/// Letter by letter: `str::to_lowercase` writes a final sigma differently, so a part of a word would not
/// be found in the word.
pub(crate) fn folded(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

impl Search {
    /// Whether a decision is one of those looked for.
    pub(crate) fn matches(&self, decision: &Decision) -> bool {
        match self {
            Self::MessageId(asked) => {
                decision.message_id.as_ref().is_some_and(|stored| bare(stored.as_str()) == bare(asked))
            }
            Self::Item(item) => decision.item == *item,
            Self::Record(record) => decision.outcome.record() == Some(*record),
            Self::Text(part) => {
                let part = folded(part);
                folded(&decision.subject).contains(&part) || folded(&decision.sender).contains(&part)
            }
            Self::Outcome(name, lane) => {
                decision.outcome.name() == name && lane.is_none_or(|lane| decision.lane == lane)
            }
        }
    }
}
