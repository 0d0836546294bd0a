//! What a running service shows to the world: the receiver of Graph's change notifications, health and
//! readiness, and Prometheus metrics. It knows nothing of how sync works: it checks a notification and
//! hands its lane to a [`Wakes`].

mod health;
mod notifications;

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, post},
};
use hybridge_store::Store;
use prometheus_client::registry::Registry;
use tokio::{net::TcpListener, sync::mpsc};

pub use health::Liveness;
pub use notifications::{Signal, Wakes};

/// Where Graph posts its notifications, below the console's address.
pub const NOTIFICATIONS_PATH: &str = "/graph/notifications";

/// Posts that may be waiting to be worked on; more are answered with 503 and sent again by Graph.
const WAITING_POSTS: usize = 1_000;
/// Graph's own posts are small; nothing larger is read, as anybody may post.
const LARGEST_POST: usize = 256 << 10;

#[derive(Debug, Clone)]
struct Shared {
    posts: mpsc::Sender<axum::body::Bytes>,
    liveness: Arc<Liveness>,
    metrics: Arc<Registry>,
}

/// The console's routes, and the work behind them.
#[derive(Debug)]
pub struct Console {
    router: Router,
    posts: mpsc::Receiver<axum::body::Bytes>,
    store: Arc<dyn Store>,
    wakes: Arc<dyn Wakes>,
}

impl Console {
    /// A console over a store that wakes lanes through `wakes`.
    pub fn new(
        store: Arc<dyn Store>,
        wakes: Arc<dyn Wakes>,
        liveness: Arc<Liveness>,
        metrics: Registry,
    ) -> Self {
        let (sender, posts) = mpsc::channel(WAITING_POSTS);
        let shared = Shared { posts: sender, liveness, metrics: Arc::new(metrics) };
        let router = Router::new()
            .route(NOTIFICATIONS_PATH, post(notifications::receive))
            .route("/healthz", get(health::healthz))
            .route("/readyz", get(health::readyz))
            .route("/metrics", get(health::metrics))
            .layer(axum::extract::DefaultBodyLimit::max(LARGEST_POST))
            .with_state(shared);
        Self { router, posts, store, wakes }
    }

    /// The routes, for a caller that answers requests itself (the simulation does).
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Works on received notifications until the routes are gone.
    pub async fn work(mut self) {
        // Without this end of the channel the receiver would wait for ever.
        drop(std::mem::take(&mut self.router));
        while let Some(post) = self.posts.recv().await {
            notifications::work_on(&post, self.store.as_ref(), self.wakes.as_ref()).await;
        }
    }

    /// Serves on a listening socket until `stop` resolves, and works on what is received.
    ///
    /// # Errors
    /// When the socket can't be used.
    pub async fn serve(
        self,
        listener: std::net::TcpListener,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> std::io::Result<()> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let answering = axum::serve(listener, self.router()).with_graceful_shutdown(stop);
        let (ended, ()) = tokio::join!(async { answering.await }, self.work());
        ended
    }
}
