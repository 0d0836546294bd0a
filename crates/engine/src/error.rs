use hybridge_core::trouble::Trouble;
use hybridge_odata as odata;
use hybridge_store as store;

/// What keeps the engine as a whole from working.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The organization can't be asked for its configuration.
    #[error("the organization's configuration can't be read: {0}")]
    Organization(Trouble),
}

/// What ends a lane's run.
#[derive(Debug, thiserror::Error)]
pub enum LaneError {
    /// A trouble on either side: the lane backs off and tries again.
    #[error("{0}")]
    Trouble(Trouble),
    /// The store failed, or the run was overtaken.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl LaneError {
    /// A failed call to Graph.
    pub(crate) fn graph(error: &odata::Error) -> Self {
        Self::Trouble(hybridge_graph::trouble(error))
    }

    /// A failed call to the organization.
    pub(crate) fn dynamics(error: &odata::Error) -> Self {
        Self::Trouble(hybridge_dynamics::trouble(error))
    }
}
