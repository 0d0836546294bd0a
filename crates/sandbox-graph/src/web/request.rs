use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, Method};
use hybridge_sandbox_kit::Call;
use serde_json::Value;
use url::Url;

use super::{answer::Fault, path::Path, prefer::Prefer, query::Query};

/// JSON bodies beyond this are refused (graph.md 3.4).
const LARGEST_BODY: usize = 4 * 1024 * 1024;

/// A request below the version root, read.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: Path,
    pub(crate) query: Query,
    pub(crate) prefer: Prefer,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Request {
    pub(crate) fn read(call: Call) -> Result<Self, Fault> {
        Self::assemble(call.method, &call.url, call.headers, call.body)
    }

    pub(crate) fn assemble(
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Self, Fault> {
        let path = Path::read(url.path()).ok_or_else(|| {
            let first = url.path().trim_start_matches('/').split('/').next().unwrap_or_default();
            Fault::bad_request("BadRequest", format!("Invalid version: {first}"))
        })?;
        if body.len() > LARGEST_BODY {
            return Err(Fault::too_large());
        }
        let (query, prefer) = (Query::read(url), Prefer::read(&headers));
        Ok(Self { method, path, query, prefer, headers, body })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as a JSON object; an empty body is an empty object.
    pub(crate) fn json(&self) -> Result<Value, Fault> {
        if self.body.is_empty() {
            return Ok(Value::Object(serde_json::Map::new()));
        }
        let value: Value = serde_json::from_slice(&self.body).map_err(|_| {
            Fault::bad_request("BadRequest", "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.")
        })?;
        if value.is_object() {
            Ok(value)
        } else {
            Err(Fault::bad_request("BadRequest", "The request payload must be a JSON object."))
        }
    }

    /// The internet message of a `text/plain` body in base64; `None` when the body is something else.
    pub(crate) fn mime(&self) -> Option<Result<Bytes, Fault>> {
        let content_type = self.header("content-type")?.to_ascii_lowercase();
        if !content_type.starts_with("text/plain") {
            return None;
        }
        let compact: Vec<u8> = self.body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        Some(STANDARD.decode(compact).map(Bytes::from).map_err(|_| {
            Fault::bad_request(
                "ErrorMimeContentInvalidBase64String",
                "Invalid base64 string for MIME content.",
            )
        }))
    }
}
