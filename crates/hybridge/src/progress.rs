//! Progress on the terminal: bars where there is one, nothing where output is piped or JSON.

use std::{
    io::IsTerminal,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use hybridge_core::decision::{Decision, Outcome};
use hybridge_engine::Observer;
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::Output;

/// A bar over mailboxes.
#[derive(Debug, Clone)]
pub(crate) struct Bars(ProgressBar);

impl Bars {
    pub(crate) fn over_mailboxes(count: usize, output: Output) -> Self {
        Self(bar(count as u64, "mailboxes", output))
    }

    pub(crate) fn one_done(&self) {
        self.0.inc(1);
    }

    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

/// A bar, hidden where nobody sees it.
pub(crate) fn bar(length: u64, what: &'static str, output: Output) -> ProgressBar {
    if output.json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(length).with_message(what);
    if let Ok(style) = ProgressStyle::with_template("  {bar:32} {pos}/{len} {msg}  {per_sec}  {elapsed}") {
        bar.set_style(style);
    }
    bar
}

/// Counts decisions and moves a bar with them.
#[derive(Debug)]
pub(crate) struct Counting {
    bar: ProgressBar,
    decided: Arc<AtomicU64>,
}

impl Counting {
    pub(crate) fn new(bar: ProgressBar) -> Self {
        Self { bar, decided: Arc::default() }
    }

    /// How many messages have come to a final conclusion.
    pub(crate) fn decided(&self) -> u64 {
        self.decided.load(Ordering::Relaxed)
    }
}

impl Observer for Counting {
    fn decided(&self, decision: &Decision) {
        if !matches!(decision.outcome, Outcome::Waiting { .. }) {
            self.decided.fetch_add(1, Ordering::Relaxed);
            self.bar.inc(1);
        }
    }
}
