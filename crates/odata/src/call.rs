use std::{fmt, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde::Serialize;

use crate::error::Error;

/// What a call is aimed at.
#[derive(Clone, PartialEq, Eq)]
pub enum Target {
    /// A path and query relative to the service's root, already percent-encoded.
    Path(String),
    /// An absolute link that the service handed out (next, delta or upload link). It is followed only to
    /// the service's own origin, so that no answer can send a token elsewhere.
    Link(String),
}

/// One request to a service.
#[derive(Clone)]
pub struct Call {
    pub(crate) method: Method,
    pub(crate) target: Target,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) repeatable: bool,
    pub(crate) key: String,
    pub(crate) weight: u32,
    pub(crate) timeout: Duration,
    pub(crate) max_answer_bytes: usize,
}

// Links and bodies can hold tokens, addresses and content of messages.
impl fmt::Debug for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Path(_) => "Path",
            Self::Link(_) => "Link",
        })
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Call")
            .field("method", &self.method)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}

impl Call {
    /// A call without body. Only a GET counts as repeatable until [`Call::repeatable`] says otherwise.
    pub fn new(method: Method, target: Target) -> Self {
        Self {
            repeatable: method == Method::GET,
            method,
            target,
            headers: HeaderMap::new(),
            body: Bytes::new(),
            key: String::new(),
            weight: 1,
            timeout: Duration::from_secs(100),
            max_answer_bytes: 64 << 20,
        }
    }

    /// Reads a path relative to the root.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, Target::Path(path.into()))
    }

    /// Follows a link that the service handed out.
    pub fn follow(link: impl Into<String>) -> Self {
        Self::new(Method::GET, Target::Link(link.into()))
    }

    /// Posts to a path relative to the root.
    pub fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, Target::Path(path.into()))
    }

    /// Adds a header. A value that is no valid header text is left out.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.append(HeaderName::from_static(name), value);
        }
        self
    }

    /// Sets a JSON body.
    pub fn json(mut self, body: &impl Serialize) -> Result<Self, Error> {
        let bytes = serde_json::to_vec(body)
            .map_err(|error| Error::Unwritable { what: "request body", detail: error.to_string() })?;
        self.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.body = bytes.into();
        Ok(self)
    }

    /// Sets a body of another type.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        if let Ok(value) = HeaderValue::from_str(content_type) {
            self.headers.insert(header::CONTENT_TYPE, value);
        }
        self.body = body.into();
        self
    }

    /// Says that doing it twice does no harm, so that it may be repeated when its answer is lost.
    #[must_use]
    pub fn repeatable(mut self) -> Self {
        self.repeatable = true;
        self
    }

    /// The name whose limit the call counts against: a mailbox, for Graph.
    #[must_use]
    pub fn counted_against(mut self, key: impl Into<String>) -> Self {
        self.key = key.into();
        self
    }

    /// How many of the key's places the call takes (a batch runs up to four items at once).
    #[must_use]
    pub fn weighing(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }

    /// The largest answer that is read, in bytes.
    #[must_use]
    pub fn at_most(mut self, bytes: usize) -> Self {
        self.max_answer_bytes = bytes;
        self
    }
}
