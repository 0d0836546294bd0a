//! The answers of `CheckIncomingEmail` (dynamics.md 5.1).

/// Why a message is or is not wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The message id is known.
    Duplicate,
    /// No recipient wants it: it answers nothing and its sender is not one that they accept.
    NoCorrelationMatch,
    /// It answers an email of the organization.
    CorrelationMatch,
    /// No recipient is a user or queue.
    NoRecipientMatch,
    /// Mail between users that the organization does not want.
    InternalEmailReject,
    /// Its sender is one that a recipient accepts.
    SenderMatch,
    /// A recipient accepts everything.
    AcceptAll,
    /// It has no valid sender.
    InvalidSender,
}

impl Reason {
    /// The number on the wire.
    pub(crate) fn code(self) -> i32 {
        match self {
            Self::Duplicate => 0,
            Self::NoCorrelationMatch => 1,
            Self::CorrelationMatch => 2,
            Self::NoRecipientMatch => 3,
            Self::InternalEmailReject => 4,
            Self::SenderMatch => 5,
            Self::AcceptAll => 6,
            Self::InvalidSender => 7,
        }
    }
}

/// Whether to deliver, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) deliver: bool,
    pub(crate) reason: Reason,
}

impl Verdict {
    pub(crate) fn accept(reason: Reason) -> Self {
        Self { deliver: true, reason }
    }

    pub(crate) fn reject(reason: Reason) -> Self {
        Self { deliver: false, reason }
    }
}
