use std::sync::{Mutex, PoisonError};

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
};

use crate::Shared;

/// Whether the service is ready: it has read its configuration and nothing keeps it from working.
#[derive(Debug)]
pub struct Liveness(Mutex<Option<String>>);

impl Liveness {
    /// Not ready yet, for this reason.
    pub fn starting() -> Self {
        Self(Mutex::new(Some("starting".to_owned())))
    }

    /// Ready from now on.
    pub fn ready(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Not ready from now on, for this reason (no address, subject or secret in it).
    pub fn not_ready(&self, reason: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
    }

    fn reason(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The process answers.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// The process does its work.
pub(crate) async fn readyz(State(shared): State<Shared>) -> (StatusCode, String) {
    match shared.liveness.reason() {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

/// The metrics in `OpenMetrics` text form.
pub(crate) async fn metrics(State(shared): State<Shared>) -> impl IntoResponse {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &shared.metrics) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
