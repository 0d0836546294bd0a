use async_trait::async_trait;
use bytes::BytesMut;
use reqwest::{Certificate, Client, redirect::Policy};
use std::error::Error as _;

use crate::transport::{Happened, Request, Response, Transport, TransportError, TransportFault};

/// HTTPS to the real services, with pooled connections.
///
/// Redirects are not followed: an API that redirects has sent us to a sign-in page, and a token
/// must not travel along.
#[derive(Debug, Clone)]
pub struct Https(Client);

/// The HTTPS client can't be built.
#[derive(Debug, thiserror::Error)]
#[error("the HTTPS client can't be built: {0}")]
pub struct HttpsError(#[source] reqwest::Error);

impl Https {
    /// A client that trusts what the machine trusts, and also the given certificate authorities
    /// (PEM, any number in one text).
    pub fn new(extra_authorities_pem: &[Vec<u8>]) -> Result<Self, HttpsError> {
        let mut builder = Client::builder()
            .redirect(Policy::none())
            .user_agent(concat!("Hybridge/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(std::time::Duration::from_secs(20));
        for pem in extra_authorities_pem {
            for authority in Certificate::from_pem_bundle(pem).map_err(HttpsError)? {
                builder = builder.add_root_certificate(authority);
            }
        }
        builder.build().map(Self).map_err(HttpsError)
    }
}

#[async_trait]
impl Transport for Https {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        let about = |error: &reqwest::Error| classify(&request, error);
        let sent = self
            .0
            .request(request.method.clone(), request.url.clone())
            .headers(request.headers.clone())
            .timeout(request.timeout)
            .body(request.body.clone());
        let mut answer = sent.send().await.map_err(|error| about(&error))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| about(&error))? {
            if body.len() + chunk.len() > request.max_answer_bytes {
                return Err(TransportError::about(
                    &request,
                    TransportFault::TooLarge,
                    Happened::Perhaps,
                    format!("more than {} bytes", request.max_answer_bytes),
                ));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response { status, headers, body: body.freeze() })
    }
}

fn classify(request: &Request, error: &reqwest::Error) -> TransportError {
    let detail = innermost(error);
    let tls = error.is_connect()
        && (detail.contains("certificate") || detail.contains("tls") || detail.contains("TLS"));
    let (fault, happened) = if tls {
        (TransportFault::Tls, Happened::No)
    } else if error.is_connect() {
        (TransportFault::Connect, Happened::No)
    } else if error.is_timeout() {
        (TransportFault::Timeout, Happened::Perhaps)
    } else {
        (TransportFault::Closed, Happened::Perhaps)
    };
    TransportError::about(request, fault, happened, detail)
}

// reqwest's own text repeats the URL with its query; the innermost cause does not.
fn innermost(error: &reqwest::Error) -> String {
    let mut source = error.source();
    let mut text = String::new();
    while let Some(inner) = source {
        text = inner.to_string();
        source = inner.source();
    }
    text
}
