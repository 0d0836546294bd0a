//! A world without a wire.
#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "a test says by panicking what is wrong, and uses what it needs"
)]

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use hybridge_sandbox::{Clock, Outbound, OutboundError, Sandbox, Setup};
use serde_json::Value;

#[derive(Debug)]
struct Nowhere;

#[async_trait::async_trait]
impl Outbound for Nowhere {
    async fn send(&self, _: Request<Bytes>) -> Result<Response<Bytes>, OutboundError> {
        Err(OutboundError("nobody calls out here".to_owned()))
    }
}

pub(crate) fn world(setup: impl FnOnce(&mut Setup)) -> Arc<Sandbox> {
    let mut chosen = Setup::new(Clock::starting_at("2026-11-23T12:00:00Z".parse().unwrap()), 1);
    setup(&mut chosen);
    Sandbox::new(Sandbox::invented_origins().unwrap(), Arc::new(Nowhere), chosen)
}

pub(crate) async fn control(world: &Sandbox, method: Method, path: &str, body: &Value) -> (u16, Value) {
    let url = world.origins().control.join(path).unwrap();
    let request = Request::builder().method(method).uri(url.as_str());
    let reply = world.call(request.body(Bytes::from(body.to_string())).unwrap()).await.unwrap();
    (reply.status().as_u16(), serde_json::from_slice(reply.body()).unwrap())
}
