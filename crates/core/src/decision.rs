//! What was concluded about a message, with every reason, kept so that it can be explained.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    attachment::LeftOut,
    candidate::NotACandidate,
    ids::{ItemId, RecordId},
    lane::LaneId,
    message::InternetMessageId,
    rules::Ruling,
    trouble::Trouble,
    verdict::ReasonCode,
};

/// Where a message stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// An email record was made of it.
    Promoted {
        /// The record.
        record: RecordId,
        /// Why the organization wanted it.
        reason: ReasonCode,
        /// The delivery was interrupted and the record was found afterwards, instead of made twice.
        recovered: bool,
        /// Attachments that were not carried over.
        left_out: Vec<AttachmentLeftOut>,
    },
    /// The organization had it already.
    Duplicate {
        /// The record, where it could be found and read.
        record: Option<RecordId>,
    },
    /// The organization does not want it.
    Filtered {
        /// Why.
        reason: ReasonCode,
    },
    /// A rule of the administrator keeps it out.
    Ruled {
        /// Which, and why.
        ruling: Ruling,
    },
    /// It was not put before the organization.
    Skipped {
        /// Why.
        reason: NotACandidate,
    },
    /// It will be tried again.
    Waiting {
        /// Not before this instant.
        until: Timestamp,
        /// What went wrong last.
        trouble: Trouble,
    },
    /// It was tried often enough; a person must look at it.
    Failed {
        /// What went wrong last.
        trouble: Trouble,
    },
    /// It was deleted from the mailbox before it could be promoted.
    Gone,
    /// An email that waited to be sent does so no more, by nothing that Hybridge did.
    TakenBack,
    /// The record was sent.
    Sent {
        /// The record.
        record: RecordId,
        /// The sending was interrupted, and Exchange told afterwards that it had taken place.
        recovered: bool,
        /// Answers are recognised by its Message-Id; otherwise by the tracking token alone.
        threaded: bool,
    },
}

impl Outcome {
    /// The stable name, as stored, counted and printed.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Promoted { .. } => "promoted",
            Self::Duplicate { .. } => "duplicate",
            Self::Filtered { .. } => "filtered",
            Self::Ruled { .. } => "ruled",
            Self::Skipped { .. } => "skipped",
            Self::Waiting { .. } => "waiting",
            Self::Failed { .. } => "failed",
            Self::Gone => "gone",
            Self::TakenBack => "taken-back",
            Self::Sent { .. } => "sent",
        }
    }

    /// The record that the message led to.
    pub fn record(&self) -> Option<RecordId> {
        match self {
            Self::Promoted { record, .. } | Self::Sent { record, .. } => Some(*record),
            Self::Duplicate { record } => *record,
            _ => None,
        }
    }

    /// Why, in a few words; empty where the name says it all.
    pub fn why(&self) -> String {
        match self {
            Self::Promoted { reason, .. } | Self::Filtered { reason } => reason.words(),
            Self::Ruled { ruling } => ruling.words(),
            Self::Skipped { reason } => reason.words().to_owned(),
            Self::Duplicate { .. } => "another recipient's copy is the record".to_owned(),
            Self::Waiting { trouble, .. } | Self::Failed { trouble } => trouble.what.clone(),
            Self::Gone | Self::TakenBack | Self::Sent { .. } => String::new(),
        }
    }

    /// Whether a message that comes back into the Inbox is looked at again: everything but what has led
    /// to a record, as moving a message out and in is how users ask for another look.
    pub fn reconsidered_on_return(&self) -> bool {
        matches!(
            self,
            Self::Filtered { .. }
                | Self::Ruled { .. }
                | Self::Skipped { .. }
                | Self::Failed { .. }
                | Self::Gone
        )
    }
}

/// An attachment that was not carried over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachmentLeftOut {
    /// Its file name.
    pub name: String,
    /// Its size in bytes.
    pub size_bytes: u64,
    /// Why.
    pub reason: LeftOut,
}

/// One step on the way to a decision, as `hybridge explain` tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// What, as a sentence.
    pub what: String,
}

/// What was concluded about one message in one lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// The lane that looked at it.
    pub lane: LaneId,
    /// The message's immutable id.
    pub item: ItemId,
    /// The message's identity (its Message-Id, or the computed one); absent for an item that could not
    /// be read.
    pub message_id: Option<InternetMessageId>,
    /// The subject.
    pub subject: String,
    /// The sender's address, may be empty.
    pub sender: String,
    /// When Exchange received it.
    pub received: Option<Timestamp>,
    /// When Hybridge first saw it.
    pub first_seen: Timestamp,
    /// When this was concluded.
    pub decided: Timestamp,
    /// How often the organization refused it, or it could not be understood; passing faults don't count.
    pub attempts: u32,
    /// Whether it lay in the Inbox when last seen.
    pub in_inbox: bool,
    /// The conclusion.
    pub outcome: Outcome,
    /// How it came to that.
    pub steps: Vec<Step>,
}

impl Decision {
    /// Adds a step.
    pub fn note(&mut self, at: Timestamp, what: impl Into<String>) {
        // A message that waits for weeks must not grow without bound; the first steps say how it began.
        const MOST_STEPS: usize = 40;
        if self.steps.len() >= MOST_STEPS {
            self.steps.remove(MOST_STEPS / 2);
        }
        self.steps.push(Step { at, what: what.into() });
    }

    /// The conclusion as a sentence for an administrator.
    pub fn conclusion(&self) -> String {
        match &self.outcome {
            Outcome::Promoted { record, reason, recovered, left_out } => {
                let how = if *recovered {
                    " The delivery was interrupted; the record was found afterwards, so it was not made twice."
                } else {
                    ""
                };
                let missing = match left_out.len() {
                    0 => String::new(),
                    1 => " One attachment was left out.".to_owned(),
                    count => format!(" {count} attachments were left out."),
                };
                format!("Became email record {record}, because {}.{how}{missing}", reason.words())
            }
            Outcome::Duplicate { record: Some(record) } => {
                format!(
                    "No second record: the same message is email record {record} already (another recipient's copy, or an earlier run)."
                )
            }
            Outcome::Duplicate { record: None } => {
                "No second record: the organization says that it has an email with this Message-Id already, \
                 but the service account can't read it."
                    .to_owned()
            }
            Outcome::Filtered { reason } => {
                format!("Not tracked: the organization answered that {}.", reason.words())
            }
            Outcome::Ruled { ruling } => format!("Not tracked: {}.", ruling.words()),
            Outcome::Skipped { reason } => format!("Not looked at further: {}.", reason.words()),
            Outcome::Waiting { until, trouble } => {
                format!("Waits for another attempt, not before {until}. Last trouble: {}.", trouble.what)
            }
            Outcome::Failed { trouble } => {
                format!("Failed after {} attempts: {}.", self.attempts.max(1), trouble.what)
            }
            Outcome::Gone => "Was deleted from the mailbox before it could become a record.".to_owned(),
            Outcome::TakenBack => {
                "Waits no more: its user took it back or deleted it, or somebody else sent it.".to_owned()
            }
            Outcome::Sent { record, recovered, threaded } => {
                let how = if *recovered {
                    " It was interrupted, and found in Exchange afterwards, so it was not sent twice."
                } else {
                    ""
                };
                let answers = if *threaded {
                    ""
                } else {
                    " Its Message-Id could not be written onto the record: answers are recognised by the tracking token alone."
                };
                format!("Email record {record} was sent.{how}{answers}")
            }
        }
    }

    /// What an administrator can do about it, where there is something.
    pub fn remedy(&self) -> Option<String> {
        match &self.outcome {
            Outcome::Filtered { reason } => reason.remedy().map(str::to_owned),
            Outcome::Ruled { ruling } => Some(ruling.remedy()),
            Outcome::Skipped { reason } => reason.remedy().map(str::to_owned),
            Outcome::Waiting { trouble, .. } | Outcome::Failed { trouble } => {
                (!trouble.remedy.is_empty()).then(|| trouble.remedy.clone())
            }
            Outcome::Duplicate { record: None } => Some(
                "Give the service account's security role organization-wide read access to activities."
                    .to_owned(),
            ),
            _ => None,
        }
    }
}
