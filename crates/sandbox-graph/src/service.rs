//! The way of a call: token, limits, operation, answer.

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header};
use hybridge_sandbox_kit::{Call, Reply, Service};
use uuid::Uuid;

use crate::{
    census::AppWrite,
    graph::Graph,
    routes::route_name,
    session::Session,
    subscriptions::{Validation, validation_failed},
    throttle::MeterKey,
    upload,
    web::{
        answer::{Answer, Fault, Payload},
        auth::Caller,
        request::Request,
    },
};

/// The content type of every JSON answer (graph.md 7.3).
pub(crate) const JSON: &str =
    "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";

/// A request that runs: it counts against its mailbox until this is dropped, also when the caller
/// stops waiting for the answer.
#[derive(Debug)]
pub(crate) struct Running<'a> {
    graph: &'a Graph,
    key: Option<MeterKey>,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.graph.state().meters.finish(key);
        }
    }
}

#[async_trait]
impl Service for Graph {
    async fn call(&self, call: Call) -> Reply {
        let request_id = self.tenant.dice.uuid().to_string();
        let client_request_id = call.header("client-request-id").unwrap_or(&request_id).to_owned();
        self.state().counts.requests += 1;
        let (applied, result) = self.answer(call).await;
        let now = self.now();
        let answer = result.unwrap_or_else(|fault| {
            let body = fault.body(now, &request_id, &client_request_id);
            let mut answer = Answer::json(fault.status, body);
            answer.headers = fault.headers;
            answer
        });
        let mut reply = reply(answer);
        let headers = reply.headers_mut();
        let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        for (name, value) in [
            ("request-id", Some(request_id)),
            ("client-request-id", Some(client_request_id)),
            ("odata-version", Some("4.0".to_owned())),
            ("date", Some(date)),
            ("preference-applied", applied),
        ] {
            if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
                headers.insert(name, value);
            }
        }
        reply
    }
}

fn reply(answer: Answer) -> Reply {
    let (content_type, bytes) = match answer.body {
        Payload::Empty => (None, Bytes::new()),
        Payload::Json(body) => (Some(JSON.to_owned()), Bytes::from(body.to_string())),
        Payload::Raw { content_type, bytes } => (Some(content_type), bytes),
    };
    let mut reply = Response::new(bytes);
    *reply.status_mut() = answer.status;
    let content_type = content_type.map(|value| (header::CONTENT_TYPE.as_str(), value));
    for (name, value) in answer.headers.into_iter().chain(content_type) {
        if let Ok(value) = HeaderValue::from_str(&value) {
            reply.headers_mut().insert(name, value);
        }
    }
    reply
}

impl Graph {
    /// The answer, and what `Preference-Applied` says.
    async fn answer(&self, call: Call) -> (Option<String>, Result<Answer, Fault>) {
        if upload::is_upload(&call) {
            return (None, self.upload(&call).await);
        }
        let caller = match Caller::authenticate(&call, self.tenant.judge.as_ref(), self.tenant.id) {
            Ok(caller) => caller,
            Err(fault) => return (None, Err(fault)),
        };
        let request = match Request::read(call) {
            Ok(request) => request,
            Err(fault) => return (None, Err(fault)),
        };
        if request.path.names() == ["$batch"] {
            return (None, self.batch(&caller, &request).await);
        }
        let applied = request.prefer.applied();
        (applied, self.execute(&caller, &request).await)
    }

    /// One operation under the limits of its mailbox.
    async fn execute(&self, caller: &Caller, request: &Request) -> Result<Answer, Fault> {
        let running = self.admit(caller, request);
        if running.is_ok() {
            self.take_time().await;
        }
        let result = match running {
            Ok(running) => {
                let result = self.perform(caller, request).await;
                drop(running);
                result
            }
            Err(fault) => Err(fault),
        };
        self.record(caller, request, &result);
        result
    }

    /// Counts a request against the mailbox that it is for.
    pub(crate) fn admit(&self, caller: &Caller, request: &Request) -> Result<Running<'_>, Fault> {
        let writes = matches!(request.method, Method::POST | Method::PATCH | Method::PUT);
        let upload = if writes { request.body.len() } else { 0 };
        let now = self.now();
        let mut state = self.state();
        let is_outlook = request.path.len() > 2 && request.path.names().first() == Some(&"users");
        let user = state.find_user(request.path.text(1)).map(|user| user.id).filter(|_| is_outlook);
        let key = user.map(|user| (caller.app_id, user));
        if let Some(key) = key {
            let limits = state.options.throttle;
            state.meters.admit(key, u64::try_from(upload).unwrap_or(u64::MAX), now, &limits)?;
        }
        Ok(Running { graph: self, key })
    }

    /// The time that every request takes.
    pub(crate) async fn take_time(&self) {
        let latency = self.state().options.latency;
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
    }

    pub(crate) async fn perform(&self, caller: &Caller, request: &Request) -> Result<Answer, Fault> {
        if request.method == Method::POST && request.path.names() == ["subscriptions"] {
            return self.create_subscription(caller, request).await;
        }
        self.in_session(caller, request, |session| {
            session.state.run_transport(session.now, session.tenant);
            session.dispatch()
        })
    }

    /// `POST /subscriptions`: each address has to answer before there is a subscription.
    async fn create_subscription(&self, caller: &Caller, request: &Request) -> Result<Answer, Fault> {
        #[expect(clippy::redundant_closure_for_method_calls, reason = "the method is not general enough")]
        let subscription = self.in_session(caller, request, |session| session.prepare_subscription())?;
        for url in std::iter::once(&subscription.notification_url).chain(&subscription.lifecycle_url) {
            let validation = Validation::of(url, self.tenant.dice.uuid()).ok_or_else(validation_failed)?;
            validation.ask(self.tenant.outbound.as_ref()).await?;
        }
        self.in_session(caller, request, |session| session.store_subscription(subscription))
    }

    fn in_session<T>(
        &self,
        caller: &Caller,
        request: &Request,
        action: impl FnOnce(&mut Session<'_>) -> T,
    ) -> T {
        let now = self.now();
        self.with_state(|state| action(&mut Session { state, tenant: &self.tenant, caller, request, now }))
    }

    /// Keeps what tests ask for afterwards.
    pub(crate) fn record(&self, caller: &Caller, request: &Request, result: &Result<Answer, Fault>) {
        let status = status_of(result);
        let at = self.now();
        let names = request.path.names();
        let mut state = self.state();
        state.counts.count(route_name(&request.method, &names), status);
        if request.method != Method::GET && status.is_success() {
            let user_id: Option<Uuid> = state
                .find_user(request.path.text(1))
                .map(|user| user.id)
                .filter(|_| names.first() == Some(&"users"));
            state.writes.push(AppWrite {
                at,
                app_id: caller.app_id,
                user_id,
                method: request.method.to_string(),
                path: request.path.readable(),
                status: status.as_u16(),
            });
        }
    }

    async fn upload(&self, call: &Call) -> Result<Answer, Fault> {
        let running = {
            let now = self.now();
            let mut state = self.state();
            let key = state.uploads.meter_key(call);
            if let Some(key) = key {
                let limits = state.options.throttle;
                let bytes = u64::try_from(call.body.len()).unwrap_or(u64::MAX);
                state.meters.admit(key, bytes, now, &limits)?;
            }
            Running { graph: self, key }
        };
        self.take_time().await;
        let now = self.now();
        let result = self.with_state(|state| {
            let result = state.upload(call, now, &self.tenant);
            state.counts.count(format!("{} upload", call.method), status_of(&result));
            result
        });
        drop(running);
        result
    }
}

fn status_of(result: &Result<Answer, Fault>) -> StatusCode {
    match result {
        Ok(answer) => answer.status,
        Err(fault) => fault.status,
    }
}
