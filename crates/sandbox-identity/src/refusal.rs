use bytes::Bytes;
use http::{Response, StatusCode};
use hybridge_sandbox_kit::{Reply, json_reply};
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

/// A refusal of the token endpoint: an AADSTS code with its OAuth error and status (graph.md 1.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The AADSTS number.
    pub code: u32,
    /// The OAuth error.
    pub error: &'static str,
    /// The status.
    pub status: StatusCode,
    /// The text behind the number.
    pub text: String,
}

impl Refusal {
    pub(crate) fn client(code: u32, text: impl Into<String>) -> Self {
        Self { code, error: "invalid_client", status: StatusCode::UNAUTHORIZED, text: text.into() }
    }

    pub(crate) fn request(code: u32, error: &'static str, text: impl Into<String>) -> Self {
        Self { code, error, status: StatusCode::BAD_REQUEST, text: text.into() }
    }

    pub(crate) fn reply(&self, now: Timestamp, trace: Uuid, correlation: Uuid) -> Reply {
        let timestamp = now.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        let mut reply: Response<Bytes> = json_reply(
            self.status,
            &json!({
                "error": self.error,
                "error_description": format!(
                    "AADSTS{}: {} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {timestamp}",
                    self.code, self.text
                ),
                "error_codes": [self.code],
                "timestamp": timestamp,
                "trace_id": trace,
                "correlation_id": correlation,
                "error_uri": format!("https://login.microsoftonline.com/error?code={}", self.code),
            }),
        );
        let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        if let Ok(date) = date.parse() {
            reply.headers_mut().insert(http::header::DATE, date);
        }
        reply
    }
}
