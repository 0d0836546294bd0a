//! What would be done: every step asked, nothing changed.

use hybridge_core::trouble::Trouble;
use serde::Serialize;

use crate::{Difference, Facts, Obstacle, Site, Step};

/// What a plan says of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum Verdict {
    /// It is done.
    Ok,
    /// It would change something.
    Change {
        /// What, field by field.
        differences: Vec<Difference>,
    },
    /// It waits for a step that the same `apply` does before it.
    Later {
        /// The step that it waits for.
        after: String,
    },
    /// Only a person can do it.
    ByHand {
        /// What to do.
        how: String,
    },
    /// It can't be told or done.
    Blocked {
        /// What to do.
        remedy: String,
    },
}

impl Verdict {
    /// In one word, for a table.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Change { .. } => "change",
            Self::Later { .. } => "later",
            Self::ByHand { .. } => "by hand",
            Self::Blocked { .. } => "BLOCKED",
        }
    }
}

/// A step in a plan.
#[derive(Debug, Clone, Serialize)]
pub struct Line {
    /// The step.
    #[serde(flatten)]
    pub facts: Facts,
    /// The state, or the change, in a few words.
    pub words: String,
    /// The verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What would be done.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    /// The steps in order.
    pub lines: Vec<Line>,
}

impl Plan {
    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.lines.iter().all(|line| line.verdict == Verdict::Ok)
    }

    /// How many steps have this word.
    pub fn count(&self, word: &str) -> usize {
        self.lines.iter().filter(|line| line.verdict.word() == word).count()
    }
}

/// Asks every step. `seen` is told of each line as it is known.
pub async fn plan(site: &Site, steps: &[Box<dyn Step>], mut seen: impl FnMut(&Line)) -> Plan {
    let mut lines: Vec<Line> = Vec::new();
    for step in steps {
        let facts = *step.facts();
        let line = match step.probe(site).await {
            Ok(reading) if reading.is_done() => Line { facts, words: reading.words, verdict: Verdict::Ok },
            Ok(reading) => {
                let differences = reading.differences();
                Line { facts, words: reading.words, verdict: Verdict::Change { differences } }
            }
            Err(obstacle) => obstructed(facts, &obstacle, &lines),
        };
        seen(&line);
        lines.push(line);
    }
    Plan { lines }
}

fn obstructed(facts: Facts, obstacle: &Obstacle, earlier: &[Line]) -> Line {
    if let Obstacle::After(step) = obstacle {
        let found = earlier.iter().find(|line| line.facts.id == *step);
        return match found {
            Some(line) if matches!(line.verdict, Verdict::Change { .. } | Verdict::Later { .. }) => {
                let words = format!("once {step} is done");
                Line { facts, words, verdict: Verdict::Later { after: (*step).to_owned() } }
            }
            _ => {
                let Trouble { what, remedy, .. } = obstacle.trouble();
                Line { facts, words: what, verdict: Verdict::Blocked { remedy } }
            }
        };
    }
    let Trouble { what, remedy, .. } = obstacle.trouble();
    let verdict = match obstacle {
        Obstacle::ByHand { .. } => Verdict::ByHand { how: remedy },
        _ => Verdict::Blocked { remedy },
    };
    Line { facts, words: what, verdict }
}
