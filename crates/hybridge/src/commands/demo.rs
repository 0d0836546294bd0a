//! `hybridge demo`: the main job at work on a made-up company.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use hybridge_console::{Console, Liveness};
use hybridge_core::{
    decision::{Decision, Outcome},
    lane::LaneId,
};
use hybridge_engine::{Observer, Runner};
use hybridge_sandbox::company::Company;
use hybridge_store::{Search, Store};
use indicatif::ProgressBar;
use jiff::Timestamp;
use prometheus_client::registry::Registry;
use serde_json::json;

use crate::{
    cli::DemoArgs,
    commands::{run::WakesLanes, sandbox},
    config::{self, Config},
    error::{Failure, Result},
    exit::Exit,
    output::{Output, column, percentile, span},
    progress::bar,
    wiring,
};

/// How long the demo waits for everything to settle before it tells what is still open.
const PATIENCE: Duration = Duration::from_secs(90);

/// Starts the sandbox, connects, syncs everything, then shows new mail arriving.
pub(crate) async fn demo(args: &DemoArgs, output: Output) -> Result<Exit> {
    let folder = std::env::temp_dir().join(format!("hybridge-demo-{}", std::process::id()));
    let result = play(args, &folder, output).await;
    let _left = std::fs::remove_dir_all(&folder);
    result
}

async fn play(args: &DemoArgs, folder: &Path, output: Output) -> Result<Exit> {
    output.line("Hybridge demo: a made-up company, an emulated tenant and an emulated Dynamics organization. Nothing leaves this machine.");
    output.line("");
    let (served, mut company) = sandbox::open(folder, None, &args.size).await?;
    let config = configuration(folder)?;
    let store = wiring::open(&config).await?;
    let seen = Arc::new(Seen::default());
    let engine = Arc::new(wiring::engine(&config, store.clone(), seen.clone()).await?);
    let inbox: usize = served.sandbox.graph().census().len();
    output.line(format!(
        "  {} mailboxes, {inbox} messages in them; weather: {}",
        company.mailboxes().len(),
        args.size.faults
    ));
    output.line("  signing in to Entra ID with a certificate, to the organization through AD FS …");

    let (runner, waker, stop) = Runner::new(engine.clone());
    let listener = std::net::TcpListener::bind(listen_address(&config)?).map_err(|error| {
        Failure::new(Exit::Temporary, format!("the notification receiver can't listen: {error}"))
    })?;
    let mut registry = Registry::with_prefix("hybridge");
    engine.metrics().register(&mut registry);
    let console =
        Console::new(store.clone(), Arc::new(WakesLanes(waker)), Arc::new(Liveness::starting()), registry);
    let receiver = tokio::spawn(console.serve(listener, std::future::pending()));
    let running = tokio::spawn(runner.run());

    let progress = bar(inbox as u64, "messages", output);
    seen.show(progress.clone());
    let began = Instant::now();
    settle(&served.sandbox, &seen).await;
    progress.finish_and_clear();
    let first_reading = began.elapsed().as_secs_f64();
    output.line(format!("  first reading: {} messages in {}", seen.concluded(), span(first_reading)));
    output.line("");
    output.line(format!("The company's people and customers write {} mails while you watch:", args.live));
    output.line("");
    seen.begin_live(served.sandbox.clock().now(), if output.json { None } else { Some(20) });
    write_mail(&mut company, &served.sandbox, args.live).await;
    settle(&served.sandbox, &seen).await;

    let summary = Summary::of(store.as_ref(), &seen, &served.sandbox, first_reading).await?;
    for line in summary.lines() {
        output.line(line);
    }
    let complete = summary.open == 0;
    if args.once {
        output.json(&summary.json());
    } else {
        output.line("");
        output.line("It stays up: more mail goes on arriving. Ctrl-C ends it.");
        output.line(format!("  hybridge --config {} status", folder.join("hybridge.toml").display()));
        let writing = async {
            loop {
                write_mail(&mut company, &served.sandbox, 1).await;
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        };
        tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => {}
            () = writing => {}
        }
    }
    stop.stop();
    match tokio::time::timeout(Duration::from_secs(10), running).await {
        Ok(Ok(outcome)) => outcome?,
        Ok(Err(error)) => return Err(Failure::new(Exit::Unexpected, error.to_string())),
        Err(_) => {}
    }
    receiver.abort();
    served.stop().await;
    Ok(if complete { Exit::Done } else { Exit::WithTroubles })
}

fn configuration(folder: &Path) -> Result<Config> {
    let mut config = config::load(&folder.join("hybridge.toml"))?;
    // Any free port will do for the receiver of change notifications.
    let port = std::net::TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map_err(|error| Failure::new(Exit::Temporary, format!("there is no free port: {error}")))?;
    config.console.listen = Some(port);
    config.console.notification_url =
        format!("http://{port}{}", hybridge_console::NOTIFICATIONS_PATH).parse().ok();
    config.sync.poll_seconds = 5;
    Ok(config)
}

fn listen_address(config: &Config) -> Result<std::net::SocketAddr> {
    config
        .console
        .listen
        .ok_or_else(|| Failure::new(Exit::Unexpected, "the demo has no address to listen on"))
}

/// Waits until every message in an Inbox has come to a conclusion, or patience ends.
async fn settle(sandbox: &hybridge_sandbox::Sandbox, seen: &Seen) {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let wanted = sandbox.graph().census().iter().filter(|entry| entry.folder == "inbox").count();
        if seen.concluded() >= wanted {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn write_mail(company: &mut Company, sandbox: &hybridge_sandbox::Sandbox, count: usize) {
    for _ in 0..count {
        company.write_one(sandbox);
        tokio::time::sleep(Duration::from_millis(120)).await;
    }
}

/// What the engine has concluded so far.
#[derive(Debug, Default)]
struct Seen(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    outcomes: BTreeMap<(LaneId, hybridge_core::ids::ItemId), &'static str>,
    bar: Option<ProgressBar>,
    live_since: Option<Timestamp>,
    lines_left: usize,
    latencies: Vec<f64>,
}

impl Seen {
    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, bar: ProgressBar) {
        self.inner().bar = Some(bar);
    }

    /// From now on arrivals are timed, and the first ones are shown as they come.
    fn begin_live(&self, now: Timestamp, shown: Option<usize>) {
        let mut inner = self.inner();
        inner.bar = None;
        inner.live_since = Some(now);
        inner.lines_left = shown.unwrap_or(0);
    }

    /// How many messages have come to a final conclusion.
    fn concluded(&self) -> usize {
        self.inner().outcomes.values().filter(|outcome| **outcome != "waiting").count()
    }
}

impl Observer for Seen {
    fn decided(&self, decision: &Decision) {
        let mut inner = self.inner();
        let before = inner.outcomes.insert((decision.lane, decision.item.clone()), decision.outcome.name());
        if let (Some(bar), None) = (&inner.bar, before) {
            bar.inc(1);
        }
        let (Some(since), Some(received)) = (inner.live_since, decision.received) else { return };
        if decision.first_seen < since || before.is_some_and(|before| before != "waiting") {
            return;
        }
        let took = decision.decided.duration_since(received).as_secs_f64().max(0.0);
        if matches!(decision.outcome, Outcome::Promoted { .. }) {
            inner.latencies.push(took);
        }
        if inner.lines_left > 0 {
            inner.lines_left -= 1;
            Output { json: false }.line(live_line(decision, took));
        }
    }
}

fn live_line(decision: &Decision, took: f64) -> String {
    let why = match &decision.outcome {
        Outcome::Promoted { reason, .. } | Outcome::Filtered { reason } => reason.words(),
        Outcome::Skipped { reason } => reason.words().to_owned(),
        Outcome::Duplicate { .. } => "another recipient's copy is the record".to_owned(),
        Outcome::Waiting { trouble, .. } | Outcome::Failed { trouble } => trouble.what.clone(),
        Outcome::Gone => "it was deleted".to_owned(),
    };
    format!(
        "  {} {} {} {}",
        column(&span(took), 8),
        column(decision.outcome.name(), 9),
        column(&decision.subject, 34),
        column(&why, 70).trim_end()
    )
}

struct Summary {
    outcomes: BTreeMap<&'static str, u64>,
    reasons: BTreeMap<String, u64>,
    records: usize,
    open: usize,
    latencies: Vec<f64>,
    first_reading: f64,
    seen: usize,
    graph_requests: u64,
    example: Option<String>,
}

impl Summary {
    async fn of(
        store: &dyn Store,
        seen: &Seen,
        sandbox: &hybridge_sandbox::Sandbox,
        first_reading: f64,
    ) -> Result<Self> {
        let (outcomes, latencies) = {
            let inner = seen.inner();
            let mut outcomes: BTreeMap<&'static str, u64> = BTreeMap::new();
            for outcome in inner.outcomes.values() {
                *outcomes.entry(outcome).or_default() += 1;
            }
            let mut latencies = inner.latencies.clone();
            latencies.sort_by(f64::total_cmp);
            (outcomes, latencies)
        };
        let mut reasons = BTreeMap::new();
        for name in ["filtered", "skipped", "waiting", "failed"] {
            for decision in store.search(&Search::Outcome(name.to_owned(), None)).await? {
                let why = match &decision.outcome {
                    Outcome::Filtered { reason } => reason.words(),
                    Outcome::Skipped { reason } => reason.words().to_owned(),
                    Outcome::Waiting { trouble, .. } | Outcome::Failed { trouble } => trouble.what.clone(),
                    _ => continue,
                };
                *reasons.entry(format!("{name}: {why}")).or_default() += 1;
            }
        }
        let example = store
            .search(&Search::Outcome("promoted".to_owned(), None))
            .await?
            .into_iter()
            .find_map(|decision| decision.message_id.map(|id| id.to_string()));
        let messages = sandbox.graph().census().iter().filter(|entry| entry.folder == "inbox").count();
        let open = messages.saturating_sub(seen.concluded());
        let records = sandbox.organization().emails().iter().filter(|email| !email.outgoing).count();
        let graph_requests = sandbox.graph().request_counts().requests;
        Ok(Self {
            outcomes,
            reasons,
            records,
            open,
            latencies,
            first_reading,
            seen: messages,
            graph_requests,
            example,
        })
    }

    fn lines(&self) -> Vec<String> {
        let count = |name: &str| self.outcomes.get(name).copied().unwrap_or(0);
        let mut lines = vec![
            String::new(),
            format!("{} messages seen, {} email records made:", self.seen, self.records),
            format!("  promoted   {:>6}", count("promoted")),
            format!(
                "  duplicate  {:>6}   the same message in another mailbox: one record serves all",
                count("duplicate")
            ),
            format!("  filtered   {:>6}   the organization does not want them", count("filtered")),
            format!("  skipped    {:>6}", count("skipped")),
            format!(
                "  open       {:>6}   waiting for another attempt, or failed: {}",
                self.open,
                count("failed")
            ),
        ];
        if !self.reasons.is_empty() {
            lines.push(String::new());
            lines.push("Why not (of the latest hundred each):".to_owned());
            lines.extend(
                self.reasons
                    .iter()
                    .map(|(why, count)| format!("  {count:>6}  {}", column(why, 110).trim_end())),
            );
        }
        lines.push(String::new());
        lines.push(format!(
            "From arrival to record: median {}, 99th percentile {} ({} new messages timed; Exchange stamps whole seconds)",
            span(percentile(&self.latencies, 0.5)),
            span(percentile(&self.latencies, 0.99)),
            self.latencies.len()
        ));
        if let Some(example) = &self.example {
            lines.push(format!(
                "Where to look next: hybridge explain \"{example}\" tells the story of one message."
            ));
        }
        lines
    }

    fn json(&self) -> serde_json::Value {
        json!({
            "seen": self.seen,
            "records": self.records,
            "outcomes": self.outcomes,
            "open": self.open,
            "reasons": self.reasons,
            "first_reading_seconds": self.first_reading,
            "arrival_to_record_seconds": {
                "median": percentile(&self.latencies, 0.5),
                "p99": percentile(&self.latencies, 0.99),
                "count": self.latencies.len(),
            },
            "graph_requests": self.graph_requests,
        })
    }
}
