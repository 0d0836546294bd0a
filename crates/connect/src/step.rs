//! What a step is.

use std::fmt;

use async_trait::async_trait;
use hybridge_core::trouble::{Class, Trouble};
use serde::Serialize;
use serde_json::Value;

use crate::Site;

/// Where a step works, and with whose rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// This machine.
    Here,
    /// Entra ID, through Microsoft Graph.
    Directory,
    /// Exchange Online's administration.
    Exchange,
    /// The Dynamics organization, through its Web API.
    Organization,
    /// The Dynamics servers that run the asynchronous service or the web application.
    CrmServers,
    /// The deployment server of Dynamics.
    DeploymentServer,
    /// The AD FS servers.
    AdfsServers,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Here => "this machine",
            Self::Directory => "Entra ID",
            Self::Exchange => "Exchange Online",
            Self::Organization => "Dynamics",
            Self::CrmServers => "the Dynamics servers",
            Self::DeploymentServer => "the deployment server",
            Self::AdfsServers => "the AD FS servers",
        })
    }
}

/// What is known about a step without looking anywhere.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Facts {
    /// The name that is typed (`--step`).
    pub id: &'static str,
    /// What it is for, in a few words.
    pub title: &'static str,
    /// The rows of the step tables in `spec/setup.md` that it does.
    pub rows: &'static [&'static str],
    /// Where it works.
    pub place: Place,
    /// The role that its operator needs.
    pub role: &'static str,
    /// The steps that have to be done before.
    pub after: &'static [&'static str],
}

/// What a step found, and what it wants to find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// What is there. The step is done when this equals `wanted`. Holds no secret.
    pub now: Value,
    /// What is to be there.
    pub wanted: Value,
    /// The state in a few words, or the change that is to be made.
    pub words: String,
}

impl Reading {
    /// Whether nothing is left to do.
    pub fn is_done(&self) -> bool {
        self.now == self.wanted
    }

    /// What would change, field by field.
    pub fn differences(&self) -> Vec<Difference> {
        let mut found = Vec::new();
        compare("", &self.now, &self.wanted, &mut found);
        found
    }
}

/// One value that is not as it is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Which one.
    pub path: String,
    /// As it is; null where there is nothing.
    pub now: Value,
    /// As it is to be; null where it is to go.
    pub wanted: Value,
}

fn compare(path: &str, now: &Value, wanted: &Value, found: &mut Vec<Difference>) {
    if now == wanted {
        return;
    }
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match (now, wanted) {
        (Value::Object(now), Value::Object(wanted)) => {
            for (name, value) in now {
                compare(&below(name), value, wanted.get(name).unwrap_or(&Value::Null), found);
            }
            for (name, value) in wanted.iter().filter(|(name, _)| !now.contains_key(*name)) {
                compare(&below(name), &Value::Null, value, found);
            }
        }
        (Value::Null, Value::Object(wanted)) => {
            for (name, value) in wanted {
                compare(&below(name), &Value::Null, value, found);
            }
        }
        (Value::Null, Value::Array(wanted)) => {
            let added =
                |value: &Value| Difference { path: path.to_owned(), now: Value::Null, wanted: value.clone() };
            found.extend(wanted.iter().map(added));
        }
        (Value::Array(now), Value::Array(wanted)) => {
            for value in now.iter().filter(|value| !wanted.contains(value)) {
                found.push(Difference { path: path.to_owned(), now: value.clone(), wanted: Value::Null });
            }
            for value in wanted.iter().filter(|value| !now.contains(value)) {
                found.push(Difference { path: path.to_owned(), now: Value::Null, wanted: value.clone() });
            }
        }
        _ => found.push(Difference { path: path.to_owned(), now: now.clone(), wanted: wanted.clone() }),
    }
}

/// Why a step can't go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// Only a person can do this: what is missing, and what to do.
    ByHand {
        /// What is missing.
        what: String,
        /// What to do.
        how: String,
    },
    /// An earlier step has to be done first: its id.
    After(&'static str),
    /// A call failed.
    Trouble(Trouble),
}

impl Obstacle {
    /// A refusal with its remedy.
    pub fn refused(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Trouble(Trouble::new(Class::Denied, what, remedy))
    }

    /// As a trouble, whichever it is.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Trouble(trouble) => trouble.clone(),
            Self::ByHand { what, how } => Trouble::new(Class::Denied, what, how),
            Self::After(step) => Trouble::new(
                Class::Denied,
                format!("the step {step} has to be done first"),
                "Run the same command without --step: it does all of them in their order.",
            ),
        }
    }
}

impl From<Trouble> for Obstacle {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

/// One step of the trust.
#[async_trait]
pub trait Step: Send + Sync {
    /// What is known about it.
    fn facts(&self) -> &'static Facts;

    /// What is there and what is wanted. Changes nothing.
    async fn probe(&self, site: &Site) -> Result<Reading, Obstacle>;

    /// Makes what is wanted of what was read. Doing it twice is as good as doing it once. A step that only looks has
    /// nothing to do.
    async fn apply(&self, _site: &Site, _reading: &Reading) -> Result<(), Obstacle> {
        Ok(())
    }

    /// Proves the step by using it; how that was done, in words. A step that only looks, looks again.
    async fn verify(&self, site: &Site) -> Result<String, Obstacle> {
        self.probe(site).await.map(|reading| reading.words)
    }

    /// Why what was done can't be taken back, where that is so; `undo` tells it and leaves it.
    fn stays(&self) -> Option<&'static str> {
        None
    }

    /// Puts back what was there before (`before` as a [`Reading::now`]).
    async fn undo(&self, _site: &Site, _before: &Value) -> Result<(), Obstacle> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_names_the_place_and_both_values() {
        let reading = Reading {
            now: json!({ "name": "a", "members": ["x", "y"], "deep": { "same": 1, "old": 2 } }),
            wanted: json!({ "name": "b", "members": ["y", "z"], "deep": { "same": 1 } }),
            words: String::new(),
        };
        let told: Vec<String> = reading
            .differences()
            .into_iter()
            .map(|difference| format!("{}: {} -> {}", difference.path, difference.now, difference.wanted))
            .collect();
        assert_eq!(
            told,
            [
                "deep.old: 2 -> null",
                "members: \"x\" -> null",
                "members: null -> \"z\"",
                "name: \"a\" -> \"b\"",
            ]
        );
        assert!(!reading.is_done());
    }
}
