//! What the tests of this crate share: a clock, a credential, and a service that is a closure.

use std::{
    fmt,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use http::{HeaderName, HeaderValue, StatusCode};
use hybridge_net::{Happened, Request, Response, TokioClock, Transport, TransportError, TransportFault};
use jiff::Timestamp;

use crate::Credential;

/// 2026-11-23 12:00 UTC.
pub(crate) fn noon() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().expect("a timestamp")
}

/// A clock that shows noon and runs with Tokio's paused time.
pub(crate) fn clock() -> Arc<TokioClock> {
    Arc::new(TokioClock::starting_at(noon()))
}

/// One credential for all tests: making a key takes a while.
pub(crate) fn credential() -> &'static Credential {
    static CREDENTIAL: LazyLock<Credential> =
        LazyLock::new(|| Credential::self_signed("Hybridge", noon(), 365).expect("a credential"));
    &CREDENTIAL
}

/// An answer under construction.
pub(crate) struct Answer(pub(crate) Response);

pub(crate) fn answer(status: u16, body: &str) -> Answer {
    let status = StatusCode::from_u16(status).expect("a status");
    Answer(Response { status, headers: http::HeaderMap::new(), body: body.to_owned().into() })
}

impl Answer {
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::try_from(name).expect("a name");
        self.0.headers.append(name, HeaderValue::try_from(value).expect("a value"));
        self
    }
}

impl std::ops::Deref for Answer {
    type Target = Response;

    fn deref(&self) -> &Response {
        &self.0
    }
}

/// A request as the service saw it.
#[derive(Clone)]
pub(crate) struct Seen {
    pub(crate) url: String,
    pub(crate) accept: String,
    fields: Vec<(String, String)>,
}

impl Seen {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

type Script = Box<dyn FnMut(&Seen) -> Option<Answer> + Send>;

/// A service on the other side of the wire: answers by a closure, one second later; `None` cuts the
/// connection.
pub(crate) struct Service {
    script: Mutex<Script>,
    seen: Mutex<Vec<Seen>>,
}

impl Service {
    pub(crate) fn new(script: impl FnMut(&Seen) -> Option<Answer> + Send + 'static) -> Arc<Self> {
        Arc::new(Self { script: Mutex::new(Box::new(script)), seen: Mutex::default() })
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("the lock").clone()
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Service")
    }
}

#[async_trait]
impl Transport for Service {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let seen = Seen {
            url: request.url.to_string(),
            accept: request.headers["accept"].to_str().expect("text").to_owned(),
            fields: url::form_urlencoded::parse(&request.body).into_owned().collect(),
        };
        let outcome = (self.script.lock().expect("the lock"))(&seen);
        self.seen.lock().expect("the lock").push(seen);
        outcome.map(|answer| answer.0).ok_or_else(|| {
            TransportError::about(&request, TransportFault::Closed, Happened::Perhaps, String::new())
        })
    }
}
