//! Lanes: the units of scheduling, of failure and of back-off.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::ids::MailboxId;

/// One kind of work on a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LaneKind {
    /// Messages of the Inbox become email records.
    IncomingEmail,
    /// Email records in Pending Send are sent.
    OutgoingEmail,
}

impl LaneKind {
    /// The stable name, as stored and printed.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IncomingEmail => "incoming-email",
            Self::OutgoingEmail => "outgoing-email",
        }
    }
}

impl fmt::Display for LaneKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for LaneKind {
    type Err = UnknownLaneKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "incoming-email" => Ok(Self::IncomingEmail),
            "outgoing-email" => Ok(Self::OutgoingEmail),
            other => Err(UnknownLaneKind(other.to_owned())),
        }
    }
}

/// A lane kind that this version does not know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown lane kind {0:?}")]
pub struct UnknownLaneKind(pub String);

/// A mailbox and a kind of work on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LaneId {
    /// The mailbox record.
    pub mailbox: MailboxId,
    /// The kind of work.
    pub kind: LaneKind,
}

impl fmt::Display for LaneId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.kind, self.mailbox)
    }
}
