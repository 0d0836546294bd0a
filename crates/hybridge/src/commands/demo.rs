//! `hybridge demo`: the main job at work on a made-up company.

mod seen;
mod summary;

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use hybridge_console::{Console, Liveness};
use hybridge_engine::Runner;
use hybridge_sandbox::{Sandbox, company::Company};
use hybridge_store::Store;
use prometheus_client::registry::Registry;

use self::{seen::Seen, summary::Summary};
use crate::{
    cli::DemoArgs,
    commands::{run::WakesLanes, sandbox},
    config::{self, Config},
    error::{Failure, Result},
    exit::Exit,
    output::{Output, span},
    progress::bar,
    wiring,
};

/// How long the demo waits for everything to settle before it tells what is still open.
const PATIENCE: Duration = Duration::from_secs(90);

/// Starts the sandbox, connects, syncs everything, then shows new mail arriving.
pub(crate) async fn demo(args: &DemoArgs, output: Output) -> Result<Exit> {
    let folder = std::env::temp_dir().join(format!("hybridge-demo-{}", std::process::id()));
    let result = play(args, &folder, output).await;
    let _left = std::fs::remove_dir_all(&folder);
    result
}

async fn play(args: &DemoArgs, folder: &Path, output: Output) -> Result<Exit> {
    output.line("Hybridge demo: a made-up company, an emulated tenant and an emulated Dynamics organization. Nothing leaves this machine.");
    output.line("");
    let world = sandbox::World {
        size: &args.size,
        connected: true,
        windows_address: None,
        servers: (2, 1),
        native: None,
    };
    let (served, mut company) = sandbox::open(folder, None, &world).await?;
    let config = configuration(folder)?;
    let store = wiring::open(&config).await?;
    let seen = Arc::new(Seen::default());
    let engine = Arc::new(wiring::engine(&config, store.clone(), seen.clone()).await?);
    let inbox: usize = served.sandbox.graph().census().len();
    output.line(format!(
        "  {} mailboxes, {inbox} messages in them; weather: {}",
        company.mailboxes().len(),
        args.size.faults
    ));
    output.line("  signing in to Entra ID with a certificate, to the organization through AD FS …");

    let (runner, waker, stop) = Runner::new(engine.clone());
    let listener = std::net::TcpListener::bind(listen_address(&config)?).map_err(|error| {
        Failure::new(Exit::Temporary, format!("the notification receiver can't listen: {error}"))
    })?;
    let mut registry = Registry::with_prefix("hybridge");
    engine.metrics().register(&mut registry);
    let console =
        Console::new(store.clone(), Arc::new(WakesLanes(waker)), Arc::new(Liveness::starting()), registry);
    let receiver = tokio::spawn(console.serve(listener, std::future::pending()));
    let running = tokio::spawn(runner.run());

    let progress = bar(inbox as u64, "messages", output);
    seen.show(progress.clone());
    let began = Instant::now();
    settle(&served.sandbox, store.as_ref(), &seen).await?;
    progress.finish_and_clear();
    let first_reading = began.elapsed().as_secs_f64();
    output.line(format!("  first reading: {} messages in {}", seen.concluded(), span(first_reading)));
    output.line("");
    output.line(format!("The company's people and customers write {} mails while you watch:", args.live));
    output.line("");
    seen.begin_live(served.sandbox.clock().now(), if output.json { None } else { Some(20) });
    write_mail(&mut company, &served.sandbox, args.live).await;
    settle(&served.sandbox, store.as_ref(), &seen).await?;

    let summary = Summary::of(store.as_ref(), &seen, &served.sandbox, first_reading).await?;
    for line in summary.lines() {
        output.line(line);
    }
    let complete = summary.is_complete();
    if args.once {
        output.json(&summary.json());
        output.line("Where to look next: `hybridge demo` without --once stays up, for `hybridge status` and `hybridge explain` to look into;");
        output.line("`hybridge sandbox` and `hybridge init --sandbox` are the same as two separate programs (README).");
    } else {
        output.line("");
        output.line("It stays up: more mail goes on arriving. Ctrl-C ends it. Where to look next, in another terminal:");
        let command = format!("hybridge --config {}", folder.join("hybridge.toml").display());
        output.line(format!("  {command} status"));
        if let Some(example) = &summary.example {
            output.line(format!("  {command} explain \"{example}\""));
        }
        let writing = async {
            loop {
                write_mail(&mut company, &served.sandbox, 1).await;
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        };
        tokio::select! {
            biased;
            _ = tokio::signal::ctrl_c() => {}
            () = writing => {}
        }
    }
    stop.stop();
    match tokio::time::timeout(Duration::from_secs(10), running).await {
        Ok(Ok(outcome)) => outcome?,
        Ok(Err(error)) => return Err(Failure::new(Exit::Unexpected, error.to_string())),
        Err(_) => {}
    }
    receiver.abort();
    served.stop().await;
    Ok(if complete { Exit::Done } else { Exit::WithTroubles })
}

fn configuration(folder: &Path) -> Result<Config> {
    let mut config = config::load(&folder.join("hybridge.toml"))?;
    // Any free port will do for the receiver of change notifications.
    let port = std::net::TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map_err(|error| Failure::new(Exit::Temporary, format!("there is no free port: {error}")))?;
    config.console.listen = Some(port);
    config.console.notification_url =
        format!("http://{port}{}", hybridge_console::NOTIFICATIONS_PATH).parse().ok();
    config.sync.poll_seconds = 5;
    Ok(config)
}

fn listen_address(config: &Config) -> Result<std::net::SocketAddr> {
    config
        .console
        .listen
        .ok_or_else(|| Failure::new(Exit::Unexpected, "the demo has no address to listen on"))
}

/// Waits until every message in an Inbox that can be read has come to a conclusion, or patience ends.
async fn settle(sandbox: &Sandbox, store: &dyn Store, seen: &Seen) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let denied = summary::denied(store, sandbox, seen).await?;
        if seen.concluded() >= summary::inbox(sandbox, &denied) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn write_mail(company: &mut Company, sandbox: &Sandbox, count: usize) {
    for _ in 0..count {
        company.write_one(sandbox);
        tokio::time::sleep(Duration::from_millis(120)).await;
    }
}
