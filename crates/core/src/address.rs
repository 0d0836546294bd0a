//! Email addresses.

use std::{cmp::Ordering, fmt, hash};

use serde::{Deserialize, Serialize};

/// An SMTP address. Shown as written, compared without regard to case (as Dynamics and Exchange do).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Address(String);

impl Address {
    /// An address, trimmed; `None` when it is empty.
    pub fn new(text: &str) -> Option<Self> {
        let trimmed = text.trim();
        (!trimmed.is_empty()).then(|| Self(trimmed.to_owned()))
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it has the shape `local@domain`, which Dynamics asks of a sender.
    pub fn looks_deliverable(&self) -> bool {
        self.0.rsplit_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !self.0.contains(char::is_whitespace)
        })
    }

    fn folded(&self) -> impl Iterator<Item = char> + '_ {
        self.0.chars().flat_map(char::to_lowercase)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        self.folded().eq(other.folded())
    }
}

impl Eq for Address {}

impl PartialOrd for Address {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Address {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded().cmp(other.folded())
    }
}

impl hash::Hash for Address {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.folded().for_each(|letter| letter.hash(state));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_does_not_make_another_address() {
        assert_eq!(Address::new("Anna.Berg@Example.com"), Address::new(" anna.berg@example.COM "));
        assert_ne!(Address::new("anna@example.com"), Address::new("anne@example.com"));
    }

    #[test]
    fn a_sender_needs_a_local_part_and_a_domain() {
        let deliverable = |text: &str| Address::new(text).is_some_and(|address| address.looks_deliverable());
        assert!(deliverable("a@b"));
        for text in ["", "   ", "anna", "@example.com", "anna@", "anna berg@example.com", "/o=Org/cn=anna"] {
            assert!(!deliverable(text), "{text:?}");
        }
    }
}
