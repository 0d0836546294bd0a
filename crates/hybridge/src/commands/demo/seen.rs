//! What the engine tells while the demo runs.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use hybridge_core::{
    decision::{Decision, Outcome},
    ids::ItemId,
    lane::LaneId,
    trouble::{Class, Trouble},
};
use hybridge_engine::Observer;
use indicatif::ProgressBar;
use jiff::Timestamp;

use crate::output::{Output, column, span};

/// What the engine has concluded so far.
#[derive(Debug, Default)]
pub(super) struct Seen(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    outcomes: BTreeMap<(LaneId, ItemId), &'static str>,
    bar: Option<ProgressBar>,
    live_since: Option<Timestamp>,
    lines_left: usize,
    latencies: Vec<f64>,
    /// Lanes whose trouble only a person can mend.
    denied: BTreeMap<LaneId, Trouble>,
}

impl Seen {
    /// How many messages came to each outcome.
    pub(super) fn outcomes(&self) -> BTreeMap<&'static str, u64> {
        let mut outcomes = BTreeMap::new();
        for outcome in self.inner().outcomes.values() {
            *outcomes.entry(*outcome).or_default() += 1;
        }
        outcomes
    }

    /// Seconds from arrival to record of the messages that came while the demo watched, shortest first.
    pub(super) fn latencies(&self) -> Vec<f64> {
        let mut latencies = self.inner().latencies.clone();
        latencies.sort_by(f64::total_cmp);
        latencies
    }

    /// The lanes whose trouble only a person can mend, with that trouble.
    pub(super) fn denied(&self) -> BTreeMap<LaneId, Trouble> {
        self.inner().denied.clone()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn show(&self, bar: ProgressBar) {
        self.inner().bar = Some(bar);
    }

    /// From now on arrivals are timed, and the first ones are shown as they come.
    pub(super) fn begin_live(&self, now: Timestamp, shown: Option<usize>) {
        let mut inner = self.inner();
        inner.bar = None;
        inner.live_since = Some(now);
        inner.lines_left = shown.unwrap_or(0);
    }

    /// How many messages have come to a final conclusion.
    pub(super) fn concluded(&self) -> usize {
        self.inner().outcomes.values().filter(|outcome| **outcome != "waiting").count()
    }
}

impl Observer for Seen {
    fn ran(&self, lane: LaneId, trouble: Option<&Trouble>) {
        let mut inner = self.inner();
        match trouble {
            Some(trouble) if trouble.class == Class::Denied => inner.denied.insert(lane, trouble.clone()),
            _ => inner.denied.remove(&lane),
        };
    }

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
    format!(
        "  {} {} {} {}",
        column(&span(took), 8),
        column(decision.outcome.name(), 9),
        column(&decision.subject, 34),
        column(&decision.outcome.why(), 70).trim_end()
    )
}
