//! What went wrong, and who must do what about it.

use std::{fmt, str::FromStr};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How a failure is reacted to. Everything that fails is put into one of these classes, and nothing
/// but the class decides what happens next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// It goes away by itself: network, time-out, 5xx. Tried again, for ever, with growing pauses.
    Transient,
    /// The service asked for a pause.
    Throttled,
    /// A person must change something: permission, licence, account, certificate. Tried again, rarely,
    /// so that it resumes by itself once that is done.
    Denied,
    /// The mailbox or item is not there.
    Gone,
    /// The delta cursor is not valid any more: everything is read again and compared.
    CursorLost,
    /// The other side refuses this one item. Tried a few times, then set aside.
    Item,
    /// It already exists on the other side.
    Exists,
    /// The answer can't be understood, or breaks a rule of the protocol.
    Protocol,
}

impl Class {
    /// The stable name, as stored and printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Throttled => "throttled",
            Self::Denied => "denied",
            Self::Gone => "gone",
            Self::CursorLost => "cursor-lost",
            Self::Item => "item",
            Self::Exists => "exists",
            Self::Protocol => "protocol",
        }
    }

    /// Whether it goes away by itself, so that waiting is all there is to do.
    pub fn passes(self) -> bool {
        matches!(self, Self::Transient | Self::Throttled)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Class {
    type Err = UnknownClass;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [
            Self::Transient,
            Self::Throttled,
            Self::Denied,
            Self::Gone,
            Self::CursorLost,
            Self::Item,
            Self::Exists,
            Self::Protocol,
        ]
        .into_iter()
        .find(|class| class.as_str() == text)
        .ok_or_else(|| UnknownClass(text.to_owned()))
    }
}

/// A class that this version does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown class of trouble {0:?}")]
pub struct UnknownClass(pub String);

/// A failure, ready to be shown and stored. Holds no secret and no content of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// How it is reacted to.
    pub class: Class,
    /// What failed, on what.
    pub what: String,
    /// What to do about it, as a sentence; empty when nothing need be done.
    pub remedy: String,
    /// Not before this instant, where the service said so.
    pub not_before: Option<Timestamp>,
    /// The service's request id, for a support case.
    pub request_id: Option<String>,
}

impl Trouble {
    /// A failure of a class.
    pub fn new(class: Class, what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { class, what: what.into(), remedy: remedy.into(), not_before: None, request_id: None }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_names_read_back() {
        for class in [Class::Transient, Class::Throttled, Class::Denied, Class::Gone] {
            assert_eq!(class.as_str().parse(), Ok(class));
        }
        for class in [Class::CursorLost, Class::Item, Class::Exists, Class::Protocol] {
            assert_eq!(class.as_str().parse(), Ok(class));
        }
        assert!("nonsense".parse::<Class>().is_err());
    }
}
