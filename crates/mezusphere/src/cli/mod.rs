//! The command line.
//!
//! `up` starts an instance; the other commands ask a running one over the socket in its data directory. People get
//! tables and sentences, programs get `--json`. What a command produces goes to standard output, all else to standard
//! error.
//!
//! Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no running instance was reached.

mod args;
mod client;
mod duration;
mod key;
mod notify;
mod out;
mod route;
mod stages;
mod status;
mod table;
mod up;
mod workload;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

pub use args::Cli;
use args::Command;
use out::Failure;

/// Parses the arguments and does what they say.
#[must_use]
pub fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            out::say_failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Up(args) => up::run(args),
        Command::Key(args) => client::block_on(key::run(args)),
        Command::Route(args) => client::block_on(route::run(args)),
        Command::Workload(args) => client::block_on(workload::run(args)),
        Command::Status(args) => client::block_on(status::run(args)),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "mezusphere", &mut std::io::stdout());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
