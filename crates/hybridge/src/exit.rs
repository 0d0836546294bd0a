//! The exit codes, documented in `docs/reference/exit-codes.md`.

use std::process::ExitCode;

/// What the program's end says to a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// All went well.
    Done = 0,
    /// Something that should not happen.
    Unexpected = 1,
    /// It was done, but some mailboxes or messages are in trouble.
    WithTroubles = 3,
    /// Signing in, or a permission.
    Denied = 4,
    /// It will pass: network, throttling, a server that is down.
    Temporary = 5,
    /// The configuration or an input file is wrong.
    Configuration = 6,
    /// Refused for safety: the organization is not handed over, or the database belongs to another one.
    Refused = 7,
    /// Another instance is at work.
    Locked = 8,
    /// The disk or the database.
    Storage = 9,
}

impl Exit {
    /// All codes with their meaning, as the reference page has them.
    #[cfg(test)]
    pub(crate) const TABLE: &'static [(Self, &'static str)] = &[
        (Self::Done, "all went well"),
        (Self::Unexpected, "something unexpected"),
        (Self::WithTroubles, "done, but some mailboxes or messages are in trouble"),
        (Self::Denied, "signing in or a permission failed"),
        (Self::Temporary, "a passing fault: network, throttling, a server that is down"),
        (Self::Configuration, "the configuration or an input file is wrong"),
        (Self::Refused, "refused for safety"),
        (Self::Locked, "another instance is at work"),
        (Self::Storage, "the disk or the database failed"),
    ];
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_page_lists_every_code() {
        let page = include_str!("../../../docs/reference/exit-codes.md");
        for (exit, meaning) in Exit::TABLE {
            assert!(
                page.contains(&format!("| {} | {meaning} |", *exit as u8)),
                "{exit:?} is not on the page"
            );
        }
    }
}
