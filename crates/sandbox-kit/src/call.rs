use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, header};
use serde::Serialize;
use url::Url;

/// One request as an emulated service sees it.
#[derive(Debug, Clone)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// The absolute URL asked for, on the origin of the face that answers.
    pub url: Url,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Call {
    /// The value of a header as text, if it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The bearer token of the `Authorization` header.
    pub fn bearer(&self) -> Option<&str> {
        let value = self.header("authorization")?;
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }
}

/// One answer of an emulated service.
pub type Reply = Response<Bytes>;

/// The connection was cut instead of an answer being sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Before the request took effect.
    Before,
    /// After the request took effect: the answer was lost.
    After,
}

/// An emulated service: answers one call. Faults are laid around it by the sandbox's front.
#[async_trait]
pub trait Service: Send + Sync + std::fmt::Debug {
    /// Answers a call.
    async fn call(&self, call: Call) -> Reply;
}

/// A JSON answer with the given status and content type `application/json`.
pub fn json_reply(status: StatusCode, body: &impl Serialize) -> Reply {
    let bytes = serde_json::to_vec(body).unwrap_or_default();
    with_type(status, "application/json; charset=utf-8", Bytes::from(bytes))
}

/// A plain text (or other textual) answer.
pub fn text_reply(status: StatusCode, content_type: &'static str, body: impl Into<String>) -> Reply {
    with_type(status, content_type, Bytes::from(body.into()))
}

fn with_type(status: StatusCode, content_type: &'static str, body: Bytes) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    reply
}
