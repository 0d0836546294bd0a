//! What can be wrong with a mailbox, by name.

use std::str::FromStr;

use hybridge_sandbox_graph::MailboxState;

const NAMES: [(&str, MailboxState); 5] = [
    ("normal", MailboxState::Normal),
    ("not-enabled", MailboxState::NotEnabled),
    ("out-of-scope", MailboxState::OutOfScope),
    ("unavailable", MailboxState::Unavailable),
    ("quota-exceeded", MailboxState::QuotaExceeded),
];

/// A state that nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MailboxFaultError {
    /// The mailbox or the state is missing.
    #[error(
        "{0:?} names no mailbox and state: write 2=out-of-scope (the second mailbox) or anna@contoso.com=not-enabled"
    )]
    Form(String),
    /// No state has this name.
    #[error("a mailbox can't be {0:?}: write {names}", names = NAMES.map(|(name, _)| name).join(", "))]
    State(String),
}

/// The state with a name: `normal`, `not-enabled` (no licence), `out-of-scope` (of the app), `unavailable`,
/// `quota-exceeded`.
///
/// # Errors
/// When there is no such state.
pub fn state_named(name: &str) -> Result<MailboxState, MailboxFaultError> {
    NAMES
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, state)| *state)
        .ok_or_else(|| MailboxFaultError::State(name.to_owned()))
}

/// A mailbox with which something is wrong from the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxFault {
    /// Its address, or its number among the company's mailboxes, from 1.
    pub mailbox: String,
    /// What is wrong.
    pub state: MailboxState,
}

impl FromStr for MailboxFault {
    type Err = MailboxFaultError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (mailbox, state) = text
            .rsplit_once('=')
            .filter(|(mailbox, _)| !mailbox.trim().is_empty())
            .ok_or_else(|| MailboxFaultError::Form(text.to_owned()))?;
        Ok(Self { mailbox: mailbox.trim().to_owned(), state: state_named(state.trim())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_and_its_state_are_read_and_mistakes_named() {
        let fault: MailboxFault = "anna@contoso.com = out-of-scope".parse().unwrap();
        assert_eq!((fault.mailbox.as_str(), fault.state), ("anna@contoso.com", MailboxState::OutOfScope));
        assert_eq!(
            "out-of-scope".parse::<MailboxFault>().unwrap_err().to_string().split(':').next(),
            Some("\"out-of-scope\" names no mailbox and state")
        );
        let wrong = "2=ill".parse::<MailboxFault>().unwrap_err().to_string();
        assert_eq!(
            wrong,
            "a mailbox can't be \"ill\": write normal, not-enabled, out-of-scope, unavailable, quota-exceeded"
        );
    }
}
