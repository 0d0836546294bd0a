use hybridge_core::decision::{Decision, Outcome};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

/// What the engine counts. No label names a mailbox, address or subject.
#[derive(Debug, Clone)]
pub struct Metrics {
    decisions: Family<OutcomeLabel, Counter>,
    runs: Family<ResultLabel, Counter>,
    arrival_to_record: Histogram,
    pub(crate) lanes: Gauge,
    pub(crate) lanes_running: Gauge,
    pub(crate) lanes_in_trouble: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

impl Metrics {
    /// Metrics that count from zero.
    pub fn new() -> Self {
        Self {
            decisions: Family::default(),
            runs: Family::default(),
            arrival_to_record: Histogram::new(exponential_buckets(0.25, 2.0, 16)),
            lanes: Gauge::default(),
            lanes_running: Gauge::default(),
            lanes_in_trouble: Gauge::default(),
        }
    }

    /// Makes the metrics known to a registry, under the prefix that the registry has.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("decisions", "Conclusions about messages, by outcome", self.decisions.clone());
        registry.register("lane_runs", "Runs of lanes, by result", self.runs.clone());
        registry.register_with_unit(
            "arrival_to_record",
            "From Exchange receiving a message to its email record",
            Unit::Seconds,
            self.arrival_to_record.clone(),
        );
        registry.register("lanes", "Lanes that take part", self.lanes.clone());
        registry.register("lanes_running", "Lanes that are at work now", self.lanes_running.clone());
        registry.register("lanes_in_trouble", "Lanes whose latest run failed", self.lanes_in_trouble.clone());
    }

    pub(crate) fn decided(&self, decision: &Decision) {
        self.decisions.get_or_create(&OutcomeLabel { outcome: decision.outcome.name() }).inc();
        if let (Outcome::Promoted { .. }, Some(received)) = (&decision.outcome, decision.received) {
            self.arrival_to_record.observe(decision.decided.duration_since(received).as_secs_f64().max(0.0));
        }
    }

    pub(crate) fn ran(&self, well: bool) {
        self.runs.get_or_create(&ResultLabel { result: if well { "ok" } else { "trouble" } }).inc();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
