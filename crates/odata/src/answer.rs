use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::error::Error;

/// A successful answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status, 2xx or 304.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// Reads the body as JSON; `what` names it in an error.
    pub fn json<T: DeserializeOwned>(&self, what: &'static str) -> Result<T, Error> {
        read_json(&self.body, what)
    }

    /// Reads the body as a page of a collection.
    pub fn page(&self, what: &'static str) -> Result<Page, Error> {
        self.json(what)
    }

    /// A header's value, where it is there and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

pub(crate) fn read_json<T: DeserializeOwned>(bytes: &[u8], what: &'static str) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|error| Error::Unreadable { what, detail: error.to_string() })
}

/// A page of a collection. Its entries are kept raw, so that one that can't be read spoils no other
/// (design.md, promise 6).
#[derive(Debug, Deserialize)]
pub struct Page {
    /// The entries.
    pub value: Vec<Box<RawValue>>,
    /// The link to the next page of this round.
    #[serde(rename = "@odata.nextLink", default)]
    pub next_link: Option<String>,
    /// The link to what will have changed since this round.
    #[serde(rename = "@odata.deltaLink", default)]
    pub delta_link: Option<String>,
}

impl Page {
    /// Reads every entry, or fails with the first that can't be read.
    pub fn entries<T: DeserializeOwned>(&self, what: &'static str) -> Result<Vec<T>, Error> {
        self.value.iter().map(|entry| read_json(entry.get().as_bytes(), what)).collect()
    }
}
