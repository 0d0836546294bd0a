use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use hybridge_sandbox_kit::{Outbound, OutboundError};

/// Calls out over HTTPS, or plain HTTP to receivers on this machine.
#[derive(Debug, Clone)]
pub struct HttpsOutbound(reqwest::Client);

impl HttpsOutbound {
    /// A client that also trusts the sandbox's own authority.
    ///
    /// # Errors
    /// When the authority is no certificate.
    pub fn trusting(authority_pem: &str) -> Result<Self, OutboundError> {
        let failed = |error: reqwest::Error| OutboundError(error.to_string());
        let authority = reqwest::Certificate::from_pem(authority_pem.as_bytes()).map_err(failed)?;
        reqwest::Client::builder()
            .add_root_certificate(authority)
            .timeout(Duration::from_secs(10))
            .build()
            .map(Self)
            .map_err(failed)
    }
}

#[async_trait]
impl Outbound for HttpsOutbound {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, OutboundError> {
        let failed = |error: reqwest::Error| OutboundError(error.to_string());
        let (parts, body) = request.into_parts();
        let answer = self
            .0
            .request(parts.method, parts.uri.to_string())
            .headers(parts.headers)
            .body(body)
            .send()
            .await
            .map_err(failed)?;
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        *response.body_mut() = answer.bytes().await.map_err(failed)?;
        Ok(response)
    }
}
