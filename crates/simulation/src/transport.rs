//! The two ways between the engine and the sandbox, without a network.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use bytes::Bytes;
use hybridge_net::{Happened, Request, Response, Transport, TransportError, TransportFault};
use hybridge_sandbox::{Outbound, OutboundError, Sandbox};
use tower::ServiceExt;

/// The engine calls the sandbox.
#[derive(Debug, Clone)]
pub(crate) struct InProcess {
    sandbox: Arc<Sandbox>,
    sent: Arc<Mutex<BTreeSet<Sent>>>,
}

/// What the engine sent to Microsoft Graph.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sent {
    /// The method.
    pub method: String,
    /// The path below the version.
    pub path: String,
    /// The body, which is JSON.
    pub body: String,
}

impl InProcess {
    /// Calls go to the sandbox; what has a body and goes to Graph is noted in `sent`.
    pub(crate) fn new(sandbox: Arc<Sandbox>, sent: Arc<Mutex<BTreeSet<Sent>>>) -> Self {
        Self { sandbox, sent }
    }

    fn note(&self, request: &Request) {
        let Some(path) = request.url.as_str().strip_prefix(self.sandbox.origins().graph.as_str()) else {
            return;
        };
        if request.body.is_empty() {
            return;
        }
        let Some(path) = path.strip_prefix("v1.0/") else { return };
        let sent = Sent {
            method: request.method.to_string(),
            path: path.to_owned(),
            body: String::from_utf8_lossy(&request.body).into_owned(),
        };
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).insert(sent);
    }
}

#[async_trait]
impl Transport for InProcess {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.note(&request);
        let lost = |fault, detail: &str| {
            TransportError::about(&request, fault, Happened::Perhaps, detail.to_owned())
        };
        let mut call = http::Request::new(request.body.clone());
        *call.method_mut() = request.method.clone();
        *call.headers_mut() = request.headers.clone();
        *call.uri_mut() = request
            .url
            .as_str()
            .parse()
            .map_err(|_| lost(TransportFault::Connect, "the address is no URI"))?;
        // A server works on when its caller has given up or was killed: the call is a task of its own.
        let sandbox = self.sandbox.clone();
        let work = tokio::spawn(async move { sandbox.call(call).await });
        match tokio::time::timeout(request.timeout, work).await {
            Err(_) => Err(lost(TransportFault::Timeout, "")),
            // Whoever waits for an answer can't tell the two cuts apart.
            Ok(Err(_) | Ok(Err(_))) => Err(lost(TransportFault::Closed, "")),
            Ok(Ok(Ok(reply))) => {
                let (parts, body) = reply.into_parts();
                Ok(Response { status: parts.status, headers: parts.headers, body })
            }
        }
    }
}

/// The sandbox calls the console of the engine that runs at the moment, if one does.
#[derive(Debug, Clone, Default)]
pub(crate) struct ToConsole(Arc<Mutex<Option<axum::Router>>>);

impl ToConsole {
    pub(crate) fn connect(&self, router: Option<axum::Router>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = router;
    }
}

#[async_trait]
impl Outbound for ToConsole {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, OutboundError> {
        let router = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(router) = router else { return Err(OutboundError("nobody listens".to_owned())) };
        let (mut parts, body) = request.into_parts();
        // The console sees a path, as behind a listener.
        if let Some(path) =
            parts.uri.path_and_query().map(ToString::to_string).and_then(|path| path.parse().ok())
        {
            parts.uri = path;
        }
        let request = http::Request::from_parts(parts, axum::body::Body::from(body));
        let answer = router.oneshot(request).await.map_err(|error| OutboundError(error.to_string()))?;
        let (parts, body) = answer.into_parts();
        let body =
            axum::body::to_bytes(body, 1 << 20).await.map_err(|error| OutboundError(error.to_string()))?;
        Ok(http::Response::from_parts(parts, body))
    }
}
