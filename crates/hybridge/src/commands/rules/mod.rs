//! `hybridge rules`: the administrator's rules, and what they do to a message.

mod eml;

use std::path::Path;

use hybridge_core::{
    address::Address,
    message::MessageHeader,
    rules::{Action, Checked, Reader, Rules, sign_of_forward},
};
use serde_json::{Value, json};

use crate::{
    cli::RulesCommand,
    config::Config,
    error::Result,
    exit::Exit,
    output::{Output, column},
    wiring,
};

/// Lists the rules, or tries them on a message.
pub(crate) async fn rules(config: &Path, command: &RulesCommand, output: Output) -> Result<Exit> {
    let config = crate::config::load(config)?;
    match command {
        RulesCommand::List => list(&config, output).await,
        RulesCommand::Test { message, mailbox } => test(&config, message, mailbox.as_deref(), output).await,
    }
}

async fn list(config: &Config, output: Output) -> Result<Exit> {
    let rules = &config.rules;
    if rules.is_empty() {
        output.line("There are no rules: what the organization wants is tracked. docs/rules.md shows how to write some.");
    }
    for rule in &rules.rules {
        output.line(format!("{}  {}", column(&rule.name, 28), rule.words()));
    }
    for (switch, scope) in [
        ("forwards_are_not_replies", &rules.forwards_are_not_replies),
        ("only_own_option", &rules.only_own_option),
    ] {
        output.line(format!("{}  {}", column(switch, 28), scope.words()));
    }
    let mut odd: Vec<String> = rules
        .shadowed()
        .into_iter()
        .map(|(rule, earlier)| {
            format!(
                "“{}” never decides anything: “{}” comes before it and matches all that it matches",
                rule.name, earlier.name
            )
        })
        .collect();
    if let Some(mailboxes) = known_mailboxes(config).await? {
        let mailboxes: Vec<_> = mailboxes.iter().map(|row| &row.mailbox).collect();
        odd.extend(rules.unknown_mailboxes(&mailboxes).into_iter().map(|name| {
            format!("{name} is no mailbox of the organization: what is limited to it never applies")
        }));
    }
    for what in &odd {
        output.line(format!("Odd: {what}."));
    }
    output.json(&json!({
        "rules": rules.rules.iter().map(|rule| json!({
            "name": rule.name, "then": rule.action, "asks": rule.words(),
        })).collect::<Vec<_>>(),
        "forwards_are_not_replies": rules.forwards_are_not_replies.words(),
        "only_own_option": rules.only_own_option.words(),
        "odd": odd,
    }));
    Ok(if odd.is_empty() { Exit::Done } else { Exit::WithTroubles })
}

/// The mailboxes as they were last read; `None` before the first run.
async fn known_mailboxes(config: &Config) -> Result<Option<Vec<hybridge_store::MailboxRow>>> {
    if !config.path(&config.store.path).exists() {
        return Ok(None);
    }
    Ok(Some(wiring::open_to_read(config).await?.mailboxes().await?))
}

async fn test(config: &Config, message: &Path, mailbox: Option<&str>, output: Output) -> Result<Exit> {
    let header = eml::read(message)?;
    let named = match mailbox {
        Some(mailbox) => mailbox.to_owned(),
        None => header.recipients().next().map(|party| party.address.to_string()).unwrap_or_default(),
    };
    let known = known_mailboxes(config).await?.unwrap_or_default();
    let address = Address::new(&named).filter(Address::looks_deliverable);
    let typed = Reader { name: &named, address: address.as_ref() };
    let reader = known
        .iter()
        .map(|row| Reader::from(&row.mailbox))
        .find(|reader| {
            reader.name.eq_ignore_ascii_case(&named)
                || (address.is_some() && reader.address == address.as_ref())
        })
        .unwrap_or(typed);
    let trial = Trial::of(&config.rules, &header, reader);
    for line in trial.lines(&header, &named) {
        output.line(line);
    }
    output.json(&trial.json(&header, &named));
    Ok(Exit::Done)
}

/// What the rules do to a message.
struct Trial<'a> {
    checked: Vec<(&'a str, Checked)>,
    /// The rule that decides.
    forbidden: Option<String>,
    /// Why it would be kept out if it were wanted only because it belongs to a Dynamics email.
    forward: Option<String>,
    forwards: &'static str,
    only_own_option: bool,
}

impl<'a> Trial<'a> {
    fn of(rules: &'a Rules, header: &MessageHeader, reader: Reader<'_>) -> Self {
        let checked =
            rules.rules.iter().map(|rule| (rule.name.as_str(), rule.check(header, reader))).collect();
        let sign = sign_of_forward(header, &rules.forward_prefixes);
        let applies = rules.forwards_are_not_replies.includes(reader);
        Self {
            checked,
            forbidden: rules.forbids(header, reader).map(|ruling| ruling.words()),
            forwards: match (applies, &sign) {
                (false, _) => "is off for this mailbox",
                (true, None) => "does not concern it: it is no forward",
                (true, Some(_)) => "concerns it",
            },
            forward: sign.filter(|_| applies),
            only_own_option: rules.only_own_option(reader),
        }
    }

    fn verdict(&self) -> String {
        match (&self.forbidden, &self.forward) {
            (Some(words), _) => format!("It would not be tracked: {words}."),
            (None, Some(because)) => format!(
                "The organization decides; if it wants the message only because it belongs to a Dynamics email, it is not \
                 tracked, because {because}."
            ),
            (None, None) => "No rule keeps it out: the organization decides.".to_owned(),
        }
    }

    fn lines(&self, header: &MessageHeader, mailbox: &str) -> Vec<String> {
        let from =
            header.from.as_ref().map_or_else(|| "(no sender)".to_owned(), |from| from.address.to_string());
        let mut lines = vec![format!("“{}” from {from}, read in the mailbox {mailbox}", header.subject)];
        lines.extend(self.checked.iter().map(|(name, checked)| match checked {
            Checked::Matches(because) => format!("  {}  matches: {because}", column(name, 28)),
            Checked::DoesNot(because) => format!("  {}  does not match: {because}", column(name, 28)),
        }));
        lines.push(format!("  {}  {}", column("forwards_are_not_replies", 28), self.forwards));
        let option = if self.only_own_option {
            "only this mailbox's track option counts"
        } else {
            "is off: any recipient's track option counts"
        };
        lines.push(format!("  {}  {option}", column("only_own_option", 28)));
        lines.push(self.verdict());
        lines
    }

    fn json(&self, header: &MessageHeader, mailbox: &str) -> Value {
        json!({
            "mailbox": mailbox,
            "message": {
                "message_id": header.message_id, "subject": header.subject,
                "from": header.from.as_ref().map(|from| &from.address), "sensitivity": header.sensitivity,
            },
            "rules": self.checked.iter().map(|(name, checked)| match checked {
                Checked::Matches(because) => json!({ "name": name, "matches": true, "because": because }),
                Checked::DoesNot(because) => json!({ "name": name, "matches": false, "because": because }),
            }).collect::<Vec<_>>(),
            "never_tracked": self.forbidden.is_some().then(|| Action::NeverTrack.name()),
            "forward": self.forward,
            "only_own_option": self.only_own_option,
            "conclusion": self.verdict(),
        })
    }
}
