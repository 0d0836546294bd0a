use std::{io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hybridge_sandbox_kit::Face;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::world::Sandbox;

/// The largest request that is read at all; the services have limits of their own.
const LARGEST_REQUEST: usize = 200 << 20;

/// Accepts connections of one face until stopped.
pub(super) async fn accept(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    sandbox: Arc<Sandbox>,
    face: Face,
    mut stopped: watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = async { drop(stopped.wait_for(|stop| *stop).await) } => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => {
                // An accept that fails (out of descriptors, say) may pass; the loop must not spin on it.
                let Ok((stream, _)) = accepted else {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                };
                let _not_tcp = stream.set_nodelay(true);
                let (acceptor, sandbox) = (acceptor.clone(), sandbox.clone());
                connections.spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = service_fn(move |request| answer(sandbox.clone(), face, request));
                    // An error ends the connection without an answer, which is what a cut is.
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

async fn answer(
    sandbox: Arc<Sandbox>,
    face: Face,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let (mut parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, LARGEST_REQUEST).collect().await else {
        return Ok(too_large());
    };
    parts.uri = absolute(&sandbox, face, &parts.uri);
    let reply = sandbox
        .call(Request::from_parts(parts, body.to_bytes()))
        .await
        .map_err(|_cut| io::Error::from(io::ErrorKind::ConnectionAborted))?;
    Ok(reply.map(Full::new))
}

/// The request's absolute address, on the face's own origin whatever name it was reached by. A web server in front
/// has taken away the path of the root (the name of an organization on the domain).
fn absolute(sandbox: &Sandbox, face: Face, uri: &Uri) -> Uri {
    let origin = sandbox.origins().of(face).origin().ascii_serialization();
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    format!("{origin}{path}").parse().unwrap_or_else(|_: http::uri::InvalidUri| uri.clone())
}

fn too_large() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"too large")));
    *response.status_mut() = http::StatusCode::PAYLOAD_TOO_LARGE;
    response
}
