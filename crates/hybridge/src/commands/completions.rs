//! `hybridge completions`: shell completions.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::{cli::Cli, exit::Exit};

/// Writes completions for a shell to standard output.
pub(crate) fn completions(shell: Shell) -> Exit {
    clap_complete::generate(shell, &mut Cli::command(), "hybridge", &mut std::io::stdout());
    Exit::Done
}
