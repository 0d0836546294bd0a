//! The program: commands, configuration and wiring. What it does is decided in the crates below.

mod cli;
mod commands;
mod config;
mod error;
mod exit;
mod output;
mod progress;
mod trust;
mod wiring;

use std::{io::IsTerminal, process::ExitCode};

use clap::Parser;
use cli::{BenchCommand, Cli, Command};
use exit::Exit;
use output::Output;
use tracing_subscriber::{
    EnvFilter, filter::filter_fn, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

fn main() -> ExitCode {
    let cli = Cli::parse();
    start_log(cli.verbose, matches!(cli.command, Command::Simulate(_)));
    wrap_failures_for(std::io::stderr().is_terminal());
    let output = Output { json: cli.json };
    match run(cli, output) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            let exit = failure.exit;
            output.json(&failure.json());
            Output::say(format!("{:?}", miette::Report::new(failure)));
            exit.into()
        }
    }
}

fn run(cli: Cli, output: Output) -> error::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        error::Failure::new(Exit::Unexpected, format!("the program can't start: {error}"))
    })?;
    let config = &cli.config;
    match cli.command {
        Command::Init(args) => commands::init::init(config, &args, output),
        Command::Check => runtime.block_on(commands::check::check(config, output)),
        Command::Run => runtime.block_on(commands::run::run(config, output)),
        Command::Sync(args) => runtime.block_on(commands::sync::sync(config, &args, output)),
        Command::Explain { what } => runtime.block_on(commands::explain::explain(config, &what, output)),
        Command::Connect(args) => runtime.block_on(commands::connect::connect(config, &args, output)),
        Command::Status { all } => runtime.block_on(commands::status::status(config, all, output)),
        Command::Options { all } => runtime.block_on(commands::options::options(config, all, output)),
        Command::Rules { command } => runtime.block_on(commands::rules::rules(config, &command, output)),
        Command::Certificate { command } => {
            runtime.block_on(commands::certificate::certificate(config, &command, output))
        }
        Command::Sandbox(args) => runtime.block_on(commands::sandbox::sandbox(*args, output)),
        Command::Demo(args) => runtime.block_on(commands::demo::demo(&args, output)),
        Command::Simulate(args) => commands::simulate::simulate(&args, output),
        Command::Bench { what: BenchCommand::Incoming { messages, mailboxes, idle } } => {
            runtime.block_on(commands::bench::incoming(messages, mailboxes, idle, output))
        }
        Command::Completions { shell } => Ok(commands::completions::completions(shell)),
    }
}

/// Failures are wrapped for people at a terminal only: in a log file a line is a line, whatever is looked for in it.
fn wrap_failures_for(terminal: bool) {
    let hook = miette::set_hook(Box::new(move |_| {
        Box::new(miette::MietteHandlerOpts::new().wrap_lines(terminal).break_words(false).build())
    }));
    debug_assert!(hook.is_ok(), "the hook is set once, at the start");
}

/// The log goes to standard error; `HYBRIDGE_LOG` takes a filter (`hybridge_engine=debug`).
fn start_log(verbose: u8, simulated: bool) {
    let level = match verbose {
        // Troubles are what a simulation is made of.
        0 if simulated => "off",
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let fallback = EnvFilter::new(format!(
        "error,hybridge={level},{}",
        CRATES.map(|name| format!("{name}={level}")).join(",")
    ));
    let filter = EnvFilter::try_from_env("HYBRIDGE_LOG").unwrap_or(fallback);
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour)
        .with_target(false)
        .finish()
        // sspi traces the messages of a sign-in, from which a password can be guessed.
        .with(filter_fn(|told| !told.target().starts_with("sspi")))
        .init();
}

const CRATES: [&str; 8] = [
    "hybridge_net",
    "hybridge_identity",
    "hybridge_odata",
    "hybridge_graph",
    "hybridge_dynamics",
    "hybridge_store",
    "hybridge_engine",
    "hybridge_console",
];
