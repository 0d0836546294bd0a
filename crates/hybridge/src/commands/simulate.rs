//! `hybridge simulate`: the whole system under seeded faults, in one thread on a paused clock.

use hybridge_simulation::{Report, simulate as run_seed};
use serde_json::json;

use crate::{
    cli::SimulateArgs,
    error::{Failure, Result},
    exit::Exit,
    output::Output,
    progress::bar,
};

/// Runs seeds and checks the promises after each.
pub(crate) fn simulate(args: &SimulateArgs, output: Output) -> Result<Exit> {
    let seeds = match args.replay {
        Some(seed) => seed..=seed,
        None => args.first..=args.first.saturating_add(args.seeds.saturating_sub(1)),
    };
    let progress = bar(args.replay.map_or(args.seeds, |_| 1), "seeds", output);
    let (mut broken, mut messages, mut kills) = (Vec::new(), 0, 0);
    for seed in seeds.clone() {
        let report = run_seed(seed)
            .map_err(|error| Failure::new(Exit::Unexpected, format!("seed {seed}: {error}")))?;
        messages += report.messages;
        kills += report.kills;
        if args.replay.is_some() {
            tell(&report, output);
        }
        if !report.broken.is_empty() {
            for promise in &report.broken {
                output.line(format!("seed {seed}: {promise}"));
            }
            broken.push(json!({ "seed": seed, "broken": report.broken }));
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    let count = seeds.end() - seeds.start() + 1;
    output.line(format!(
        "{count} seeds, {messages} messages, {kills} kills: {} broken promises.",
        broken.len()
    ));
    if let Some(first) = broken.first().and_then(|broken| broken.get("seed")) {
        output.line(format!("Replay: hybridge simulate --replay {first}"));
    }
    output.json(&json!({ "seeds": count, "messages": messages, "kills": kills, "broken": broken }));
    Ok(if broken.is_empty() { Exit::Done } else { Exit::Unexpected })
}

fn tell(report: &Report, output: Output) {
    output.line(format!("{} messages, {} kills, {} records", report.messages, report.kills, report.records));
    for line in &report.story {
        output.line(format!("  {line}"));
    }
}
