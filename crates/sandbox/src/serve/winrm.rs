//! The listeners of Windows Remote Management, one a machine of the estate: HTTPS, and NTLM, which signs in a connection
//! (MS-NTHT). Kerberos is offered only where there is a domain controller, and here is none.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hybridge_sandbox_windows::Shells;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use sspi::{
    AuthIdentity, AuthIdentityBuffers, BufferType, DataRepresentation, Ntlm, SecurityBuffer,
    ServerRequestFlags, Sspi, SspiImpl, Username, ntlm::NtlmConfig,
};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::world::Sandbox;

/// The largest envelope that is taken, in bytes (`MaxEnvelopeSizekb`).
const LARGEST: usize = 500 << 10;

/// A machine's listener.
#[derive(Debug, Clone)]
pub(super) struct Listener {
    /// The machine's name.
    pub(super) machine: String,
    /// The world that it belongs to.
    pub(super) sandbox: Arc<Sandbox>,
    /// The shells that are open.
    pub(super) shells: Arc<Mutex<Shells>>,
}

/// Accepts connections until stopped. A machine that is down ends each at once.
pub(super) async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    machine: Listener,
    mut stopped: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = async { drop(stopped.wait_for(|stop| *stop).await) } => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                if machine.is_down() {
                    continue;
                }
                let (acceptor, machine) = (acceptor.clone(), machine.clone());
                connections.spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let sign_in = Arc::new(Mutex::new(SignIn::default()));
                    let service = service_fn(move |request| answer(machine.clone(), sign_in.clone(), request));
                    let _ended = http1::Builder::new()
                        .timer(TokioTimer::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        }
    }
    connections.shutdown().await;
}

impl Listener {
    fn is_down(&self) -> bool {
        self.sandbox.windows().machine(&self.machine).is_none_or(|machine| machine.faults.down)
    }

    fn told(&self, soap: &str) -> Option<Response<Full<Bytes>>> {
        let mut estate = self.sandbox.windows();
        let machine = estate.machine(&self.machine)?;
        let mut shells = self.shells.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = shells.answer(soap, machine);
        let status = if answer.is_fault { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
        let mut response = Response::new(Full::new(Bytes::from(answer.body)));
        *response.status_mut() = status;
        let kind = HeaderValue::from_static("application/soap+xml;charset=UTF-8");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        Some(response)
    }
}

/// A connection's sign-in.
#[derive(Debug, Default)]
struct SignIn {
    handshake: Option<Ntlm>,
    done: bool,
}

async fn answer(
    machine: Listener,
    sign_in: Arc<Mutex<SignIn>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, io::Error> {
    if machine.is_down() {
        return Err(io::Error::from(io::ErrorKind::ConnectionAborted));
    }
    let (parts, body) = request.into_parts();
    if parts.uri.path() != "/wsman" {
        return Ok(bare(StatusCode::NOT_FOUND));
    }
    if parts.method != Method::POST {
        return Ok(bare(StatusCode::METHOD_NOT_ALLOWED));
    }
    let Ok(body) = Limited::new(body, LARGEST).collect().await else {
        return Ok(bare(StatusCode::PAYLOAD_TOO_LARGE));
    };
    let token = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if let Some(refused) = signed_in(&mut lock(&sign_in), token, &machine.sandbox) {
        return Ok(refused);
    }
    let body = body.to_bytes();
    // Windows signs its connections in with an empty message.
    if body.is_empty() {
        return Ok(bare(StatusCode::OK));
    }
    let soap = String::from_utf8_lossy(&body).into_owned();
    machine.told(&soap).ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionAborted))
}

/// What has to be answered before the connection is signed in; nothing once it is.
fn signed_in(sign_in: &mut SignIn, token: Option<&str>, sandbox: &Sandbox) -> Option<Response<Full<Bytes>>> {
    let Some((scheme, token)) = token.and_then(|token| token.split_once(' ')) else {
        return (!sign_in.done).then(|| challenge(&[("Negotiate", ""), ("NTLM", "")]));
    };
    let known = ["Negotiate", "NTLM"].into_iter().find(|known| known.eq_ignore_ascii_case(scheme));
    let (Some(scheme), Ok(token)) = (known, STANDARD.decode(token.trim())) else {
        return Some(challenge(&[("Negotiate", ""), ("NTLM", "")]));
    };
    // A new handshake on a connection begins with the first message again.
    if token.get(8) == Some(&1) {
        *sign_in = SignIn { handshake: Some(Ntlm::with_config(NtlmConfig::new(String::new()))), done: false };
    }
    let step = sign_in.handshake.as_mut().and_then(|handshake| step(handshake, token, sandbox));
    match step {
        Some(Step::Ask(message)) => {
            let message = STANDARD.encode(message);
            Some(challenge(&[(scheme, &message)]))
        }
        Some(Step::Done) => {
            *sign_in = SignIn { handshake: None, done: true };
            None
        }
        None => {
            *sign_in = SignIn::default();
            Some(challenge(&[("Negotiate", ""), ("NTLM", "")]))
        }
    }
}

enum Step {
    Ask(Vec<u8>),
    Done,
}

/// One message of the handshake; none where it is refused.
fn step(handshake: &mut Ntlm, token: Vec<u8>, sandbox: &Sandbox) -> Option<Step> {
    let is_last = token.get(8) == Some(&3);
    let (user, password) = sandbox.server_account();
    let identity =
        AuthIdentity { username: Username::parse(&user).ok()?, password: password.to_owned().into() };
    let mut credentials = Some(AuthIdentityBuffers::from(identity));
    let mut input = [SecurityBuffer::new(token, BufferType::Token)];
    let mut output = [SecurityBuffer::new(Vec::new(), BufferType::Token)];
    let builder = handshake
        .accept_security_context()
        .with_credentials_handle(&mut credentials)
        .with_context_requirements(ServerRequestFlags::empty())
        .with_target_data_representation(DataRepresentation::Native)
        .with_input(&mut input)
        .with_output(&mut output);
    handshake.accept_security_context_impl(builder).ok()?.resolve_to_result().ok()?;
    if !is_last {
        let [message] = output;
        return Some(Step::Ask(message.buffer));
    }
    handshake.complete_auth_token(&mut []).ok()?;
    // The proof is of the password; whose it is, is told by the message itself.
    let names = handshake.query_context_names().ok()?;
    let told = names.username.account_name();
    let wanted = user.rsplit('\\').next().unwrap_or_default();
    told.eq_ignore_ascii_case(wanted).then_some(Step::Done)
}

fn challenge(offers: &[(&str, &str)]) -> Response<Full<Bytes>> {
    let mut response = bare(StatusCode::UNAUTHORIZED);
    for (scheme, token) in offers {
        let value = format!("{scheme} {token}");
        if let Ok(value) = HeaderValue::try_from(value.trim()) {
            response.headers_mut().append(header::WWW_AUTHENTICATE, value);
        }
    }
    response
}

fn bare(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::new()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::SERVER, HeaderValue::from_static("Microsoft-HTTPAPI/2.0"));
    response
}

fn lock(sign_in: &Mutex<SignIn>) -> MutexGuard<'_, SignIn> {
    sign_in.lock().unwrap_or_else(PoisonError::into_inner)
}
