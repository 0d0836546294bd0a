use std::{fmt, sync::Arc};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use rustls_platform_verifier::Verifier;
use tokio::{
    net::TcpStream,
    time::{Duration, timeout},
};
use tokio_rustls::TlsConnector;
use url::{Position, Url};

use crate::transport::{Happened, Request, Response, TransportError, TransportFault};

const CONNECT: Duration = Duration::from_secs(20);

/// Opens connections that stay open, so that one knows which requests share one: NTLM authenticates the
/// connection, not the request.
#[async_trait]
pub trait Connector: Send + Sync + fmt::Debug {
    /// Connects to the server that a request is for. Nothing is sent yet.
    async fn connect(&self, request: &Request) -> Result<Box<dyn Connection>, TransportError>;
}

/// One HTTP/1.1 connection, for one request after the other.
#[async_trait]
pub trait Connection: Send + Sync + fmt::Debug {
    /// Whether another request may be sent.
    fn is_open(&self) -> bool;

    /// Sends one request and reads the whole answer.
    async fn send(&mut self, request: Request) -> Result<Response, TransportError>;
}

/// The connector for real servers: TCP, and TLS where the address says so. Redirects are not followed.
#[derive(Clone)]
pub struct TcpConnector {
    tls: Arc<ClientConfig>,
}

/// The connector can't be built.
#[derive(Debug, thiserror::Error)]
#[error("connections can't be set up: {0}")]
pub struct ConnectorError(String);

impl TcpConnector {
    /// A connector that trusts what the machine trusts, and also the given certificate authorities
    /// (PEM, any number in one text).
    ///
    /// # Errors
    /// When an authority can't be read or used.
    pub fn new(extra_authorities_pem: &[Vec<u8>]) -> Result<Self, ConnectorError> {
        let failed = |error: &dyn fmt::Display| ConnectorError(error.to_string());
        let mut authorities = Vec::new();
        for pem in extra_authorities_pem {
            for authority in CertificateDer::pem_slice_iter(pem) {
                authorities.push(authority.map_err(|error| failed(&error))?);
            }
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier =
            Verifier::new_with_extra_roots(authorities, provider.clone()).map_err(|error| failed(&error))?;
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(Self { tls: Arc::new(tls) })
    }

    async fn open(&self, url: &Url) -> Result<SendRequest<Full<Bytes>>, (TransportFault, String)> {
        let no_host = || (TransportFault::Connect, "the address has no host".to_owned());
        let host = url.host_str().ok_or_else(no_host)?.trim_matches(['[', ']']).to_owned();
        let port = url.port_or_known_default().ok_or_else(no_host)?;
        let stream = TcpStream::connect((host.as_str(), port))
            .await
            .map_err(|error| (TransportFault::Connect, error.to_string()))?;
        let _not_tcp = stream.set_nodelay(true);
        if url.scheme() != "https" {
            return shake_hands(stream).await;
        }
        let tls = |error: &dyn fmt::Display| (TransportFault::Tls, error.to_string());
        let name = ServerName::try_from(host).map_err(|error| tls(&error))?;
        let stream =
            TlsConnector::from(self.tls.clone()).connect(name, stream).await.map_err(|error| tls(&error))?;
        shake_hands(stream).await
    }
}

impl fmt::Debug for TcpConnector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("TcpConnector")
    }
}

#[async_trait]
impl Connector for TcpConnector {
    async fn connect(&self, request: &Request) -> Result<Box<dyn Connection>, TransportError> {
        let opened = timeout(CONNECT, self.open(&request.url)).await.unwrap_or_else(|_| {
            Err((TransportFault::Timeout, format!("no connection within {} seconds", CONNECT.as_secs())))
        });
        let sender =
            opened.map_err(|(fault, detail)| TransportError::about(request, fault, Happened::No, detail))?;
        Ok(Box::new(TcpConnection { sender, whole: true }))
    }
}

async fn shake_hands<S>(stream: S) -> Result<SendRequest<Full<Bytes>>, (TransportFault, String)>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| (TransportFault::Connect, error.to_string()))?;
    // It ends with its sender; how, the sender is told.
    tokio::spawn(connection);
    Ok(sender)
}

struct TcpConnection {
    sender: SendRequest<Full<Bytes>>,
    /// The last answer was read to its end.
    whole: bool,
}

impl fmt::Debug for TcpConnection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("TcpConnection").field("open", &self.is_open()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Connection for TcpConnection {
    fn is_open(&self) -> bool {
        self.whole && !self.sender.is_closed()
    }

    async fn send(&mut self, request: Request) -> Result<Response, TransportError> {
        self.whole = false;
        let answered = timeout(request.timeout, self.exchange(&request)).await;
        let response = answered.unwrap_or_else(|_| {
            Err(TransportError::about(&request, TransportFault::Timeout, Happened::Perhaps, String::new()))
        })?;
        self.whole = true;
        Ok(response)
    }
}

impl TcpConnection {
    async fn exchange(&mut self, request: &Request) -> Result<Response, TransportError> {
        let cut = |happened: Happened, error: &hyper::Error| {
            TransportError::about(request, TransportFault::Closed, happened, error.to_string())
        };
        self.sender.ready().await.map_err(|error| cut(Happened::No, &error))?;
        let sent = self.sender.try_send_request(written(request)?).await;
        let mut answer = sent.map_err(|mut error| {
            // A request that hyper hands back was never written.
            let happened = if error.take_message().is_some() { Happened::No } else { Happened::Perhaps };
            cut(happened, error.error())
        })?;
        let mut body = BytesMut::new();
        while let Some(frame) = answer.frame().await {
            let frame = frame.map_err(|error| cut(Happened::Perhaps, &error))?;
            let Ok(chunk) = frame.into_data() else { continue };
            if body.len() + chunk.len() > request.max_answer_bytes {
                return Err(TransportError::about(
                    request,
                    TransportFault::TooLarge,
                    Happened::Perhaps,
                    format!("more than {} bytes", request.max_answer_bytes),
                ));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Response { status: answer.status(), headers: answer.headers().clone(), body: body.freeze() })
    }
}

/// The request in origin form (RFC 9112, 3.2.1).
fn written(request: &Request) -> Result<http::Request<Full<Bytes>>, TransportError> {
    let url = &request.url;
    let strange = |error: &dyn fmt::Display| {
        TransportError::about(request, TransportFault::Connect, Happened::No, error.to_string())
    };
    let mut written = http::Request::builder()
        .method(request.method.clone())
        .uri(&url[Position::BeforePath..Position::AfterQuery])
        .body(Full::new(request.body.clone()))
        .map_err(|error| strange(&error))?;
    *written.headers_mut() = request.headers.clone();
    let host = HeaderValue::try_from(&url[Position::BeforeHost..Position::AfterPort])
        .map_err(|error| strange(&error))?;
    written.headers_mut().insert(header::HOST, host);
    let agent = HeaderValue::from_static(concat!("Hybridge/", env!("CARGO_PKG_VERSION")));
    written.headers_mut().entry(header::USER_AGENT).or_insert(agent);
    Ok(written)
}

#[cfg(test)]
mod tests {
    use http::{Method, StatusCode};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// Answers each request of a connection with the next text, and closes after the last.
    async fn server(answers: Vec<&'static str>) -> (Url, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/org/x?a=b", listener.local_addr().unwrap()).parse().unwrap();
        let task = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            for answer in answers {
                let mut text = String::new();
                while !text.contains("\r\n\r\n") {
                    let mut some = [0; 4096];
                    let read = stream.read(&mut some).await.unwrap();
                    if read == 0 {
                        return asked;
                    }
                    text.push_str(std::str::from_utf8(&some[..read]).unwrap());
                }
                asked.push(text);
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            asked
        });
        (url, task)
    }

    #[tokio::test]
    async fn requests_share_a_connection_until_the_server_ends_it() {
        let (url, server) = server(vec![
            "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes",
        ])
        .await;
        let request = Request::new(Method::GET, url);
        let mut connection = TcpConnector::new(&[]).unwrap().connect(&request).await.unwrap();
        let first = connection.send(request.clone()).await.unwrap();
        assert_eq!((first.status, &first.body[..]), (StatusCode::UNAUTHORIZED, &b"no"[..]));
        let second = connection.send(request.clone()).await.unwrap();
        assert_eq!((second.status, &second.body[..]), (StatusCode::OK, &b"yes"[..]));
        let asked = server.await.unwrap();
        assert_eq!(asked.len(), 2);
        assert!(asked[0].starts_with("GET /org/x?a=b HTTP/1.1\r\n"), "{}", asked[0]);
        assert!(asked[0].to_lowercase().contains("\r\nhost: 127.0.0.1:"), "{}", asked[0]);
        // The server has gone: the third was never sent.
        let error = connection.send(request).await.unwrap_err();
        assert_eq!((error.fault, error.happened), (TransportFault::Closed, Happened::No), "{error}");
        assert!(!connection.is_open());
    }

    #[tokio::test]
    async fn an_answer_that_was_not_read_to_its_end_ends_the_connection() {
        let (url, _server) =
            server(vec!["HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes", "unreached"]).await;
        let mut request = Request::new(Method::GET, url);
        request.max_answer_bytes = 2;
        let mut connection = TcpConnector::new(&[]).unwrap().connect(&request).await.unwrap();
        let error = connection.send(request).await.unwrap_err();
        assert_eq!(error.fault, TransportFault::TooLarge, "{error}");
        assert!(!connection.is_open());
    }
}
