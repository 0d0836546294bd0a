//! How far a change of the certificate that Dynamics signs with has come, and how it is to go.

use std::sync::Arc;

use hybridge_identity::Credential;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::steps::native::{STORE, signing_exchange};

/// How far the rotation has come. Each stage tells what is done already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SigningStage {
    /// The new certificate lies in Hybridge's folder (R1).
    Issued,
    /// Entra ID trusts both (R2).
    Trusted,
    /// It lies on every server, and the services may read its key (R3).
    Distributed,
    /// Entra ID had its time, and the synchronization works with the old one (R4, R5).
    Checked,
    /// The configuration database names the new one (R6).
    Switched,
    /// The services of every server were started anew (R7).
    Restarted,
    /// Dynamics opened mailboxes with it; both are kept for a while (R8, R9).
    Proven,
}

impl SigningStage {
    /// For people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Issued => "the new certificate is made",
            Self::Trusted => "Entra ID trusts both certificates",
            Self::Distributed => "the new certificate is on every server, beside the old one",
            Self::Checked => {
                "Dynamics works with the old one, and Entra ID had its time to learn of the new one"
            }
            Self::Switched => "the configuration database names the new certificate",
            Self::Restarted => "the services of every server sign with the new certificate",
            Self::Proven => "Dynamics opened mailboxes with it; both are kept for a while",
        }
    }
}

/// A rotation that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningState {
    /// How far it has come.
    pub stage: SigningStage,
    /// The old certificate: base64 of its DER. Public.
    pub(super) old_certificate: String,
    /// The old certificate's thumbprint (SHA-1, hex).
    pub old: String,
    /// When the old certificate ends by itself.
    pub old_ends: Timestamp,
    /// The new certificate's thumbprint.
    pub new: String,
    /// The new certificate's subject.
    pub new_subject: String,
    /// When the new certificate ends.
    pub new_ends: Timestamp,
    /// The new one has the subject of the old one.
    #[serde(default)]
    pub same_subject: bool,
    /// The configured file held the new certificate from the beginning.
    #[serde(default)]
    pub(super) in_place: bool,
    /// When it began.
    pub began: Timestamp,
    /// When Entra ID was told of the new one.
    pub(super) trusted_at: Option<Timestamp>,
    /// Until when both are kept.
    pub keep_until: Option<Timestamp>,
}

impl SigningState {
    /// The store that holds the certificate that Dynamics is not to find.
    pub(super) fn aside(&self) -> &'static str {
        if self.same_subject { signing_exchange::ASIDE } else { STORE }
    }
}

/// How a rotation is to go.
#[derive(Debug, Clone)]
pub struct SigningOptions {
    /// How many days a new certificate is valid.
    pub days: u32,
    /// The new certificate, where it is not to be a private one that Hybridge makes.
    pub certificate: Option<Arc<Credential>>,
    /// How long both are kept after the switch, at the most.
    pub keep: SignedDuration,
    /// Where to stop.
    pub until: Option<SigningStage>,
}

/// How a rotation ended for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SigningEnded {
    /// Stopped where it was asked to.
    Stopped(SigningState),
    /// Both certificates are kept until then; another run removes the old one.
    Keeping(SigningState),
    /// The old certificate is gone.
    Done {
        /// The new certificate's thumbprint.
        new: String,
        /// The old certificate's thumbprint.
        old: String,
        /// The servers where the old certificate lies still, each with the reason.
        left: Vec<String>,
    },
}
