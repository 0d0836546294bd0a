//! The administrator's rules on top of the organization's: which messages are never tracked, that forwards are no
//! replies, and whose option counts (server-side-sync.md 2.3, 2.4 and section 6, row 8).
//!
//! The first rule that matches a message decides. What a rule keeps out is told with the rule's name and the reason.

mod condition;
mod forward;
mod rule;
mod shadow;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{address::Address, eligibility::Mailbox, message::MessageHeader, verdict::ReasonCode};

pub use condition::{Condition, Domain};
pub use forward::{FORWARD_PREFIXES, sign_of_forward};
pub use rule::{Action, Checked, Rule, RuleText, Unusable};

/// The mailbox that a message is read from, as rules name it.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    /// The name of its record.
    pub name: &'a str,
    /// Its address, where it has one.
    pub address: Option<&'a Address>,
}

impl<'a> From<&'a Mailbox> for Reader<'a> {
    fn from(mailbox: &'a Mailbox) -> Self {
        Self { name: &mailbox.name, address: mailbox.address.as_ref() }
    }
}

/// A mailbox as it stands in the configuration: its address, or the name of its record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxName(String);

impl MailboxName {
    /// A name or address, trimmed; `None` when it is empty.
    pub fn new(text: &str) -> Option<Self> {
        let trimmed = text.trim();
        (!trimmed.is_empty()).then(|| Self(trimmed.to_owned()))
    }

    /// Whether it is this mailbox. Case does not matter.
    pub fn names(&self, reader: Reader<'_>) -> bool {
        let folded = |text: &str| text.to_lowercase();
        folded(&self.0) == folded(reader.name)
            || reader.address.is_some_and(|address| folded(&self.0) == folded(address.as_str()))
    }
}

impl fmt::Display for MailboxName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// In which mailboxes something holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Scope {
    /// In none.
    #[default]
    Nowhere,
    /// In all.
    Everywhere,
    /// In these.
    In(Vec<MailboxName>),
}

impl Scope {
    /// Whether it holds in this mailbox.
    pub fn includes(&self, reader: Reader<'_>) -> bool {
        match self {
            Self::Nowhere => false,
            Self::Everywhere => true,
            Self::In(mailboxes) => mailboxes.iter().any(|mailbox| mailbox.names(reader)),
        }
    }

    /// For a list of rules.
    pub fn words(&self) -> String {
        match self {
            Self::Nowhere => "off".to_owned(),
            Self::Everywhere => "on in all mailboxes".to_owned(),
            Self::In(mailboxes) => {
                let names: Vec<String> = mailboxes.iter().map(ToString::to_string).collect();
                format!("on in {}", names.join(", "))
            }
        }
    }

    fn mailboxes(&self) -> &[MailboxName] {
        match self {
            Self::In(mailboxes) => mailboxes,
            Self::Nowhere | Self::Everywhere => &[],
        }
    }
}

/// What kept a message out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RuledBy {
    /// A rule, by its name.
    Rule(String),
    /// The switch `forwards_are_not_replies`.
    ForwardsAreNotReplies,
}

/// A message is kept out, with the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ruling {
    /// What keeps it out.
    pub by: RuledBy,
    /// Why it applies to this message: completes "because …".
    pub because: String,
}

impl Ruling {
    /// For an administrator: completes "Not tracked: …".
    pub fn words(&self) -> String {
        match &self.by {
            RuledBy::Rule(name) => format!("the rule “{name}” keeps it out, because {}", self.because),
            RuledBy::ForwardsAreNotReplies => format!(
                "it is a forward ({}), and forwards are not replies (forwards_are_not_replies); the organization wanted \
                 it only because it belongs to a Dynamics email",
                self.because
            ),
        }
    }

    /// What an administrator can do so that such a message is tracked.
    pub fn remedy(&self) -> String {
        let change = match &self.by {
            RuledBy::Rule(name) => format!("change or remove the rule “{name}” in the configuration ([[rules.rule]])"),
            RuledBy::ForwardsAreNotReplies => {
                "take forwards_are_not_replies out of [rules] in the configuration, or name the mailboxes that it is for"
                    .to_owned()
            }
        };
        format!(
            "If such mail should be tracked: {change} and start Hybridge again. New messages obey at once; this one is \
             looked at again when it is moved out of the Inbox and back. `hybridge rules test message.eml` tells \
             beforehand what the rules do to a message."
        )
    }
}

/// All rules of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// In order: the first one that matches decides.
    pub rules: Vec<Rule>,
    /// Where a forward is not tracked merely because it belongs to a Dynamics email.
    pub forwards_are_not_replies: Scope,
    /// What subjects of forwards begin with, beside [`FORWARD_PREFIXES`].
    pub forward_prefixes: Vec<String>,
    /// Where only the option of the mailbox that is read counts.
    pub only_own_option: Scope,
}

impl Rules {
    /// The first rule that keeps a message out.
    pub fn forbids(&self, header: &MessageHeader, reader: Reader<'_>) -> Option<Ruling> {
        self.rules.iter().find_map(|rule| match rule.check(header, reader) {
            Checked::Matches(because) => Some(Ruling { by: RuledBy::Rule(rule.name.clone()), because }),
            Checked::DoesNot(_) => None,
        })
    }

    /// Whether a message that the organization wants is kept out all the same: a forward that is wanted only because
    /// it correlates (2.4: forwards carry `In-Reply-To` as well).
    pub fn overrules(
        &self,
        header: &MessageHeader,
        reader: Reader<'_>,
        reason: ReasonCode,
    ) -> Option<Ruling> {
        if reason != ReasonCode::CorrelationMatch || !self.forwards_are_not_replies.includes(reader) {
            return None;
        }
        let because = sign_of_forward(header, &self.forward_prefixes)?;
        Some(Ruling { by: RuledBy::ForwardsAreNotReplies, because })
    }

    /// Whether the organization is asked with this mailbox as the only recipient, so that no other recipient's option
    /// counts (2.3, as `UseFilteringMethodOfSyncingMailboxOnlyForCorrelation` does where a server has it).
    pub fn only_own_option(&self, reader: Reader<'_>) -> bool {
        self.only_own_option.includes(reader)
    }

    /// Whether there is any rule or switch.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Rules that never decide anything, each with the earlier rule that matches all that it matches.
    pub fn shadowed(&self) -> Vec<(&Rule, &Rule)> {
        let mut shadowed = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            let earlier = self.rules.iter().take(index).find(|earlier| shadow::covers(earlier, rule));
            shadowed.extend(earlier.map(|earlier| (rule, earlier)));
        }
        shadowed
    }

    /// The names in the rules that are no mailbox of the organization: what is limited to them never applies.
    pub fn unknown_mailboxes(&self, known: &[&Mailbox]) -> Vec<String> {
        let scopes = [&self.forwards_are_not_replies, &self.only_own_option];
        let named = self
            .rules
            .iter()
            .flat_map(|rule| &rule.mailboxes)
            .chain(scopes.into_iter().flat_map(Scope::mailboxes));
        let mut unknown: Vec<String> = named
            .filter(|name| !known.iter().any(|mailbox| name.names((*mailbox).into())))
            .map(ToString::to_string)
            .collect();
        unknown.sort();
        unknown.dedup();
        unknown
    }
}

#[cfg(test)]
mod tests;
