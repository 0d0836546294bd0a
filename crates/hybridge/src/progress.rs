//! Progress on the terminal: bars where there is one, nothing where output is piped or JSON.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::Output;

/// A bar over lanes.
#[derive(Debug, Clone)]
pub(crate) struct Bars(ProgressBar);

impl Bars {
    pub(crate) fn over_lanes(count: usize, output: Output) -> Self {
        Self(bar(count as u64, "lanes", output))
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

/// A counter for work whose end is not known.
pub(crate) fn counter(what: &'static str, output: Output) -> ProgressBar {
    if output.json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::no_length().with_message(what);
    if let Ok(style) = ProgressStyle::with_template("  {pos} {msg}  {per_sec}  {elapsed}") {
        bar.set_style(style);
    }
    bar
}
