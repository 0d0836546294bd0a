use serde::{Deserialize, Serialize};

use super::{Condition, Domain, MailboxName, Reader};
use crate::{
    address::Address,
    message::{MessageHeader, Sensitivity},
};

/// What a rule does with a message that it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The organization is not asked about it: it never becomes a record.
    NeverTrack,
}

impl Action {
    /// As it stands in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::NeverTrack => "never-track",
        }
    }
}

/// A rule as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleText {
    /// Its name, as explanations give it.
    pub name: String,
    /// What it does.
    pub then: Action,
    /// Sender addresses.
    pub senders: Option<Vec<String>>,
    /// Domains of senders.
    pub sender_domains: Option<Vec<String>>,
    /// Recipient addresses.
    pub recipients: Option<Vec<String>>,
    /// Texts in the subject.
    pub subject_contains: Option<Vec<String>>,
    /// Marks of sensitivity.
    pub sensitivity: Option<Vec<Sensitivity>>,
    /// The mailboxes that it is limited to, by address or name.
    pub mailboxes: Option<Vec<String>>,
}

/// Why a rule as it is written is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// The key that is wrong.
    pub key: &'static str,
    /// Which of its values, from 0, where it is one.
    pub value: Option<usize>,
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub remedy: String,
}

impl Unusable {
    pub(super) fn new(
        key: &'static str,
        value: Option<usize>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { key, value, what: what.into(), remedy: remedy.into() }
    }
}

/// A rule: all of its conditions have to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name, as explanations give it.
    pub name: String,
    /// What it does.
    pub action: Action,
    /// What it asks of a message.
    pub conditions: Vec<Condition>,
    /// The mailboxes that it is limited to; none named means all.
    pub mailboxes: Vec<MailboxName>,
}

/// Whether a rule matches a message, and why. The reasons complete "because …".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checked {
    /// It does.
    Matches(String),
    /// It does not.
    DoesNot(String),
}

impl Rule {
    /// Reads a rule.
    ///
    /// # Errors
    /// When it is no rule, or one that can never match.
    pub fn read(text: RuleText) -> Result<Self, Unusable> {
        let name = text.name.trim().to_owned();
        if name.is_empty() {
            let remedy = "Give it a name that says what it is for; explanations and reports name it.";
            return Err(Unusable::new("name", None, "a rule has an empty name", remedy));
        }
        let mut conditions = Vec::new();
        let address = |text: &str| Address::new(text).filter(Address::looks_deliverable);
        let an_address = "is not an address of the form name@domain";
        if let Some(senders) = text.senders {
            conditions.push(Condition::Sender(each("senders", &senders, address, an_address)?));
        }
        if let Some(domains) = text.sender_domains {
            let not_a_domain = "is not a domain such as example.com";
            conditions.push(Condition::SenderDomain(each(
                "sender_domains",
                &domains,
                Domain::new,
                not_a_domain,
            )?));
        }
        if let Some(recipients) = text.recipients {
            conditions.push(Condition::Recipient(each("recipients", &recipients, address, an_address)?));
        }
        if let Some(texts) = text.subject_contains {
            let words = |text: &str| (!text.trim().is_empty()).then(|| text.to_owned());
            let empty = "is empty, and every subject contains that";
            conditions.push(Condition::SubjectContains(each("subject_contains", &texts, words, empty)?));
        }
        if let Some(wanted) = text.sensitivity {
            if wanted.is_empty() {
                return Err(nothing_in("sensitivity"));
            }
            if let Some(index) = wanted.iter().position(|one| *one == Sensitivity::Normal) {
                let what = "“normal” is what every message is that nobody marked";
                let remedy = "Name any of \"personal\", \"private\" and \"confidential\".";
                return Err(Unusable::new("sensitivity", Some(index), what, remedy));
            }
            conditions.push(Condition::Sensitivity(wanted));
        }
        let mailboxes = match &text.mailboxes {
            Some(mailboxes) => each("mailboxes", mailboxes, MailboxName::new, "is empty")?,
            None => Vec::new(),
        };
        if conditions.is_empty() && mailboxes.is_empty() {
            return Err(Unusable::new(
                "name",
                None,
                format!("the rule “{name}” has no condition: nothing at all would be tracked"),
                "Add senders, sender_domains, recipients, subject_contains, sensitivity or mailboxes.",
            ));
        }
        senders_in_domains(&conditions)?;
        Ok(Self { name, action: text.then, conditions, mailboxes })
    }

    /// Whether it matches a message, and why or why not. Of several reasons against it the first one is told.
    pub fn check(&self, header: &MessageHeader, reader: Reader<'_>) -> Checked {
        if !self.mailboxes.is_empty() && !self.mailboxes.iter().any(|mailbox| mailbox.names(reader)) {
            let names: Vec<String> = self.mailboxes.iter().map(ToString::to_string).collect();
            return Checked::DoesNot(format!("it is limited to the mailboxes {}", names.join(", ")));
        }
        let mut reasons = Vec::new();
        for condition in &self.conditions {
            match condition.check(header) {
                Ok(reason) => reasons.push(reason),
                Err(reason) => return Checked::DoesNot(reason),
            }
        }
        if reasons.is_empty() {
            reasons.push(format!("it is in the mailbox {}", reader.name));
        }
        Checked::Matches(reasons.join(", and "))
    }

    /// What it asks and does, as a sentence.
    pub fn words(&self) -> String {
        let mut asked: Vec<String> = self.conditions.iter().map(Condition::words).collect();
        if !self.mailboxes.is_empty() {
            let names: Vec<String> = self.mailboxes.iter().map(ToString::to_string).collect();
            asked.push(format!("the mailbox is {}", names.join(" or ")));
        }
        format!("{} when {}", self.action.name(), asked.join(", and "))
    }
}

/// The values of a list, each of them usable.
fn each<T>(
    key: &'static str,
    texts: &[String],
    read: impl Fn(&str) -> Option<T>,
    otherwise: &str,
) -> Result<Vec<T>, Unusable> {
    if texts.is_empty() {
        return Err(nothing_in(key));
    }
    let one = |(index, text): (usize, &String)| {
        let remedy = match key {
            "sender_domains" => "Write the domain alone, example.com; what lies below it counts too.",
            "mailboxes" => "Write a mailbox's address, or the name of its record in Dynamics.",
            "subject_contains" => "Write the words to look for, or take the value out.",
            _ => "Write whole addresses; for a whole domain use sender_domains.",
        };
        read(text).ok_or_else(|| Unusable::new(key, Some(index), format!("“{text}” {otherwise}"), remedy))
    };
    texts.iter().enumerate().map(one).collect()
}

fn nothing_in(key: &'static str) -> Unusable {
    let what = format!("{key} is an empty list, so the rule can never match");
    Unusable::new(key, None, what, "Name at least one value, or leave the key out.")
}

/// Senders that lie in none of the domains that are asked for as well: no message can have both.
fn senders_in_domains(conditions: &[Condition]) -> Result<(), Unusable> {
    let senders = conditions.iter().find_map(|condition| match condition {
        Condition::Sender(senders) => Some(senders),
        _ => None,
    });
    let domains = conditions.iter().find_map(|condition| match condition {
        Condition::SenderDomain(domains) => Some(domains),
        _ => None,
    });
    let (Some(senders), Some(domains)) = (senders, domains) else { return Ok(()) };
    if senders.iter().any(|sender| domains.iter().any(|domain| domain.holds(sender))) {
        return Ok(());
    }
    Err(Unusable::new(
        "senders",
        None,
        "the rule can never match: none of its senders is in one of its sender_domains, and all conditions of a rule have to hold",
        "Make two rules of it: one with senders, one with sender_domains.",
    ))
}
