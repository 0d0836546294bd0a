use hybridge_core::lane::LaneId;

use crate::model::{Epoch, Installation};

/// A store operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The database can't be opened.
    #[error("the database {path} can't be opened: {detail}")]
    Open {
        /// The file.
        path: String,
        /// The driver's words.
        detail: String,
    },
    /// The file is a database, but another program's.
    #[error("{path} is the database of another program")]
    Foreign {
        /// The file.
        path: String,
    },
    /// A newer version of Hybridge wrote the database.
    #[error("the database has schema version {found}, but this version of Hybridge knows only {known}")]
    NewerSchema {
        /// The database's version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// An older version of Hybridge wrote the database, and it was opened only to be read.
    #[error("the database has schema version {found} and must be brought to {known} first")]
    OlderSchema {
        /// The database's version; 0 for an empty one.
        found: i64,
        /// The version that this program reads.
        known: i64,
    },
    /// The disk is full.
    #[error("the disk that holds the database is full")]
    DiskFull,
    /// The database file or its folder can't be written.
    #[error("the database can't be written: it, or its folder, is read-only")]
    ReadOnly,
    /// Another program holds the database.
    #[error("the database is locked by another program")]
    Locked,
    /// The file is not a database, or is damaged.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// A stored value can't be read back.
    #[error("a stored {what} can't be read: {detail}")]
    Unreadable {
        /// What kind of value.
        what: &'static str,
        /// Why not.
        detail: String,
    },
    /// Any other failure of the database.
    #[error("the database failed: {0}")]
    Database(String),
    /// The store belongs to another organization or tenant.
    #[error(
        "this database belongs to organization {} and tenant {}, \
         but the configuration leads to organization {} and tenant {}",
        bound.organization, bound.tenant, asked.organization, asked.tenant
    )]
    OtherInstallation {
        /// What it is bound to.
        bound: Installation,
        /// What it was asked to serve.
        asked: Installation,
    },
    /// A newer run of the lane has begun.
    #[error("run {epoch} of lane {lane} was overtaken by a newer one; its result is not stored")]
    Fenced {
        /// The lane.
        lane: LaneId,
        /// The overtaken run.
        epoch: Epoch,
    },
    /// A run of one lane wanted to store what belongs to another.
    #[error("a run of lane {lane} can't store what belongs to lane {other}")]
    OtherLane {
        /// The lane of the run.
        lane: LaneId,
        /// The lane that it reached for.
        other: LaneId,
    },
}

impl Error {
    /// What to do about it.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Open { .. } => {
                "Check [store] path in the configuration, that its folder exists and that this account may write there."
            }
            Self::Foreign { .. } => "Set [store] path in the configuration to a file of Hybridge's own.",
            Self::NewerSchema { .. } => {
                "Run the newer version of Hybridge again; an older one can't read what it has written."
            }
            Self::OlderSchema { .. } => {
                "Start `hybridge run` of this version once: it brings the database up to date."
            }
            Self::DiskFull => {
                "Free some space on the disk of [store] path, or move the database. Nothing is lost: Hybridge goes on where it \
                 stopped."
            }
            Self::ReadOnly => {
                "Give the account that runs Hybridge write access to the file of [store] path and to its folder."
            }
            Self::Locked => "Stop the other program (is `hybridge run` running twice?), then try again.",
            Self::Damaged(_) | Self::Unreadable { .. } => {
                "Move the file away and start again: Hybridge reads the mailboxes anew, and the organization's own duplicate \
                 check keeps emails from being made twice. Keep the damaged file for a support case."
            }
            Self::Database(_) | Self::OtherLane { .. } => {
                "Try again; if it stays, keep the message for a support case."
            }
            Self::OtherInstallation { .. } => {
                "If this is a copy for tests, give it a database of its own ([store] path). If the organization or tenant was \
                 really replaced, start with a new database."
            }
            Self::Fenced { .. } => "Nothing: the newer run goes on.",
        }
    }
}
