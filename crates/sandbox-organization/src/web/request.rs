//! One request of the Web API, whether it came alone or in a batch, and the form of its answer.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use hybridge_sandbox_kit::Reply;
use serde_json::{Map, Value as Json};
use url::form_urlencoded;

use crate::{
    fault::{Fault, Outcome},
    odata::path::{self, Segment},
};

/// A request below `/api/data/v9.x/`.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: Method,
    /// The path below the version, percent-encoded.
    pub(crate) path: String,
    /// The raw query, percent-encoded.
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn segments(&self) -> Outcome<Vec<Segment>> {
        path::parse(&self.path)
    }

    /// The query options, decoded.
    pub(crate) fn options(&self) -> Vec<(String, String)> {
        form_urlencoded::parse(self.query.as_bytes()).into_owned().collect()
    }

    /// The body as a JSON object; an empty body is an empty object.
    pub(crate) fn json(&self) -> Outcome<Map<String, Json>> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Map::new());
        }
        serde_json::from_slice(&self.body).map_err(|error| {
            Fault::unreadable(format!("An error occurred while validating input parameters: {error}"))
        })
    }
}

/// An answer with a JSON body and the headers that every answer has.
pub(crate) fn reply(status: StatusCode, body: Option<&Json>) -> Reply {
    let bytes = body.map(|body| serde_json::to_vec(body).unwrap_or_default()).unwrap_or_default();
    let mut reply = Response::new(Bytes::from(bytes));
    *reply.status_mut() = status;
    let headers = reply.headers_mut();
    headers.insert("odata-version", HeaderValue::from_static("4.0"));
    if body.is_some() {
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json; odata.metadata=minimal"),
        );
    }
    reply
}

/// The answer to a refused request.
pub(crate) fn fault_reply(fault: &Fault) -> Reply {
    reply(fault.status, Some(&fault.body()))
}

/// Sets a header; a value that a header can't hold is left out.
pub(crate) fn set(reply: &mut Reply, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        reply.headers_mut().insert(HeaderName::from_static(name), value);
    }
}
