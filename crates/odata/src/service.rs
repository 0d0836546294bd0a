use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{HeaderValue, StatusCode, header};
use hybridge_net::{Chance, Clock, Happened, Request, Response};
use tokio::time::Instant;
use url::Url;

use crate::{
    access::Access,
    answer::Answer,
    call::{Call, Target},
    error::{Error, Failure},
    gate::{Gate, Went},
};

/// How long a call is kept on trying before its failure is handed up.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How often a call is made at the most.
    pub attempts: u32,
    /// The first pause between attempts; it doubles.
    pub first_pause: Duration,
    /// A longer pause than this is not waited for here: the caller reschedules.
    pub longest_pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { attempts: 4, first_pause: Duration::from_millis(500), longest_pause: Duration::from_secs(20) }
    }
}

/// What a service was asked so far.
#[derive(Debug, Default)]
pub struct Traffic {
    requests: AtomicU64,
    repeats: AtomicU64,
    throttled: AtomicU64,
}

impl Traffic {
    /// Requests sent, repeats included.
    pub fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// Requests that were repeats.
    pub fn repeats(&self) -> u64 {
        self.repeats.load(Ordering::Relaxed)
    }

    /// Answers that asked for a pause.
    pub fn throttled(&self) -> u64 {
        self.throttled.load(Ordering::Relaxed)
    }
}

/// A service: where it is, how one signs in, and how patient one is with it.
#[derive(Clone)]
pub struct Service {
    name: &'static str,
    root: Url,
    access: Access,
    clock: Arc<dyn Clock>,
    chance: Chance,
    gate: Arc<dyn Gate>,
    patience: Patience,
    traffic: Arc<Traffic>,
}

impl fmt::Debug for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Service")
            .field("name", &self.name)
            .field("root", &self.root.as_str())
            .finish_non_exhaustive()
    }
}

/// What a service is made of.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Its name in messages.
    pub name: &'static str,
    /// Its root; a missing slash at the end is added, as without it the last segment would be lost
    /// (dynamics.md section 1).
    pub root: Url,
    /// What it is reached through, and how one signs in.
    pub access: Access,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Chance, for the jitter of pauses.
    pub chance: Chance,
    /// Its limits.
    pub gate: Arc<dyn Gate>,
    /// How patient one is with it.
    pub patience: Patience,
}

impl Service {
    /// Puts a service together.
    pub fn new(parts: Parts) -> Self {
        let Parts { name, mut root, access, clock, chance, gate, patience } = parts;
        if !root.path().ends_with('/') {
            root.set_path(&format!("{}/", root.path()));
        }
        Self { name, root, access, clock, chance, gate, patience, traffic: Arc::default() }
    }

    /// Its name in messages.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its root, with a slash at the end.
    pub fn root(&self) -> &Url {
        &self.root
    }

    /// The clock that it goes by.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// What it was asked so far.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// The absolute URL of a target.
    pub fn url(&self, target: &Target) -> Result<Url, Error> {
        let unreadable =
            |error: url::ParseError| Error::Unreadable { what: "link", detail: error.to_string() };
        match target {
            Target::Path(path) => self.root.join(path.trim_start_matches('/')).map_err(unreadable),
            Target::Link(link) => {
                let url = Url::parse(link).map_err(unreadable)?;
                if url.origin() == self.root.origin() {
                    Ok(url)
                } else {
                    let host = url.host_str().unwrap_or("none").to_owned();
                    Err(Error::ForeignLink { service: self.name, host })
                }
            }
        }
    }

    /// Makes a call: signs it, waits for a place, repeats it where that does no harm.
    ///
    /// # Errors
    /// The last attempt's failure. Where [`Error::happened`] says so, the call may have taken effect.
    pub async fn send(&self, call: Call) -> Result<Answer, Error> {
        let mut signed_in_again = false;
        let mut attempt = 1;
        loop {
            let error = match self.attempt(&call).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            // A token can be revoked or outlive a key; one new token is worth a try.
            if matches!(&error, Error::Failed(failure) if failure.status == StatusCode::UNAUTHORIZED)
                && !signed_in_again
            {
                signed_in_again = true;
                continue;
            }
            let Some(pause) = self.pause_before_repeat(&call, &error, attempt) else { return Err(error) };
            tracing::debug!(service = self.name, attempt, ?pause, %error, "the call is repeated");
            tokio::time::sleep(pause).await;
            attempt += 1;
            self.traffic.repeats.fetch_add(1, Ordering::Relaxed);
        }
    }

    async fn attempt(&self, call: &Call) -> Result<Answer, Error> {
        let url = self.url(&call.target)?;
        let path = self.shown(&url);
        let token = self.access.token(self.name).await?;
        let mut request = Request::new(call.method.clone(), url);
        request.headers = call.headers.clone();
        request.headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("application/json"));
        if let Some(token) = &token {
            request.headers.insert(header::AUTHORIZATION, token.authorization());
        }
        request.body = call.body.clone();
        request.timeout = call.timeout;
        request.max_answer_bytes = call.max_answer_bytes;

        let place = self.gate.enter(&call.key, call.weight).await;
        let began = Instant::now();
        self.traffic.requests.fetch_add(1, Ordering::Relaxed);
        let outcome = self.access.send(self.name, request).await;
        drop(place);
        self.gate.learn(match &outcome {
            Ok(response) if is_overrun(response.status) => Went::Overrun,
            // Who is not let in says nothing about how much the service can bear.
            Err(Error::Token { .. }) | Ok(_) => Went::Answered(began.elapsed()),
            Err(_) => Went::Overrun,
        });
        let response = outcome?;
        if response.status == StatusCode::UNAUTHORIZED
            && let Some(token) = &token
        {
            self.access.invalidate(token);
        }
        self.judge(call, path, response)
    }

    fn judge(&self, call: &Call, path: String, response: Response) -> Result<Answer, Error> {
        let Response { status, headers, body } = response;
        let content_type =
            headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        if status.is_redirection() && status != StatusCode::NOT_MODIFIED
            || status.is_success() && content_type.starts_with("text/html")
        {
            // An organization that sees no valid token sends its sign-in page (dynamics.md 2.1).
            return Err(Error::WebPage { service: self.name, method: call.method.clone(), path });
        }
        if status.is_success() || status == StatusCode::NOT_MODIFIED {
            return Ok(Answer { status, headers, body });
        }
        let now = self.clock.now();
        let failure = Failure::read(self.name, call.method.clone(), path, status, &headers, &body, now);
        if failure.retry_after.is_some() || status == StatusCode::TOO_MANY_REQUESTS {
            self.traffic.throttled.fetch_add(1, Ordering::Relaxed);
        }
        Err(Error::Failed(Box::new(failure)))
    }

    /// The pause before a repeat, or `None` when the failure is to be handed up.
    fn pause_before_repeat(&self, call: &Call, error: &Error, attempt: u32) -> Option<Duration> {
        if attempt >= self.patience.attempts {
            return None;
        }
        let (transient, asked) = match error {
            Error::Transport(error) => (call.repeatable || error.happened == Happened::No, None),
            Error::Failed(failure) => match failure.status {
                // The service refused to work on it, so it did not take effect.
                StatusCode::TOO_MANY_REQUESTS => (true, failure.retry_after),
                StatusCode::INTERNAL_SERVER_ERROR
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT => (call.repeatable, failure.retry_after),
                _ => (false, None),
            },
            _ => (false, None),
        };
        if !transient {
            return None;
        }
        let doubled = self.patience.first_pause.saturating_mul(1 << attempt.min(16).saturating_sub(1));
        // An asked-for pause is kept exactly or longer, never shorter (graph.md 7.2).
        let pause = asked.unwrap_or_else(|| self.chance.jitter(doubled));
        (pause <= self.patience.longest_pause).then_some(pause)
    }

    /// A path for messages: below the root, no query, ids left as they are.
    fn shown(&self, url: &Url) -> String {
        url.path().strip_prefix(self.root.path()).unwrap_or(url.path()).to_owned()
    }
}

fn is_overrun(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT
    )
}
