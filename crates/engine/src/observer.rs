use hybridge_core::{decision::Decision, lane::LaneId, trouble::Trouble};

/// Is told what the engine does, as it does it: progress bars, a demo's live view.
pub trait Observer: Send + Sync + std::fmt::Debug {
    /// Something was concluded, and stored.
    fn decided(&self, _decision: &Decision) {}

    /// A run ended.
    fn ran(&self, _lane: LaneId, _trouble: Option<&Trouble>) {}
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}
