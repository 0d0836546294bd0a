//! `[rules]`: the administrator's rules, as they are written and as they are meant.

use std::{collections::BTreeSet, ops::Range};

use hybridge_core::rules::{MailboxName, Rule, RuleText, Rules, Scope, Unusable};
use serde::Deserialize;

/// The section as it is written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RulesConfig {
    forwards_are_not_replies: ScopeText,
    forward_prefixes: Vec<String>,
    only_own_option: ScopeText,
    rule: Vec<RuleText>,
}

/// `true`, `false`, or the mailboxes in which a switch is on.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged, expecting = "expected true, false, or a list of mailboxes")]
enum ScopeText {
    Switch(bool),
    Mailboxes(Vec<String>),
}

impl Default for ScopeText {
    fn default() -> Self {
        Self::Switch(false)
    }
}

/// What is wrong with the section, and in which of its rules (from 0).
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) rule: Option<usize>,
    pub(super) unusable: Unusable,
}

impl RulesConfig {
    /// The rules that are meant.
    pub(super) fn read(&self) -> Result<Rules, Wrong> {
        let mut names = BTreeSet::new();
        let mut rules = Vec::new();
        for (index, text) in self.rule.iter().enumerate() {
            let wrong = |unusable| Wrong { rule: Some(index), unusable };
            let rule = Rule::read(text.clone()).map_err(wrong)?;
            if !names.insert(rule.name.to_lowercase()) {
                return Err(wrong(Unusable {
                    key: "name",
                    value: None,
                    what: format!("two rules have the name “{}”", rule.name),
                    remedy: "Give each its own: explanations name the rule that decided.".to_owned(),
                }));
            }
            rules.push(rule);
        }
        Ok(Rules {
            rules,
            forwards_are_not_replies: scope("forwards_are_not_replies", &self.forwards_are_not_replies)?,
            forward_prefixes: self.forward_prefixes.clone(),
            only_own_option: scope("only_own_option", &self.only_own_option)?,
        })
    }
}

fn scope(key: &'static str, text: &ScopeText) -> Result<Scope, Wrong> {
    let wrong = |value, what: String| {
        let remedy =
            "Write true for all mailboxes, false for none, or name mailboxes by their address.".to_owned();
        Wrong { rule: None, unusable: Unusable { key, value, what, remedy } }
    };
    match text {
        ScopeText::Switch(false) => Ok(Scope::Nowhere),
        ScopeText::Switch(true) => Ok(Scope::Everywhere),
        ScopeText::Mailboxes(names) if names.is_empty() => {
            Err(wrong(None, format!("{key} is an empty list, which says nothing")))
        }
        ScopeText::Mailboxes(names) => {
            let mailboxes = names.iter().enumerate().map(|(index, name)| {
                MailboxName::new(name)
                    .ok_or_else(|| wrong(Some(index), format!("a mailbox of {key} is empty")))
            });
            Ok(Scope::In(mailboxes.collect::<Result<_, _>>()?))
        }
    }
}

/// Where a mistake stands in the file: the line of its key, in its rule.
pub(super) fn place(text: &str, wrong: &Wrong) -> Option<Range<usize>> {
    let mut at = 0;
    let (mut rules, mut inside) = (0_usize, false);
    let mut header = None;
    for line in text.split_inclusive('\n') {
        let (begin, trimmed) = (at, line.trim());
        at += line.len();
        let here = begin..begin + line.trim_end().len();
        if trimmed.starts_with('[') {
            let is_rule = trimmed.starts_with("[[rules.rule]]");
            inside = match wrong.rule {
                Some(index) => is_rule && rules == index,
                None => trimmed.starts_with("[rules]"),
            };
            rules += usize::from(is_rule);
            if inside {
                header = Some(here);
            }
        } else if inside
            && trimmed.strip_prefix(wrong.unusable.key).is_some_and(|rest| rest.trim_start().starts_with('='))
        {
            return Some(here);
        }
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Rules, (String, String)> {
        #[derive(Deserialize)]
        struct File {
            rules: RulesConfig,
        }
        let file: File = toml::from_str(text).unwrap();
        file.rules.read().map_err(|wrong| {
            let place = place(text, &wrong).map(|range| text[range].to_owned());
            (wrong.unusable.what, place.unwrap_or_default())
        })
    }

    #[test]
    fn rules_are_read_in_their_order() {
        let rules = read(
            "[rules]\nforwards_are_not_replies = true\nonly_own_option = [\"anna@contoso.com\"]\n\
             [[rules.rule]]\nname = \"Bank\"\nthen = \"never-track\"\nsender_domains = [\"bank.example\"]\n\
             [[rules.rule]]\nname = \"Private\"\nthen = \"never-track\"\nsensitivity = [\"private\"]\n",
        )
        .unwrap();
        assert_eq!(rules.forwards_are_not_replies, Scope::Everywhere);
        assert!(matches!(&rules.only_own_option, Scope::In(names) if names.len() == 1));
        let names: Vec<&str> = rules.rules.iter().map(|rule| rule.name.as_str()).collect();
        assert_eq!(names, ["Bank", "Private"]);
    }

    #[test]
    fn a_mistake_is_shown_at_its_line() {
        let second = "[[rules.rule]]\nname = \"A\"\nthen = \"never-track\"\nsenders = [\"a@x.example\"]\n\
                      [[rules.rule]]\nname = \"B\"\nthen = \"never-track\"\nsenders = [\"nobody\"]\n";
        let (what, place) = read(second).unwrap_err();
        assert_eq!(place, "senders = [\"nobody\"]", "{what}");
        assert!(what.contains("nobody"), "{what}");
        let twice = second.replace("\"B\"", "\"a\"").replace("nobody", "b@x.example");
        assert_eq!(
            read(&twice).unwrap_err(),
            ("two rules have the name “a”".to_owned(), "name = \"a\"".to_owned())
        );
        let (what, place) = read("[rules]\nonly_own_option = [\" \"]\n").unwrap_err();
        assert_eq!((place.as_str(), what.contains("is empty")), ("only_own_option = [\" \"]", true));
    }
}
