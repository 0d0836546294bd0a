//! What SQLite's result codes mean to an administrator (<https://www.sqlite.org/rescode.html>).

use sqlx::migrate::MigrateError;

use crate::error::Error;

const BUSY: i32 = 5;
const LOCKED: i32 = 6;
const READ_ONLY: i32 = 8;
const CORRUPT: i32 = 11;
const FULL: i32 = 13;
const CANT_OPEN: i32 = 14;
const NOT_A_DATABASE: i32 = 26;

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if let sqlx::Error::Migrate(error) = error {
            return Self::from(*error);
        }
        match primary_code(&error) {
            Some(BUSY | LOCKED) => Self::Locked,
            Some(READ_ONLY) => Self::ReadOnly,
            Some(FULL) => Self::DiskFull,
            Some(CORRUPT | NOT_A_DATABASE) => Self::Damaged(words(&error)),
            _ => Self::Database(words(&error)),
        }
    }
}

impl From<MigrateError> for Error {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            error => Self::Damaged(error.to_string()),
        }
    }
}

/// Whether another connection stands in the way.
pub(super) fn is_locked(error: &sqlx::Error) -> bool {
    matches!(primary_code(error), Some(BUSY | LOCKED))
}

/// Whether SQLite could not open the file at all.
pub(super) fn is_cant_open(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(_) | sqlx::Error::Configuration(_))
        || primary_code(error) == Some(CANT_OPEN)
}

/// The driver's words, without sqlx's own "error returned from database" before them.
pub(super) fn words(error: &sqlx::Error) -> String {
    error.as_database_error().map_or_else(|| error.to_string(), ToString::to_string)
}

/// The result code without its extension: the extended codes say where it failed, not what to do.
fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code: i32 = error.as_database_error()?.code()?.parse().ok()?;
    Some(code & 0xff)
}
