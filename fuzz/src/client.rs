//! Hybridge's own side: what a service answers is read or refused, and leads nowhere else.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use hybridge_graph::{Graph, Place, Round, UserRef, read_notifications};
use hybridge_identity::{SecretString, Token, TokenSource};
use hybridge_net::{Chance, Request, Response, SystemClock, Transport, TransportError};
use hybridge_odata::{Access, Parts, Patience, Service, gate::PerMailbox, multipart};
use jiff::Timestamp;
use serde_json::Value;
use url::Url;

use crate::wait_for;

const GRAPH: &str = "https://graph.test/v1.0/";

/// Delta pages, one a line: they are read, and their links are followed to Graph's own origin only,
/// whatever they say, as the access token goes with them.
///
/// # Panics
/// When a request leaves that origin, or an entry is lost.
pub fn delta_links(data: &[u8]) {
    let pages: VecDeque<Bytes> = data.split(|byte| *byte == b'\n').map(Bytes::copy_from_slice).collect();
    let service = Arc::new(Pages { pages: Mutex::new(pages.clone()), asked: Mutex::default() });
    let graph = graph(Arc::clone(&service));
    let ada = UserRef::new("ada@contoso.com");

    let mut round = wait_for(graph.delta_begin(&ada, "inbox", None, 50));
    for page in &pages {
        let Ok(Round { entries, place: Place::More(link) | Place::Over(link) }) = &round else { break };
        // Bytes that are no text may stand where nobody reads; such a page can't be counted.
        if let Ok(page) = serde_json::from_slice::<Value>(page) {
            assert_eq!(entries.len(), page["value"].as_array().map_or(0, Vec::len), "entries are lost");
        }
        round = wait_for(graph.delta_follow(&ada, link, 50));
    }
    let origin = Url::parse(GRAPH).expect("a URL").origin();
    for url in service.asked.lock().expect("no panic before").iter() {
        assert_eq!(url.origin(), origin, "a token went to {url}");
    }
}

/// The answer of a multipart batch; the first line is its `Content-Type`.
///
/// # Panics
/// When a part is made of bytes that were not in the answer.
pub fn batch_answers(data: &[u8]) {
    let Some(end) = data.iter().position(|byte| *byte == b'\n') else { return };
    let (content_type, body) = data.split_at(end);
    let Ok(content_type) = str::from_utf8(content_type) else { return };
    let body = Bytes::copy_from_slice(&body[1..]);
    let Ok(replies) = multipart::parse(content_type.trim_end(), &body) else { return };
    let total: usize = replies.iter().map(|reply| reply.body.len()).sum();
    assert!(total <= body.len(), "{total} bytes in parts out of {}", body.len());
}

/// What anyone may post to the address of change notifications.
///
/// # Panics
/// When a client state would be printed.
pub fn notifications(data: &[u8]) {
    if let Ok(read) = read_notifications(data) {
        // What is read is logged; the secret in it must not be.
        for notification in &read {
            let secret = notification.client_state.as_deref().unwrap_or_default();
            let printed = secret.len() >= 16 && format!("{notification:?}").contains(secret);
            assert!(!printed || notification.subscription.contains(secret), "a secret is printed");
        }
    }
}

fn graph(transport: Arc<Pages>) -> Graph {
    Graph::new(Service::new(Parts {
        name: "Graph",
        root: Url::parse(GRAPH).expect("a URL"),
        access: Access::Tokens { tokens: Arc::new(OneToken), transport },
        clock: Arc::new(SystemClock),
        chance: Chance::seeded(1),
        gate: Arc::new(PerMailbox::new(4)),
        patience: Patience { attempts: 1, ..Patience::default() },
    }))
}

/// Answers with one page after the other and notes who was asked.
#[derive(Debug)]
struct Pages {
    pages: Mutex<VecDeque<Bytes>>,
    asked: Mutex<Vec<Url>>,
}

#[async_trait]
impl Transport for Pages {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.asked.lock().expect("no panic before").push(request.url);
        let body = self.pages.lock().expect("no panic before").pop_front().unwrap_or_default();
        let json = HeaderValue::from_static("application/json");
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, json)]);
        Ok(Response { status: StatusCode::OK, headers, body })
    }
}

/// The token that must not get away.
#[derive(Debug)]
struct OneToken;

#[async_trait]
impl TokenSource for OneToken {
    async fn token(&self) -> Result<Token, hybridge_identity::Error> {
        let token = Token::bearer(SecretString::from("token"), Timestamp::UNIX_EPOCH, Timestamp::MAX);
        Ok(token.expect("a token"))
    }

    fn invalidate(&self, _token: &Token) {}
}
