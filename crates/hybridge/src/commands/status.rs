//! `hybridge status`: how the mailboxes fare, what is wrong and what to do.

use std::{collections::BTreeMap, path::Path};

use hybridge_core::{
    decision::Outcome,
    eligibility::Ineligible,
    lane::{LaneId, LaneKind},
    options::Overrides,
    trouble::Trouble,
};
use hybridge_engine::REFUSED_FACT;
use hybridge_store::{Lane, MailboxRow, Search, Store, Tally};
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
    let picture = Picture::take(store.as_ref(), &config.overrides).await?;
    output.json(&picture.json());
    for line in picture.lines(all) {
        output.line(line);
    }
    let troubled = picture.refused.is_some() || picture.mailboxes.iter().any(Mailbox::in_trouble);
    Ok(if troubled { Exit::WithTroubles } else { Exit::Done })
}

struct Picture {
    refused: Option<String>,
    incoming: Tally,
    outgoing: Tally,
    mailboxes: Vec<Mailbox>,
    waits: Vec<Waits>,
    /// What counts instead of the organization's options.
    overridden: Vec<(&'static str, Value)>,
}

struct Mailbox {
    row: MailboxRow,
    incoming: Side,
    outgoing: Side,
}

/// One direction of a mailbox's email.
struct Side {
    ineligible: Option<Ineligible>,
    lane: Option<Lane>,
    tally: Tally,
}

/// Emails that wait to be sent for one reason.
struct Waits {
    what: String,
    remedy: String,
    emails: u64,
}

impl Side {
    fn trouble(&self) -> Option<&Trouble> {
        self.lane.as_ref().filter(|_| self.ineligible.is_none())?.health.trouble.as_ref()
    }

    fn count(&self, outcome: &str) -> u64 {
        self.tally.get(outcome).copied().unwrap_or(0)
    }

    fn json(&self) -> Value {
        json!({
            "why_not": self.ineligible.map(Ineligible::words),
            "health": self.lane.as_ref().map(|lane| &lane.health),
            "messages": self.tally,
        })
    }
}

impl Mailbox {
    fn sides(&self) -> [(&'static str, &Side); 2] {
        [("incoming", &self.incoming), ("outgoing", &self.outgoing)]
    }

    fn in_trouble(&self) -> bool {
        self.sides().iter().any(|(_, side)| side.trouble().is_some())
    }

    fn takes_part(&self) -> bool {
        self.sides().iter().any(|(_, side)| side.ineligible.is_none())
    }

    fn failed(&self) -> u64 {
        self.incoming.count("failed") + self.outgoing.count("failed")
    }

    fn state(&self) -> &'static str {
        let (incoming, outgoing) = (&self.incoming, &self.outgoing);
        let caught_up = |lane: &Lane| lane.health.caught_up;
        if !self.takes_part() {
            "takes no part"
        } else if self.in_trouble() {
            "in trouble"
        } else if incoming.ineligible.is_some() {
            if outgoing.lane.is_some() { "in step" } else { "not read yet" }
        } else if incoming.lane.as_ref().is_some_and(caught_up) {
            "in step"
        } else if incoming.lane.is_some() {
            "catching up"
        } else {
            "not read yet"
        }
    }
}

impl Picture {
    async fn take(store: &dyn Store, overrides: &Overrides) -> Result<Self> {
        let lanes: BTreeMap<LaneId, Lane> =
            store.lanes().await?.into_iter().map(|lane| (lane.id, lane)).collect();
        let (mut incoming, mut outgoing) = (Tally::new(), Tally::new());
        let mut tallies = BTreeMap::new();
        for id in lanes.keys() {
            let tally = store.tally(Some(*id)).await?;
            let whole = match id.kind {
                LaneKind::IncomingEmail => &mut incoming,
                LaneKind::OutgoingEmail => &mut outgoing,
            };
            for (outcome, count) in &tally {
                *whole.entry(outcome.clone()).or_default() += count;
            }
            tallies.insert(*id, tally);
        }
        let mut mailboxes = Vec::new();
        for row in store.mailboxes().await? {
            let side = |kind: LaneKind, ineligible: Option<Ineligible>| {
                let id = LaneId { mailbox: row.mailbox.id, kind };
                let tally = tallies.get(&id).cloned().unwrap_or_default();
                Side { ineligible, lane: lanes.get(&id).cloned(), tally }
            };
            let incoming = side(LaneKind::IncomingEmail, row.ineligible);
            let outgoing = side(LaneKind::OutgoingEmail, row.does_not_send);
            mailboxes.push(Mailbox { row, incoming, outgoing });
        }
        // Those that need somebody come first.
        mailboxes
            .sort_by_key(|mailbox| (!mailbox.in_trouble(), mailbox.failed() == 0, !mailbox.takes_part()));
        let waits = if outgoing.contains_key("waiting") { waits(store).await? } else { Vec::new() };
        let overridden = overrides.iter().map(|(name, value)| (name, json!(value))).collect();
        Ok(Self {
            refused: store.fact(REFUSED_FACT).await?,
            incoming,
            outgoing,
            mailboxes,
            waits,
            overridden,
        })
    }

    fn json(&self) -> Value {
        json!({
            "refused": self.refused,
            "messages": self.incoming,
            "outgoing": self.outgoing,
            "waits_to_be_sent": self.waits.iter().map(|waits| json!({
                "emails": waits.emails, "because": waits.what, "remedy": waits.remedy,
            })).collect::<Vec<_>>(),
            "overridden": self.overridden.iter().map(|(name, value)| json!({ "option": name, "value": value })).collect::<Vec<_>>(),
            "mailboxes": self.mailboxes.iter().map(|mailbox| json!({
                "id": mailbox.row.mailbox.id,
                "name": mailbox.row.mailbox.name,
                "address": mailbox.row.mailbox.address,
                "state": mailbox.state(),
                "why_not": mailbox.incoming.ineligible.filter(|_| !mailbox.takes_part()).map(Ineligible::words),
                "incoming": mailbox.incoming.json(),
                "outgoing": mailbox.outgoing.json(),
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
        lines.push(format!("Incoming email: {}", counted(&self.incoming)));
        lines.push(format!("Outgoing email: {}", counted(&self.outgoing)));
        for waits in &self.waits {
            lines.push(format!(
                "  {} to be sent: {}",
                plural(waits.emails, "email waits", "emails wait"),
                waits.what
            ));
            if !waits.remedy.is_empty() {
                lines.push(format!("    What to do: {}", waits.remedy));
            }
        }
        if !self.overridden.is_empty() {
            let overridden: Vec<String> =
                self.overridden.iter().map(|(name, value)| format!("{name} = {value}")).collect();
            lines.push(format!("Overridden in [options]: {} (`hybridge options`)", overridden.join(", ")));
        }
        let shown =
            self.mailboxes.iter().filter(|mailbox| all || mailbox.in_trouble() || mailbox.failed() > 0);
        for mailbox in shown {
            lines.push(String::new());
            lines.extend(describe(mailbox));
        }
        if !all && self.mailboxes.len() > count("in trouble") {
            lines.push(String::new());
            lines.push("`hybridge status --all` lists every mailbox; `hybridge explain <message>` tells why a message was or was not tracked or sent.".to_owned());
        }
        lines
    }
}

fn counted(tally: &Tally) -> String {
    let counts: Vec<String> = tally.iter().map(|(name, count)| format!("{count} {name}")).collect();
    if counts.is_empty() { "none yet".to_owned() } else { counts.join(", ") }
}

fn plural(count: u64, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

/// What the emails that are not sent wait for, the most frequent reason first.
async fn waits(store: &dyn Store) -> Result<Vec<Waits>> {
    let mut reasons: BTreeMap<(String, String), u64> = BTreeMap::new();
    for decision in store.search(&Search::Outcome("waiting".to_owned(), None)).await? {
        if let (LaneKind::OutgoingEmail, Outcome::Waiting { trouble, .. }) =
            (decision.lane.kind, decision.outcome)
        {
            *reasons.entry((trouble.what, trouble.remedy)).or_default() += 1;
        }
    }
    let mut waits: Vec<Waits> =
        reasons.into_iter().map(|((what, remedy), emails)| Waits { what, remedy, emails }).collect();
    waits.sort_by_key(|waits| std::cmp::Reverse(waits.emails));
    Ok(waits)
}

fn describe(mailbox: &Mailbox) -> Vec<String> {
    let address = mailbox.row.mailbox.address.as_ref().map(ToString::to_string).unwrap_or_default();
    let mut lines = vec![format!(
        "{} {} {}",
        column(&mailbox.row.mailbox.name, 28),
        column(&address, 34),
        mailbox.state()
    )];
    for (direction, side) in mailbox.sides() {
        lines.extend(describe_side(direction, side));
    }
    lines
}

fn describe_side(direction: &str, side: &Side) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(reason) = side.ineligible {
        lines.push(format!("  {direction}: off, {}", reason.words()));
        return lines;
    }
    let Some(lane) = &side.lane else { return lines };
    if let Some(at) = lane.health.last_succeeded {
        lines.push(format!("  {direction}: last run to the end {}", local(at)));
    }
    if let Some(trouble) = &lane.health.trouble {
        lines.push(format!("  {direction}: {} ({} times in a row)", trouble.what, lane.health.failures));
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
    let (waiting, failed) = (side.count("waiting"), side.count("failed"));
    if waiting + failed > 0 {
        lines.push(format!("  {direction}: {waiting} messages wait, {failed} have failed"));
    }
    lines
}
