//! `hybridge sync --once`: brings mailboxes in step once.

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use hybridge_core::{eligibility::Mailbox, lane::LaneKind};
use hybridge_engine::{Engine, Readiness, RunReport, Setup, Silent, WouldBe};
use hybridge_store::Store;
use serde_json::json;

use crate::{
    cli::SyncArgs,
    config::Config,
    error::{Failure, Result},
    exit::Exit,
    output::{Output, column, local},
    progress::Bars,
    wiring,
};

/// Runs every chosen mailbox's lane once, or shows what that would do.
pub(crate) async fn sync(config: &Path, args: &SyncArgs, output: Output) -> Result<Exit> {
    let config = crate::config::load(config)?;
    if args.dry_run {
        let store = wiring::open_for_trial(&config).await?;
        let engine = wiring::engine(&config, store, Arc::new(Silent)).await?;
        let mailboxes = chosen(engine.survey().await?, &args.mailbox)?;
        return dry_run(&engine, &mailboxes, output).await;
    }
    let _only_one = wiring::lock(&config)?;
    let store = wiring::open(&config).await?;
    let outcome = work(&config, store.clone(), args, output).await;
    store.close().await;
    outcome
}

async fn work(config: &Config, store: Arc<dyn Store>, args: &SyncArgs, output: Output) -> Result<Exit> {
    let engine = Arc::new(wiring::engine(config, store, Arc::new(Silent)).await?);
    let mailboxes = chosen(engine.set_up().await?, &args.mailbox)?;
    let bars = Bars::over_mailboxes(mailboxes.len(), output);
    let at_once = config.sync.lanes_at_once;
    let reports: Vec<(Mailbox, RunReport)> = stream::iter(mailboxes)
        .map(|mailbox| {
            let (engine, bars) = (engine.clone(), bars.clone());
            async move {
                let report = engine
                    .run_lane(
                        &mailbox,
                        LaneKind::IncomingEmail,
                        Duration::from_secs(config.sync.poll_seconds),
                    )
                    .await?;
                bars.one_done();
                Ok((mailbox, report))
            }
        })
        .buffer_unordered(at_once)
        .collect::<Vec<std::result::Result<_, hybridge_store::Error>>>()
        .await
        .into_iter()
        .collect::<std::result::Result<_, _>>()?;
    bars.finish();
    engine.remember_route().await?;
    Ok(summary(&reports, output))
}

/// The mailboxes that are meant: all that take part, or those with a name or address. A failure when the
/// organization has not handed its email over.
pub(crate) fn chosen(setup: Setup, wanted: &[String]) -> Result<Vec<Mailbox>> {
    if let Readiness::Refused(trouble) = setup.readiness() {
        return Err(Failure::from(trouble).exiting(Exit::Refused));
    }
    if wanted.is_empty() {
        return Ok(setup.eligible);
    }
    let is = |mailbox: &Mailbox, text: &str| {
        mailbox.name.eq_ignore_ascii_case(text)
            || mailbox.address.as_ref().is_some_and(|address| address.as_str().eq_ignore_ascii_case(text))
    };
    let mut chosen = Vec::new();
    for text in wanted {
        if let Some(mailbox) = setup.eligible.iter().find(|mailbox| is(mailbox, text)) {
            chosen.push(mailbox.clone());
        } else if let Some(row) = setup.others.iter().find(|row| is(&row.mailbox, text)) {
            let why = row.ineligible.map(hybridge_core::eligibility::Ineligible::words).unwrap_or_default();
            return Err(Failure::new(
                Exit::Configuration,
                format!("the mailbox {text} takes no part: {why}"),
            )
            .help(
                "Change that on its mailbox record in Dynamics (Settings, Email Configuration, Mailboxes).",
            ));
        } else {
            return Err(Failure::new(
                Exit::Configuration,
                format!("the organization has no mailbox {text:?}"),
            )
            .help("`hybridge status --all` lists them."));
        }
    }
    Ok(chosen)
}

async fn dry_run(engine: &Engine, mailboxes: &[Mailbox], output: Output) -> Result<Exit> {
    let mut all = Vec::new();
    for mailbox in mailboxes {
        let previews = match engine.preview(mailbox).await {
            Ok(previews) => previews,
            Err(hybridge_engine::LaneError::Trouble(trouble)) => {
                output.line(format!("{}: {}", mailbox.name, trouble.what));
                all.push(json!({ "mailbox": mailbox.name, "trouble": trouble }));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        output.line(format!("{}: {} new messages", mailbox.name, previews.len()));
        for preview in &previews {
            let (would, why) = match &preview.would_be {
                WouldBe::Promoted(reason) => ("would become a record", reason.words()),
                WouldBe::Refused(reason) => ("would not be tracked", reason.words()),
                WouldBe::Skipped(reason) => ("would be skipped", reason.words().to_owned()),
                WouldBe::Troubled(trouble) => ("would wait", trouble.what.clone()),
            };
            let subject = column(&preview.header.subject, 44);
            output.line(format!("  {}  {subject}  {would}: {why}", local(preview.header.received)));
            all.push(json!({
                "mailbox": mailbox.name, "item": preview.header.id, "message_id": preview.header.message_id,
                "subject": preview.header.subject, "received": preview.header.received, "would": would, "because": why,
            }));
        }
    }
    output.line("Nothing was done: this was a dry run.");
    output.json(&json!({ "dry_run": true, "messages": all }));
    Ok(Exit::Done)
}

fn summary(reports: &[(Mailbox, RunReport)], output: Output) -> Exit {
    let mut tally: BTreeMap<&str, u64> = BTreeMap::new();
    for (_, report) in reports {
        for (name, count) in &report.tally {
            *tally.entry(name).or_default() += count;
        }
    }
    let troubled: Vec<&(Mailbox, RunReport)> =
        reports.iter().filter(|(_, report)| report.trouble.is_some()).collect();
    let counts: Vec<String> = tally.iter().map(|(name, count)| format!("{count} {name}")).collect();
    let counts = if counts.is_empty() { "nothing new".to_owned() } else { counts.join(", ") };
    output.line(format!("{} mailboxes looked into: {counts}.", reports.len()));
    for (mailbox, report) in &troubled {
        if let Some(trouble) = &report.trouble {
            output.line(format!("In trouble: {}: {}", mailbox.name, trouble.what));
            if !trouble.remedy.is_empty() {
                output.line(format!("  What to do: {}", trouble.remedy));
            }
        }
    }
    output.json(&json!({
        "mailboxes": reports.len(),
        "messages": tally,
        "troubles": troubled.iter().map(|(mailbox, report)| json!({ "mailbox": mailbox.name, "trouble": report.trouble })).collect::<Vec<_>>(),
    }));
    let unfinished = ["waiting", "failed"].iter().any(|name| tally.contains_key(name));
    if troubled.is_empty() && !unfinished { Exit::Done } else { Exit::WithTroubles }
}
