//! `hybridge bench incoming`: what a mailbox fill costs, and what idle mailboxes cost.
//!
//! The sandbox runs in a process of its own, so that what is measured here is Hybridge alone.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream};
use hybridge_core::lane::LaneKind;
use hybridge_engine::Silent;
use hybridge_store::Store;
use serde_json::{Value, json};

use crate::{
    config,
    error::{Failure, Result},
    exit::Exit,
    output::Output,
    wiring,
};

/// Measures the first reading of full mailboxes, then the memory of idle ones.
pub(crate) async fn incoming(messages: usize, mailboxes: usize, idle: usize, output: Output) -> Result<Exit> {
    let fill = measure_fill(messages, mailboxes).await?;
    output.line(format!("Mailbox fill: {} messages in {mailboxes} mailboxes", fill.items));
    output.line(format!("  {:>10.1} items per second", fill.items_per_second));
    output.line(format!("  {:>10.2} CPU milliseconds per item", fill.cpu_ms_per_item));
    output.line(format!("  {:>10.3} Graph requests per item", fill.graph_per_item));
    output.line(format!("  {:>10.3} CRM requests per item", fill.crm_per_item));
    output.line(format!("  {:>10.1} MiB peak memory", fill.peak_mib));
    let bytes_per_idle = if idle == 0 { None } else { Some(measure_idle(idle).await?) };
    if let Some(bytes) = bytes_per_idle {
        output.line(format!("Idle: {bytes} bytes of memory for each of {idle} mailboxes"));
    }
    output.json(&json!({
        "items": fill.items, "mailboxes": mailboxes, "items_per_second": fill.items_per_second,
        "cpu_ms_per_item": fill.cpu_ms_per_item, "graph_requests_per_item": fill.graph_per_item,
        "crm_requests_per_item": fill.crm_per_item, "peak_mib": fill.peak_mib,
        "idle_mailboxes": idle, "bytes_per_idle_mailbox": bytes_per_idle,
    }));
    Ok(Exit::Done)
}

struct Fill {
    items: u64,
    items_per_second: f64,
    cpu_ms_per_item: f64,
    graph_per_item: f64,
    crm_per_item: f64,
    peak_mib: f64,
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52, for display")]
async fn measure_fill(messages: usize, mailboxes: usize) -> Result<Fill> {
    let other = Other::start(messages, mailboxes)?;
    let config = config::load(&other.folder.join("hybridge.toml"))?;
    let store = wiring::open(&config).await?;
    let engine = Arc::new(wiring::engine(&config, store.clone(), Arc::new(Silent)).await?);
    let setup = engine.set_up().await?;
    let (cpu_before, began) = (cpu_seconds(), Instant::now());
    let reports: Vec<_> = stream::iter(setup.eligible)
        .map(|mailbox| {
            let engine = engine.clone();
            async move { engine.run_lane(&mailbox, LaneKind::IncomingEmail, Duration::from_mins(1)).await }
        })
        .buffer_unordered(config.sync.lanes_at_once)
        .collect()
        .await;
    for report in reports {
        if let Some(trouble) = report?.trouble {
            return Err(trouble.into());
        }
    }
    let (seconds, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds() - cpu_before);
    let items: u64 = store.tally(None).await?.values().sum();
    let per_item = |count: f64| count / (items.max(1) as f64);
    Ok(Fill {
        items,
        items_per_second: items as f64 / seconds,
        cpu_ms_per_item: per_item(cpu * 1000.0),
        graph_per_item: per_item(engine.graph().service().traffic().requests() as f64),
        crm_per_item: per_item(engine.dynamics().web_api().traffic().requests() as f64),
        peak_mib: status_kib("VmHWM:") as f64 / 1024.0,
    })
}

/// The bytes that each idle mailbox adds: the runner's memory with all of them less that with none.
async fn measure_idle(count: usize) -> Result<u64> {
    let other = Other::start(0, count)?;
    let config = config::load(&other.folder.join("hybridge.toml"))?;
    let store = wiring::open(&config).await?;
    let engine = Arc::new(wiring::engine(&config, store, Arc::new(Silent)).await?);
    let before = status_kib("VmRSS:");
    let (runner, _waker, stop) = hybridge_engine::Runner::new(engine.clone());
    let running = tokio::spawn(runner.run());
    // Until every lane has run once and waits for its time.
    let patience = Instant::now();
    while engine.graph().service().traffic().requests() < count as u64
        && patience.elapsed() < Duration::from_mins(10)
    {
        if running.is_finished() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let after = status_kib("VmRSS:");
    stop.stop();
    let _stopped = tokio::time::timeout(Duration::from_secs(20), running).await;
    Ok(after.saturating_sub(before) * 1024 / (count.max(1) as u64))
}

/// A sandbox in another process.
struct Other {
    child: Child,
    folder: PathBuf,
}

impl Other {
    fn start(messages: usize, mailboxes: usize) -> Result<Self> {
        let failed = |what: &str, detail: String| {
            Failure::new(Exit::Unexpected, format!("the sandbox {what}: {detail}"))
        };
        let folder = std::env::temp_dir().join(format!("hybridge-bench-{}-{mailboxes}", std::process::id()));
        let program =
            std::env::current_exe().map_err(|error| failed("can't be started", error.to_string()))?;
        let mut child = Command::new(program)
            .args([
                "sandbox",
                "--json",
                "--mailboxes",
                &mailboxes.to_string(),
                "--messages",
                &messages.to_string(),
                "--folder",
            ])
            .arg(&folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| failed("can't be started", error.to_string()))?;
        let mut line = String::new();
        let stdout = child.stdout.take().ok_or_else(|| failed("is silent", String::new()))?;
        BufReader::new(stdout)
            .read_line(&mut line)
            .map_err(|error| failed("is silent", error.to_string()))?;
        let other = Self { child, folder };
        serde_json::from_str::<Value>(&line).map_err(|error| failed("did not start", error.to_string()))?;
        Ok(other)
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
        let _left = std::fs::remove_dir_all(&self.folder);
    }
}

/// CPU time that this process has used, user and system (`/proc/self/stat`, in ticks of 10 ms).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string(Path::new("/proc/self/stat")).unwrap_or_default();
    // The command's name can hold blanks; fields are counted from behind its closing parenthesis.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// A line of `/proc/self/status`, in KiB.
fn status_kib(name: &str) -> u64 {
    let status = std::fs::read_to_string(Path::new("/proc/self/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
