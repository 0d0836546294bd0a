//! HTTP-01: Hybridge answers by itself, or writes the file under a web server's root.

use std::{
    collections::BTreeMap,
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use axum::{
    Router,
    extract::{ConnectInfo, Path as UrlPath, State},
    http::StatusCode,
    routing::get,
};
use hybridge_connect::acme::{ChallengeKind, Proof, Responder};
use tokio::task::JoinHandle;

use crate::{
    error::{Failure, Result},
    exit::Exit,
    output::Output,
};

/// The proofs that stand, by token.
type Standing = Arc<Mutex<BTreeMap<String, String>>>;

/// A web server that answers with the proofs and nothing else.
#[derive(Debug)]
pub(crate) struct Listener {
    standing: Standing,
    answering: JoinHandle<()>,
}

impl Listener {
    /// Listens from here on, until this is dropped.
    pub(super) fn start(address: SocketAddr) -> Result<Self> {
        let failed = |error: io::Error| {
            let help = match error.kind() {
                io::ErrorKind::AddrInUse => {
                    "Another web server has this port. Let it answer with --http01-folder, naming its web root."
                }
                io::ErrorKind::PermissionDenied => {
                    "Ports below 1024 need the administrator's rights; or let a web server answer with --http01-folder."
                }
                _ => "Name an address of this machine, such as 0.0.0.0:80.",
            };
            Failure::new(Exit::Configuration, format!("nothing can listen on {address}: {error}")).help(help)
        };
        let listener = std::net::TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
        let standing = Standing::default();
        let router = Router::new()
            .route("/.well-known/acme-challenge/{token}", get(answer))
            .with_state(standing.clone())
            .into_make_service_with_connect_info::<SocketAddr>();
        let answering = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::warn!(%error, "no proofs are answered any more");
            }
        });
        Ok(Self { standing, answering })
    }
}

/// Says who asked: where the authority finds nothing, it matters whether it came this far.
async fn answer(
    State(standing): State<Standing>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    UrlPath(token): UrlPath<String>,
) -> std::result::Result<String, StatusCode> {
    let found = standing.lock().unwrap_or_else(PoisonError::into_inner).get(&token).cloned();
    let told = if found.is_some() { "a proof, and got it" } else { "a proof that does not stand here" };
    Output::say(format!("{} asked for {told}.", from.ip()));
    found.ok_or(StatusCode::NOT_FOUND)
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.answering.abort();
    }
}

#[async_trait]
impl Responder for Listener {
    fn kind(&self) -> ChallengeKind {
        ChallengeKind::Http01
    }

    async fn present(&self, proof: &Proof) -> std::result::Result<(), String> {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        standing.insert(proof.token().to_owned(), proof.key_authorization().to_owned());
        Ok(())
    }

    async fn withdraw(&self, proof: &Proof) -> std::result::Result<(), String> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).remove(proof.token());
        Ok(())
    }
}

/// A folder that a web server serves as its root.
#[derive(Debug)]
pub(crate) struct Folder {
    root: PathBuf,
    /// The folders that were made, outermost first.
    made: Mutex<Vec<PathBuf>>,
}

impl Folder {
    pub(super) fn new(root: &Path) -> Result<Self> {
        if !root.is_dir() {
            return Err(Failure::new(Exit::Configuration, format!("{} is no folder", root.display()))
                .help("Name the web server's root with --http01-folder: what it serves as http://host/."));
        }
        Ok(Self { root: root.to_owned(), made: Mutex::default() })
    }

    fn file(&self, proof: &Proof) -> PathBuf {
        self.root.join(".well-known").join("acme-challenge").join(proof.token())
    }

    fn put(&self, proof: &Proof) -> io::Result<()> {
        let mut folder = self.root.clone();
        for part in [".well-known", "acme-challenge"] {
            folder.push(part);
            match fs::create_dir(&folder) {
                Ok(()) => {
                    self.made.lock().unwrap_or_else(PoisonError::into_inner).push(folder.clone());
                    open_to_read(&folder, 0o755)?;
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        let file = self.file(proof);
        fs::write(&file, proof.key_authorization())?;
        open_to_read(&file, 0o644)
    }

    fn take(&self, proof: &Proof) -> io::Result<()> {
        match fs::remove_file(self.file(proof)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // A folder with something in it stays: it is somebody else's by now, or another proof's.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        while made.last().is_some_and(|folder| fs::remove_dir(folder).is_ok()) {
            made.pop();
        }
        Ok(())
    }
}

/// The web server runs as another user, whatever this one's mask is.
fn open_to_read(path: &Path, mode: u32) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
    }
    #[cfg(not(unix))]
    {
        let _inherited = (path, mode);
        Ok(())
    }
}

#[async_trait]
impl Responder for Folder {
    fn kind(&self) -> ChallengeKind {
        ChallengeKind::Http01
    }

    async fn present(&self, proof: &Proof) -> std::result::Result<(), String> {
        self.put(proof).map_err(|error| format!("{} can't be written: {error}", self.file(proof).display()))
    }

    async fn withdraw(&self, proof: &Proof) -> std::result::Result<(), String> {
        self.take(proof).map_err(|error| format!("{} can't be removed: {error}", self.file(proof).display()))
    }
}
