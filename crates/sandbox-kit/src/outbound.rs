use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};

/// What the sandbox calls out with (change notifications and their validation): real HTTPS in the
/// program, a direct call in the simulation.
#[async_trait]
pub trait Outbound: Send + Sync + std::fmt::Debug {
    /// Sends a request; the implementation bounds its time to ten seconds.
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, OutboundError>;
}

/// The call could not be made, or no answer came in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundError(
    /// What went wrong.
    pub String,
);
