//! `hybridge status`: how the mailboxes fare, what is wrong and what to do.

use std::path::Path;

use hybridge_core::lane::{LaneId, LaneKind};
use hybridge_engine::REFUSED_FACT;
use hybridge_store::{Lane, MailboxRow, Store, Tally};
use serde_json::{Value, json};

use crate::{
    error::Result,
    exit::Exit,
    output::{Output, column, local},
    wiring,
};

/// Shows the state of all mailboxes; those in trouble first.
pub(crate) async fn status(config: &Path, all: bool, output: Output) -> Result<Exit> {
    let config = crate::config::load(config)?;
    let store = wiring::open_to_read(&config).await?;
    let picture = Picture::take(store.as_ref()).await?;
    output.json(&picture.json());
    for line in picture.lines(all) {
        output.line(line);
    }
    let troubled = picture.refused.is_some() || picture.mailboxes.iter().any(Mailbox::in_trouble);
    Ok(if troubled { Exit::WithTroubles } else { Exit::Done })
}

struct Picture {
    refused: Option<String>,
    tally: Tally,
    mailboxes: Vec<Mailbox>,
}

struct Mailbox {
    row: MailboxRow,
    lane: Option<Lane>,
    waiting: u64,
    failed: u64,
}

impl Mailbox {
    fn in_trouble(&self) -> bool {
        self.row.ineligible.is_none() && self.lane.as_ref().is_some_and(|lane| lane.health.trouble.is_some())
    }

    fn state(&self) -> &'static str {
        match (&self.row.ineligible, &self.lane) {
            (Some(_), _) => "takes no part",
            (None, None) => "not read yet",
            (None, Some(lane)) if lane.health.trouble.is_some() => "in trouble",
            (None, Some(lane)) if lane.health.caught_up => "in step",
            (None, Some(_)) => "catching up",
        }
    }
}

impl Picture {
    async fn take(store: &dyn Store) -> Result<Self> {
        let lanes = store.lanes().await?;
        let mut mailboxes = Vec::new();
        for row in store.mailboxes().await? {
            let id = LaneId { mailbox: row.mailbox.id, kind: LaneKind::IncomingEmail };
            let tally = store.tally(Some(id)).await?;
            let count = |name: &str| tally.get(name).copied().unwrap_or(0);
            let lane = lanes.iter().find(|lane| lane.id == id).cloned();
            mailboxes.push(Mailbox { row, lane, waiting: count("waiting"), failed: count("failed") });
        }
        // Those that need somebody come first.
        mailboxes.sort_by_key(|mailbox| {
            (!mailbox.in_trouble(), mailbox.failed == 0, mailbox.row.ineligible.is_some())
        });
        Ok(Self { refused: store.fact(REFUSED_FACT).await?, tally: store.tally(None).await?, mailboxes })
    }

    fn json(&self) -> Value {
        json!({
            "refused": self.refused,
            "messages": self.tally,
            "mailboxes": self.mailboxes.iter().map(|mailbox| json!({
                "id": mailbox.row.mailbox.id,
                "name": mailbox.row.mailbox.name,
                "address": mailbox.row.mailbox.address,
                "state": mailbox.state(),
                "why_not": mailbox.row.ineligible.map(hybridge_core::eligibility::Ineligible::words),
                "health": mailbox.lane.as_ref().map(|lane| &lane.health),
                "waiting": mailbox.waiting,
                "failed": mailbox.failed,
            })).collect::<Vec<_>>(),
        })
    }

    fn lines(&self, all: bool) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(refused) = &self.refused {
            let (what, remedy) = refused.split_once('\n').unwrap_or((refused, ""));
            lines.push(format!("Nothing runs: {what}."));
            lines.push(format!("  What to do: {remedy}"));
            lines.push(String::new());
        }
        let count = |state: &str| self.mailboxes.iter().filter(|mailbox| mailbox.state() == state).count();
        lines.push(format!(
            "{} mailboxes: {} in step, {} catching up, {} in trouble, {} not read yet, {} take no part",
            self.mailboxes.len(),
            count("in step"),
            count("catching up"),
            count("in trouble"),
            count("not read yet"),
            count("takes no part"),
        ));
        let messages: Vec<String> =
            self.tally.iter().map(|(name, count)| format!("{count} {name}")).collect();
        lines.push(format!(
            "Messages: {}",
            if messages.is_empty() { "none yet".to_owned() } else { messages.join(", ") }
        ));
        let shown = self.mailboxes.iter().filter(|mailbox| all || mailbox.in_trouble() || mailbox.failed > 0);
        for mailbox in shown {
            lines.push(String::new());
            lines.extend(describe(mailbox));
        }
        if !all && self.mailboxes.len() > count("in trouble") {
            lines.push(String::new());
            lines.push("`hybridge status --all` lists every mailbox; `hybridge explain <message>` tells why a message was or was not tracked.".to_owned());
        }
        lines
    }
}

fn describe(mailbox: &Mailbox) -> Vec<String> {
    let address = mailbox.row.mailbox.address.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut lines = vec![format!(
        "{} {} {}",
        column(&mailbox.row.mailbox.name, 28),
        column(&address, 34),
        mailbox.state()
    )];
    if let Some(reason) = mailbox.row.ineligible {
        lines.push(format!("  {}", reason.words()));
    }
    let Some(lane) = &mailbox.lane else { return lines };
    if let Some(at) = lane.health.last_succeeded {
        lines.push(format!("  last read to the end {}", local(at)));
    }
    if let Some(trouble) = &lane.health.trouble {
        lines.push(format!("  {} ({} times in a row)", trouble.what, lane.health.failures));
        if !trouble.remedy.is_empty() {
            lines.push(format!("  What to do: {}", trouble.remedy));
        }
        if let Some(at) = lane.health.next_due {
            lines.push(format!("  tried again by itself at {}", local(at)));
        }
        if let Some(request) = &trouble.request_id {
            lines.push(format!("  request id for a support case: {request}"));
        }
    }
    if mailbox.waiting + mailbox.failed > 0 {
        lines.push(format!(
            "  {} messages wait for another attempt, {} have failed",
            mailbox.waiting, mailbox.failed
        ));
    }
    lines
}
