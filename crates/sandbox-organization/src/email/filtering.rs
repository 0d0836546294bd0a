//! The track option of each user and queue (server-side-sync.md 2.3).

use crate::{cell::Reference, schema, state::State};

use super::Reason;

/// What a user or queue accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TrackOption {
    All,
    Responses,
    LeadsContactsAccounts,
    EmailEnabledRecords,
    Nothing,
}

impl TrackOption {
    fn of(code: i64) -> Self {
        match code {
            0 => Self::All,
            2 => Self::LeadsContactsAccounts,
            3 => Self::EmailEnabledRecords,
            4 => Self::Nothing,
            // Responses is the default of personal options.
            _ => Self::Responses,
        }
    }

    /// Why a message is accepted under this option, if it is.
    pub(super) fn accepts(self, correlated: bool, sender: Option<Reference>) -> Option<Reason> {
        let business =
            sender.is_some_and(|sender| ["lead", "contact", "account"].contains(&sender.table.name));
        match self {
            Self::All => Some(Reason::AcceptAll),
            Self::Responses => correlated.then_some(Reason::CorrelationMatch),
            Self::LeadsContactsAccounts => business.then_some(Reason::SenderMatch),
            Self::EmailEnabledRecords => sender.map(|_| Reason::SenderMatch),
            Self::Nothing => None,
        }
    }
}

/// The option of a user or queue. An administrator can force one on all users
/// (`SSSForceFilteringMethodForUserMailboxes`); `DoNotAutoTrackEmail` makes option 4 exist.
pub(super) fn option_of(state: &State, receiver: Reference) -> TrackOption {
    let settings = state.settings();
    let code = if receiver.is_a("systemuser") {
        let forced = settings.number("SSSForceFilteringMethodForUserMailboxes", -1);
        if (0..=4).contains(&forced) {
            return TrackOption::of(forced);
        }
        schema::table("usersettings")
            .and_then(|table| state.store.get(table, receiver.id))
            .and_then(|row| row.integer("incomingemailfilteringmethod"))
    } else {
        state
            .store
            .get(receiver.table, receiver.id)
            .and_then(|row| row.integer("incomingemailfilteringmethod"))
    };
    let default = i64::from(receiver.is_a("systemuser"));
    TrackOption::of(code.unwrap_or(default))
}

/// The strongest reason among those who accept: all mail, then a response, then the sender.
pub(super) fn best(reasons: impl Iterator<Item = Reason>) -> Option<Reason> {
    let rank = |reason: &Reason| match reason {
        Reason::AcceptAll => 0,
        Reason::CorrelationMatch => 1,
        _ => 2,
    };
    reasons.min_by_key(rank)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn what_each_option_accepts() {
        let record = |name: &str| Some(Reference { table: schema::table(name).unwrap(), id: Uuid::nil() });
        let cases = [
            (0, false, None, Some(Reason::AcceptAll)),
            (1, false, record("contact"), None),
            (1, true, None, Some(Reason::CorrelationMatch)),
            (2, true, None, None),
            (2, false, record("contact"), Some(Reason::SenderMatch)),
            (2, false, record("lead"), Some(Reason::SenderMatch)),
            (2, false, record("systemuser"), None),
            (3, false, record("systemuser"), Some(Reason::SenderMatch)),
            (3, false, record("queue"), Some(Reason::SenderMatch)),
            (3, true, None, None),
            (4, true, record("contact"), None),
        ];
        for (code, correlated, sender, expected) in cases {
            assert_eq!(
                TrackOption::of(code).accepts(correlated, sender),
                expected,
                "{code} {correlated} {sender:?}"
            );
        }
    }
}
