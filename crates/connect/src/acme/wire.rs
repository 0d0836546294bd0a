//! Carries the ACME client's requests over our own transport: one set of trust anchors, one proxy, one patience.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use http_body_util::BodyExt as _;
use hybridge_net::{
    Request, Response, Transport, TransportError, TransportFault,
    http::{self, HeaderMap, StatusCode, header},
};
use instant_acme::{BodyWrapper, BytesResponse, Error as Acme, HttpClient};
use url::Url;

use super::{Step, Watch};

/// How often a request is sent before a passing fault counts.
const TRIES: u32 = 4;
/// The pause before the second try; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause that a server may ask for in the midst of things.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// Certificates and orders are a few kilobytes.
const LARGEST_ANSWER: usize = 1 << 20;

/// The transport, with what it overheard.
#[derive(Clone)]
pub(super) struct Wire {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) watch: Arc<dyn Watch>,
    /// The last `Retry-After` of a refusal.
    pub(super) pause: Arc<Mutex<Option<String>>>,
}

/// An answer in which no ACME server speaks.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{address} answered {status}")]
pub(super) struct Strange {
    pub(super) address: String,
    pub(super) status: u16,
}

impl Wire {
    /// Sends a request, again after a passing fault. Sending a signed request twice does no harm: its nonce is good
    /// for one of them only, and the client signs the other one anew.
    pub(super) async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let (mut pause, mut tries) = (FIRST_PAUSE, 1);
        loop {
            let last = tries == TRIES;
            let why = match self.transport.send(request.clone()).await {
                Ok(answer) => {
                    let wanted = wanted_pause(&answer.headers).unwrap_or_default();
                    if last || !answer.status.is_server_error() || wanted > LONGEST_PAUSE {
                        return Ok(answer);
                    }
                    pause = pause.max(wanted);
                    format!("{} answered {}", request.url.host_str().unwrap_or_default(), answer.status)
                }
                Err(error)
                    if last || matches!(error.fault, TransportFault::Tls | TransportFault::TooLarge) =>
                {
                    return Err(error);
                }
                Err(error) => error.to_string(),
            };
            self.watch.step(Step::Again(why));
            tokio::time::sleep(pause).await;
            pause *= 2;
            tries += 1;
        }
    }

    async fn exchange(
        self,
        request: http::Request<BodyWrapper<bytes::Bytes>>,
    ) -> Result<BytesResponse, Acme> {
        let (parts, body) = request.into_parts();
        let address: Url =
            parts.uri.to_string().parse().map_err(|error: url::ParseError| Acme::Other(Box::new(error)))?;
        if address.scheme() != "https" {
            return Err(Acme::Other(format!("{address}, which the directory names, is not https").into()));
        }
        let mut sent = Request::new(parts.method, address);
        sent.headers = parts.headers;
        // The transport says who we are (RFC 8555, 6.1).
        sent.headers.remove(header::USER_AGENT);
        sent.body = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(never) => match never {},
        };
        sent.timeout = Duration::from_secs(45);
        sent.max_answer_bytes = LARGEST_ANSWER;
        let address = sent.url.to_string();
        let answer = self.send(sent).await.map_err(|error| Acme::Other(Box::new(error)))?;
        if !answer.status.is_success() {
            let pause = answer.header(header::RETRY_AFTER.as_str()).map(str::to_owned);
            *self.pause.lock().unwrap_or_else(PoisonError::into_inner) = pause;
            if serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&answer.body).is_err() {
                return Err(Acme::Other(Box::new(Strange { address, status: answer.status.as_u16() })));
            }
        }
        Ok(told(answer.status, answer.headers, answer.body))
    }
}

fn told(status: StatusCode, headers: HeaderMap, body: bytes::Bytes) -> BytesResponse {
    let (mut parts, ()) = http::Response::new(()).into_parts();
    parts.status = status;
    parts.headers = headers;
    BytesResponse { parts, body: Box::new(body) }
}

impl HttpClient for Wire {
    fn request(
        &self,
        request: http::Request<BodyWrapper<bytes::Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Acme>> + Send>> {
        Box::pin(self.clone().exchange(request))
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Wire").field("transport", &self.transport).finish_non_exhaustive()
    }
}

fn wanted_pause(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
