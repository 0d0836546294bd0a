use hybridge_core::{decision::Decision, lane::LaneId, trouble::Trouble};

/// Is told what the engine does, as it does it: progress bars, a demo's live view.
pub trait Observer: Send + Sync + std::fmt::Debug {
    /// Something was concluded, and stored.
    fn decided(&self, decision: &Decision) {
        let _ignored = decision;
    }

    /// A run ended.
    fn ran(&self, lane: LaneId, trouble: Option<&Trouble>) {
        let _ignored = (lane, trouble);
    }
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}
