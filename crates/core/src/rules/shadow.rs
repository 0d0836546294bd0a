//! Whether one rule leaves another one nothing to decide.

use super::{Condition, Rule};

/// Whether `earlier` matches every message that `later` matches.
pub(super) fn covers(earlier: &Rule, later: &Rule) -> bool {
    let mailboxes = earlier.mailboxes.is_empty()
        || (!later.mailboxes.is_empty()
            && later.mailboxes.iter().all(|mailbox| {
                let folded = mailbox.to_string().to_lowercase();
                earlier.mailboxes.iter().any(|known| known.to_string().to_lowercase() == folded)
            }));
    mailboxes
        && earlier.conditions.iter().all(|asked| later.conditions.iter().any(|given| follows(asked, given)))
}

/// Whether `asked` holds wherever `given` holds.
fn follows(asked: &Condition, given: &Condition) -> bool {
    match (asked, given) {
        (Condition::Sender(asked), Condition::Sender(given))
        | (Condition::Recipient(asked), Condition::Recipient(given)) => {
            given.iter().all(|address| asked.contains(address))
        }
        (Condition::SenderDomain(asked), Condition::Sender(given)) => {
            given.iter().all(|address| asked.iter().any(|domain| domain.holds(address)))
        }
        (Condition::SenderDomain(asked), Condition::SenderDomain(given)) => {
            given.iter().all(|below| asked.iter().any(|domain| domain.contains(below)))
        }
        (Condition::SubjectContains(asked), Condition::SubjectContains(given)) => given
            .iter()
            .map(|text| text.to_lowercase())
            .all(|text| asked.iter().any(|part| text.contains(&part.to_lowercase()))),
        (Condition::Sensitivity(asked), Condition::Sensitivity(given)) => {
            given.iter().all(|one| asked.contains(one))
        }
        _ => false,
    }
}
