use std::{fmt, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use url::Url;

/// One HTTP request, whole.
#[derive(Clone)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The absolute URL.
    pub url: Url,
    /// The headers. `Authorization` values are marked sensitive and never printed.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// How long the whole exchange may take.
    pub timeout: Duration,
    /// The largest answer that is read, in bytes.
    pub max_answer_bytes: usize,
}

impl Request {
    /// A request without body: 100 seconds and 64 MiB at the most (Exchange's own request time
    /// limit is 100 s, server-side-sync.md 1.1).
    pub fn new(method: Method, url: Url) -> Self {
        Self {
            method,
            url,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            timeout: Duration::from_secs(100),
            max_answer_bytes: 64 << 20,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Sets the body and its content type.
    #[must_use]
    pub fn body(mut self, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        self.headers.insert(http::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        self.body = body.into();
        self
    }
}

// Neither the query (it can hold tokens and subjects) nor the body is ever printed.
impl fmt::Debug for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.method, without_query(&self.url))
    }
}

/// One HTTP answer, whole.
#[derive(Clone)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Response {
    /// A header's value, where it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl fmt::Debug for Response {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({} bytes)", self.status, self.body.len())
    }
}

/// Sends requests.
#[async_trait]
pub trait Transport: Send + Sync + fmt::Debug {
    /// Sends one request and reads the whole answer.
    async fn send(&self, request: Request) -> Result<Response, TransportError>;
}

/// Whether a request that got no answer may have taken effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// It never reached the server.
    No,
    /// It may have: the server got at least a part of it.
    Perhaps,
}

/// What kept an exchange from ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TransportFault {
    /// The host's name or port can't be reached.
    #[error("could not connect")]
    Connect,
    /// The server's certificate is not trusted, or TLS failed in another way.
    #[error("the TLS connection could not be set up")]
    Tls,
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The connection ended before the whole answer was there.
    #[error("the connection was closed before the answer was complete")]
    Closed,
    /// The answer is larger than allowed.
    #[error("the answer is larger than allowed")]
    TooLarge,
}

/// A request got no (whole) answer.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{method} {target}: {fault}{}", detail_suffix(detail))]
pub struct TransportError {
    /// The method asked for.
    pub method: Method,
    /// Scheme, host and path asked for, without the query.
    pub target: String,
    /// What went wrong.
    pub fault: TransportFault,
    /// Whether the request may have taken effect.
    pub happened: Happened,
    /// The lower layers' own words, may be empty.
    pub detail: String,
}

impl TransportError {
    /// An error about a request.
    pub fn about(request: &Request, fault: TransportFault, happened: Happened, detail: String) -> Self {
        Self { method: request.method.clone(), target: without_query(&request.url), fault, happened, detail }
    }
}

fn detail_suffix(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(" ({detail})") }
}

fn without_query(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    url.into()
}
