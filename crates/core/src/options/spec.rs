use serde::{Deserialize, Serialize};

/// Where an option lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// A column of the organization.
    Column,
    /// A key in the XML of `organization.orgdborgsettings`.
    Setting,
    /// A column of each email server profile.
    EachProfile,
    /// A column of each mailbox.
    EachMailbox,
}

impl Place {
    /// For an administrator.
    pub fn words(self) -> &'static str {
        match self {
            Self::Column => "organization",
            Self::Setting => "OrgDbOrgSettings",
            Self::EachProfile => "each email server profile",
            Self::EachMailbox => "each mailbox",
        }
    }
}

/// What an option can be set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// On or off.
    Switch,
    /// A whole number within bounds.
    Number {
        /// The least.
        least: i64,
        /// The most.
        most: i64,
    },
    /// A text.
    Text,
}

impl Kind {
    /// For an administrator.
    pub fn words(self) -> String {
        match self {
            Self::Switch => "true or false".to_owned(),
            Self::Number { least, most } => format!("a number from {least} to {most}"),
            Self::Text => "a text".to_owned(),
        }
    }

    /// Reads what the organization says; `None` where it is none of its values.
    pub(super) fn read(self, text: &str) -> Option<Value> {
        let value = match self {
            Self::Switch => match text.trim().to_ascii_lowercase().as_str() {
                "true" | "1" => Value::Switch(true),
                "false" | "0" => Value::Switch(false),
                _ => return None,
            },
            Self::Number { .. } => Value::Number(text.trim().parse().ok()?),
            Self::Text => Value::Text(text.to_owned()),
        };
        self.holds(&value).then_some(value)
    }

    /// Whether it can be set to a value.
    pub(super) fn holds(self, value: &Value) -> bool {
        match (self, value) {
            (Self::Switch, Value::Switch(_)) | (Self::Text, Value::Text(_)) => true,
            (Self::Number { least, most }, Value::Number(number)) => (least..=most).contains(number),
            _ => false,
        }
    }
}

/// Who obeys an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// The organization itself, while it checks and stores an email, or on its pages.
    Organization,
    /// Hybridge.
    Hybridge,
    /// Hybridge, and no override can change that.
    HybridgeAlways,
    /// Hybridge is to obey it, and does not yet.
    HybridgeNotYet,
    /// Nobody: it steers what Hybridge replaces.
    NotNeeded,
}

impl By {
    /// For an administrator.
    pub fn words(self) -> &'static str {
        match self {
            Self::Organization => "the organization itself",
            Self::Hybridge => "Hybridge",
            Self::HybridgeAlways => "Hybridge, no override",
            Self::HybridgeNotYet => "Hybridge, not yet",
            Self::NotNeeded => "nobody: it steers Dynamics' own synchronization only",
        }
    }

    /// Why it can't be overridden, if so.
    pub(super) fn refusal(self) -> Option<&'static str> {
        match self {
            Self::Hybridge => None,
            Self::Organization => {
                Some("the organization decides it by itself when it checks and stores email; change it there")
            }
            Self::HybridgeAlways => {
                Some("it must be what the organization says, or two would work on the same mailboxes")
            }
            Self::HybridgeNotYet => {
                Some("Hybridge does not obey it yet, so an override would change nothing")
            }
            Self::NotNeeded => Some("it steers Dynamics' own synchronization only, which Hybridge replaces"),
        }
    }
}

/// One option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spec {
    /// The key or the column, as Dynamics spells it.
    pub name: &'static str,
    /// Where it lives.
    pub place: Place,
    /// What it can be set to.
    pub kind: Kind,
    /// The documented default that counts while it is not set; empty where there is none.
    pub default: &'static str,
    /// Where the sources differ about the default: how; otherwise empty.
    pub disagreement: &'static str,
    /// Who obeys it.
    pub by: By,
    /// What it does.
    pub effect: &'static str,
}

impl Spec {
    pub(super) const fn disputed(mut self, disagreement: &'static str) -> Self {
        self.disagreement = disagreement;
        self
    }
}

/// The value of an option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// On or off.
    Switch(bool),
    /// A number.
    Number(i64),
    /// A text.
    Text(String),
}

impl std::fmt::Display for Value {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Switch(on) => on.fmt(formatter),
            Self::Number(number) => number.fmt(formatter),
            Self::Text(text) => text.fmt(formatter),
        }
    }
}
