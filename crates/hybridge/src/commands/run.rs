//! `hybridge run`: keeps all mailboxes in step until stopped.

use std::{path::Path, sync::Arc, time::Duration};

use hybridge_console::{Console, Liveness, Signal, Wakes};
use hybridge_core::lane::LaneId;
use hybridge_engine::{Engine, Runner, Silent, Wake, Waker};
use hybridge_store::Store;
use prometheus_client::{
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};
use serde_json::json;
use tokio::sync::watch;

use crate::{
    config::Config,
    error::{Failure, Result},
    exit::Exit,
    output::Output,
    wiring,
};

/// Runs until Ctrl-C or SIGTERM; a second one stops at once, which loses nothing.
pub(crate) async fn run(config: &Path, output: Output) -> Result<Exit> {
    let config = crate::config::load(config)?;
    let _only_one = wiring::lock(&config)?;
    let store = wiring::open(&config).await?;
    let engine = Arc::new(wiring::engine(&config, store.clone(), Arc::new(Silent)).await?);
    let (runner, waker, stop) = Runner::new(engine.clone());
    let (stopping, stopped) = watch::channel(false);

    let liveness = Arc::new(Liveness::starting());
    let certificate = Days::default();
    let console = start_console(
        &config,
        &engine,
        store.clone(),
        waker,
        liveness.clone(),
        (stopped, certificate.clone()),
    )?;
    let watch = tokio::spawn(watch_certificates(config.clone(), certificate));
    output.line("Hybridge is running. Ctrl-C stops it; `hybridge status` tells how the mailboxes fare.");
    liveness.ready();

    let mut running = std::pin::pin!(runner.run());
    let outcome = tokio::select! {
        biased;
        outcome = &mut running => outcome,
        () = interrupted() => {
            Output::say("Stopping: what is under way is brought to an end (once more Ctrl-C stops at once).");
            liveness.not_ready("stopping");
            stop.stop();
            tokio::select! {
                biased;
                outcome = &mut running => outcome,
                () = interrupted() => Ok(()),
                () = tokio::time::sleep(Duration::from_secs(30)) => Ok(()),
            }
        }
    };
    watch.abort();
    stopping.send_replace(true);
    if let Some(console) = console {
        // The console ends by itself now; a connection that lingers must not keep the program.
        let _ended = tokio::time::timeout(Duration::from_secs(2), console).await;
    }
    // After a second Ctrl-C a lane may still hold the database; the next start reads the log then.
    let _closed = tokio::time::timeout(Duration::from_secs(2), store.close()).await;
    outcome?;
    output.line("Stopped.");
    output.json(&json!({ "stopped": true }));
    Ok(Exit::Done)
}

/// The days that are left to each certificate.
type Days = Family<Vec<(String, String)>, Gauge>;

/// Looks after the certificates, at the start and every hour.
async fn watch_certificates(config: Config, days_left: Days) {
    loop {
        match super::rotate::look_after(&config).await {
            Ok(certificates) => {
                for (name, left) in certificates {
                    days_left.get_or_create(&vec![("certificate".to_owned(), name)]).set(left);
                }
            }
            Err(failure) => {
                tracing::warn!(trouble = %failure.message, "the certificate could not be looked after");
            }
        }
        tokio::time::sleep(Duration::from_hours(1)).await;
    }
}

type ConsoleTask = tokio::task::JoinHandle<()>;

fn start_console(
    config: &Config,
    engine: &Engine,
    store: Arc<dyn Store>,
    waker: Waker,
    liveness: Arc<Liveness>,
    (mut stopped, certificate): (watch::Receiver<bool>, Days),
) -> Result<Option<ConsoleTask>> {
    let Some(address) = config.console.listen else { return Ok(None) };
    // Bound here already, so that an address in use is an error at the start.
    let listener = std::net::TcpListener::bind(address).map_err(|error| {
        Failure::new(Exit::Configuration, format!("the console can't listen on {address}: {error}"))
            .help("Is another instance running? Otherwise choose another port for [console] listen.")
    })?;
    let mut registry = Registry::with_prefix("hybridge");
    engine.metrics().register(&mut registry);
    registry.register("certificate_days_left", "Whole days until a certificate ends", certificate);
    let console = Console::new(store, Arc::new(WakesLanes(waker)), liveness, registry);
    Ok(Some(tokio::spawn(async move {
        let stop = async move {
            let _closed = stopped.wait_for(|stopped| *stopped).await;
        };
        if let Err(error) = console.serve(listener, stop).await {
            tracing::error!(%error, "the console stopped; mailboxes are still read by the timer");
        }
    })))
}

/// Leads the console's notifications to the engine's lanes.
#[derive(Debug)]
pub(crate) struct WakesLanes(pub(crate) Waker);

impl Wakes for WakesLanes {
    fn wake(&self, lane: LaneId, signal: Signal) {
        let wake = match signal {
            Signal::Changed => Wake::Changed(lane),
            Signal::SubscriptionRemoved => Wake::SubscriptionRemoved(lane),
            Signal::SubscriptionEnding => Wake::SubscriptionEnding(lane),
        };
        if !self.0.wake(wake) {
            // The timer's run brings what this would have hurried.
            tracing::warn!("more wake-ups than can be kept; one is passed over");
        }
    }
}

/// Resolves at Ctrl-C or SIGTERM.
pub(super) async fn interrupted() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                biased;
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _unsupported = tokio::signal::ctrl_c().await;
}
