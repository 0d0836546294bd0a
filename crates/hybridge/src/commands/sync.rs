//! `hybridge sync --once`: brings mailboxes in step once, in both directions.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
    time::Duration,
};

use futures::{StreamExt, stream};
use hybridge_core::{
    eligibility::Mailbox,
    ids::MailboxId,
    lane::{LaneId, LaneKind},
    outgoing::Departure,
    trouble::Trouble,
};
use hybridge_engine::{
    Engine, LaneError, OutgoingPreview, Preview, Readiness, RunReport, Setup, Silent, WouldBe,
};
use hybridge_store::Store;
use serde_json::{Value, json};

use crate::{
    cli::SyncArgs,
    config::Config,
    error::{Failure, Result},
    exit::Exit,
    output::{Output, column, local},
    progress::Bars,
    wiring,
};

/// Runs the lanes of every chosen mailbox once, or shows what that would do.
pub(crate) async fn sync(config: &Path, args: &SyncArgs, output: Output) -> Result<Exit> {
    let config = crate::config::load(config)?;
    if args.dry_run {
        let store = wiring::open_for_trial(&config).await?;
        let engine = wiring::engine(&config, store, Arc::new(Silent)).await?;
        let meant = chosen(engine.survey().await?, &args.mailbox)?;
        return dry_run(&engine, &meant, output).await;
    }
    let _only_one = wiring::lock(&config)?;
    let store = wiring::open(&config).await?;
    let outcome = work(&config, store.clone(), args, output).await;
    store.close().await;
    outcome
}

async fn work(config: &Config, store: Arc<dyn Store>, args: &SyncArgs, output: Output) -> Result<Exit> {
    let engine = Arc::new(wiring::engine(config, store, Arc::new(Silent)).await?);
    let meant = chosen(engine.set_up().await?, &args.mailbox)?;
    let lanes: Vec<(LaneId, Mailbox)> =
        meant.lanes().map(|(lane, mailbox)| (lane, mailbox.clone())).collect();
    if args.mailbox.is_empty() {
        engine.look_over_outbox().await?;
    }
    let bars = Bars::over_lanes(lanes.len(), output);
    let reports: Vec<Report> = stream::iter(lanes)
        .map(|(lane, mailbox)| {
            let (engine, bars) = (engine.clone(), bars.clone());
            async move {
                let interval = Duration::from_secs(config.sync.poll_seconds);
                let run = engine.run_lane(&mailbox, lane.kind, interval).await?;
                bars.one_done();
                Ok(Report { lane, mailbox, run })
            }
        })
        .buffer_unordered(config.sync.lanes_at_once)
        .collect::<Vec<std::result::Result<_, hybridge_store::Error>>>()
        .await
        .into_iter()
        .collect::<std::result::Result<_, _>>()?;
    bars.finish();
    engine.remember_route().await?;
    Ok(summary(&reports, output))
}

/// How a lane's run went.
struct Report {
    lane: LaneId,
    mailbox: Mailbox,
    run: RunReport,
}

/// What is meant: all mailboxes that take part, or those with a name or address. A failure when the organization has not
/// handed its email over.
pub(crate) fn chosen(setup: Setup, wanted: &[String]) -> Result<Setup> {
    if let Readiness::Refused(trouble) = setup.readiness() {
        return Err(Failure::from(trouble).exiting(Exit::Refused));
    }
    if wanted.is_empty() {
        return Ok(setup);
    }
    let is = |mailbox: &Mailbox, text: &str| {
        mailbox.name.eq_ignore_ascii_case(text)
            || mailbox.address.as_ref().is_some_and(|address| address.as_str().eq_ignore_ascii_case(text))
    };
    for text in wanted {
        let mut taking_part = setup.eligible.iter().chain(&setup.senders);
        if taking_part.any(|mailbox| is(mailbox, text)) {
            continue;
        }
        if let Some(row) = setup.others.iter().find(|row| is(&row.mailbox, text)) {
            let why = row.ineligible.map(hybridge_core::eligibility::Ineligible::words).unwrap_or_default();
            return Err(Failure::new(
                Exit::Configuration,
                format!("the mailbox {text} takes no part: {why}"),
            )
            .help(
                "Change that on its mailbox record in Dynamics (Settings, Email Configuration, Mailboxes).",
            ));
        }
        return Err(Failure::new(Exit::Configuration, format!("the organization has no mailbox {text:?}"))
            .help("`hybridge status --all` lists them."));
    }
    let meant = |mailbox: &Mailbox| wanted.iter().any(|text| is(mailbox, text));
    let Setup { settings, options, mut eligible, others, mut senders } = setup;
    eligible.retain(meant);
    senders.retain(meant);
    Ok(Setup { settings, options, eligible, others, senders })
}

fn summary(reports: &[Report], output: Output) -> Exit {
    let tally = |kind: LaneKind| {
        let mut tally: BTreeMap<&str, u64> = BTreeMap::new();
        for report in reports.iter().filter(|report| report.lane.kind == kind) {
            for (name, count) in &report.run.tally {
                *tally.entry(name).or_default() += count;
            }
        }
        tally
    };
    let (incoming, outgoing) = (tally(LaneKind::IncomingEmail), tally(LaneKind::OutgoingEmail));
    let words = |tally: &BTreeMap<&str, u64>| {
        let counts: Vec<String> = tally.iter().map(|(name, count)| format!("{count} {name}")).collect();
        if counts.is_empty() { "nothing new".to_owned() } else { counts.join(", ") }
    };
    let mailboxes: BTreeSet<MailboxId> = reports.iter().map(|report| report.lane.mailbox).collect();
    output.line(format!("{} mailboxes looked into.", mailboxes.len()));
    output.line(format!("Incoming email: {}.", words(&incoming)));
    output.line(format!("Outgoing email: {}.", words(&outgoing)));
    let troubles: Vec<(&Report, &Trouble)> =
        reports.iter().filter_map(|report| Some((report, report.run.trouble.as_ref()?))).collect();
    for (report, trouble) in &troubles {
        output.line(format!("In trouble: {} ({}): {}", report.mailbox.name, report.lane.kind, trouble.what));
        if !trouble.remedy.is_empty() {
            output.line(format!("  What to do: {}", trouble.remedy));
        }
    }
    output.json(&json!({
        "mailboxes": mailboxes.len(),
        "messages": incoming,
        "outgoing": outgoing,
        "troubles": troubles.iter().map(|(report, trouble)| json!({
            "mailbox": report.mailbox.name, "lane": report.lane.kind, "trouble": trouble,
        })).collect::<Vec<_>>(),
    }));
    // An email that waits for its own time, or for its turn, is in order.
    let unfinished = incoming.contains_key("waiting")
        || [&incoming, &outgoing].iter().any(|tally| tally.contains_key("failed"));
    if troubles.is_empty() && !unfinished { Exit::Done } else { Exit::WithTroubles }
}

async fn dry_run(engine: &Engine, setup: &Setup, output: Output) -> Result<Exit> {
    let mut troubles = Vec::new();
    let mut trouble_of = |mailbox: &Mailbox, error: LaneError| match error {
        LaneError::Trouble(trouble) => {
            output.line(format!("{}: {}", mailbox.name, trouble.what));
            troubles.push(json!({ "mailbox": mailbox.name, "trouble": trouble }));
            Ok(())
        }
        error @ LaneError::Store(_) => Err(error),
    };
    let (mut messages, mut emails) = (Vec::new(), Vec::new());
    for mailbox in &setup.eligible {
        match engine.preview(mailbox).await {
            Ok(previews) => messages.extend(incoming_lines(mailbox, &previews, output)),
            Err(error) => trouble_of(mailbox, error)?,
        }
    }
    for mailbox in &setup.senders {
        match engine.preview_outgoing(mailbox).await {
            Ok(previews) => emails.extend(outgoing_lines(mailbox, &previews, output)),
            Err(error) => trouble_of(mailbox, error)?,
        }
    }
    output.line("Nothing was done: this was a dry run.");
    output.json(&json!({ "dry_run": true, "messages": messages, "emails": emails, "troubles": troubles }));
    Ok(Exit::Done)
}

fn incoming_lines(mailbox: &Mailbox, previews: &[Preview], output: Output) -> Vec<Value> {
    output.line(format!("{}: {} new messages", mailbox.name, previews.len()));
    let tell = |preview: &Preview| {
        let (would, why) = match &preview.would_be {
            WouldBe::Promoted(reason) => ("would become a record", reason.words()),
            WouldBe::Refused(reason) => ("would not be tracked", reason.words()),
            WouldBe::Ruled(ruling) => ("would not be tracked", ruling.words()),
            WouldBe::Skipped(reason) => ("would be skipped", reason.words().to_owned()),
            WouldBe::Troubled(trouble) => ("would wait", trouble.what.clone()),
        };
        let subject = column(&preview.header.subject, 44);
        output.line(format!("  {}  {subject}  {would}: {why}", local(preview.header.received)));
        json!({
            "mailbox": mailbox.name, "item": preview.header.id, "message_id": preview.header.message_id,
            "subject": preview.header.subject, "received": preview.header.received, "would": would, "because": why,
        })
    };
    previews.iter().map(tell).collect()
}

fn outgoing_lines(mailbox: &Mailbox, previews: &[OutgoingPreview], output: Output) -> Vec<Value> {
    if !previews.is_empty() {
        output.line(format!("{}: {} emails to be sent", mailbox.name, previews.len()));
    }
    let tell = |preview: &OutgoingPreview| {
        let (would, why) = match &preview.departure {
            Some(Departure::Now) => ("would be sent", String::new()),
            Some(Departure::Later(until)) => ("would be sent later", format!("not before {}", local(*until))),
            Some(Departure::Never(trouble)) => ("would fail", trouble.what.clone()),
            None => ("would be looked for in the mailbox", "its sending was interrupted".to_owned()),
        };
        let colon = if why.is_empty() { "" } else { ": " };
        output.line(format!("  {}  {would}{colon}{why}", column(&preview.email.subject, 44)));
        json!({
            "mailbox": mailbox.name, "record": preview.email.record, "subject": preview.email.subject,
            "would": would, "because": why,
        })
    };
    previews.iter().map(tell).collect()
}
