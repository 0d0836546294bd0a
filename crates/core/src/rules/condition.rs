use std::fmt;

use crate::{
    address::Address,
    message::{MessageHeader, Sensitivity},
};

/// A domain of mail addresses; what lies below it counts too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain(String);

impl Domain {
    /// A domain such as `example.com`; `None` for what is none. A leading `@` or `*.` is taken as it is meant.
    pub fn new(text: &str) -> Option<Self> {
        let trimmed = text.trim();
        let bare = trimmed.strip_prefix("*.").or_else(|| trimmed.strip_prefix('@')).unwrap_or(trimmed);
        let folded = bare.trim_end_matches('.').to_lowercase();
        let label = |label: &str| {
            !label.is_empty()
                && label.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_'))
        };
        (!folded.is_empty() && folded.split('.').all(label)).then_some(Self(folded))
    }

    /// Whether an address is in the domain or below it.
    pub fn holds(&self, address: &Address) -> bool {
        let Some((_, domain)) = address.as_str().rsplit_once('@') else { return false };
        self.is_or_contains(&domain.trim_end_matches('.').to_lowercase())
    }

    /// Whether another domain is this one or below it.
    pub fn contains(&self, other: &Self) -> bool {
        self.is_or_contains(&other.0)
    }

    fn is_or_contains(&self, folded: &str) -> bool {
        folded == self.0 || folded.strip_suffix(self.0.as_str()).is_some_and(|below| below.ends_with('.'))
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What a rule asks of a message. Of several values one has to fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The sender's address is one of these.
    Sender(Vec<Address>),
    /// The sender's address is in one of these domains.
    SenderDomain(Vec<Domain>),
    /// One of these addresses is on To or Cc (or on Bcc, where the message shows it).
    Recipient(Vec<Address>),
    /// The subject contains one of these texts, in whatever case.
    SubjectContains(Vec<String>),
    /// The sender marked it so.
    Sensitivity(Vec<Sensitivity>),
}

impl Condition {
    /// Whether it holds: why, or why not. Both complete "because …".
    ///
    /// # Errors
    /// The reason why it does not hold.
    pub fn check(&self, header: &MessageHeader) -> Result<String, String> {
        let sender = header.from.as_ref().map(|from| &from.address);
        match self {
            Self::Sender(addresses) => match sender {
                Some(sender) if addresses.contains(sender) => Ok(format!("its sender is {sender}")),
                sender => Err(format!("{} is not {}", its_sender(sender), any(addresses))),
            },
            Self::SenderDomain(domains) => {
                match sender
                    .and_then(|sender| Some((sender, domains.iter().find(|domain| domain.holds(sender))?)))
                {
                    Some((sender, domain)) => Ok(format!("its sender {sender} is in the domain {domain}")),
                    None => Err(format!("{} is not in {}", its_sender(sender), any(domains))),
                }
            }
            Self::Recipient(addresses) => {
                match header.recipients().find(|party| addresses.contains(&party.address)) {
                    Some(party) => Ok(format!("{} is one of its recipients", party.address)),
                    None => Err(format!("none of its recipients is {}", any(addresses))),
                }
            }
            Self::SubjectContains(texts) => {
                let subject = header.subject.to_lowercase();
                match texts.iter().find(|text| subject.contains(&text.to_lowercase())) {
                    Some(text) => Ok(format!("its subject contains “{text}”")),
                    None => Err(format!("its subject does not contain {}", any_quoted(texts))),
                }
            }
            Self::Sensitivity(wanted) if wanted.contains(&header.sensitivity) => {
                Ok(format!("its sender marked it as {}", header.sensitivity))
            }
            Self::Sensitivity(wanted) => {
                Err(format!("its sensitivity is {}, not {}", header.sensitivity, any(wanted)))
            }
        }
    }

    /// What it asks, for a list of rules.
    pub fn words(&self) -> String {
        match self {
            Self::Sender(addresses) => format!("the sender is {}", any(addresses)),
            Self::SenderDomain(domains) => format!("the sender is in {}", any(domains)),
            Self::Recipient(addresses) => format!("a recipient is {}", any(addresses)),
            Self::SubjectContains(texts) => format!("the subject contains {}", any_quoted(texts)),
            Self::Sensitivity(wanted) => format!("the sender marked it as {}", any(wanted)),
        }
    }
}

fn its_sender(sender: Option<&Address>) -> String {
    sender.map_or_else(|| "its sender, which is missing,".to_owned(), |sender| format!("its sender {sender}"))
}

/// `a`, `a or b`, `a, b or c`.
fn any<T: fmt::Display>(values: &[T]) -> String {
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    match values.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

fn any_quoted(texts: &[String]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| format!("“{text}”")).collect();
    any(&quoted)
}
