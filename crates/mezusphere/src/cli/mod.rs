//! The command line.
//!
//! `up` starts an instance; the other commands ask a running one over the socket in its data directory. People get
//! tables and sentences, programs get `--json`. What a command produces goes to standard output, all else to standard
//! error.
//!
//! Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 no running instance was reached.

mod args;
mod client;
mod config;
mod duration;
mod hostname;
mod key;
mod notify;
mod out;
mod people;
mod publish;
mod route;
mod stages;
mod status;
mod store;
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
        Command::Hostname(args) => client::block_on(hostname::run(args)),
        Command::Publish(args) => client::block_on(publish::run(args)),
        Command::Undo { publish, client } => client::block_on(publish::undo(publish, client)),
        Command::Draft(args) => client::block_on(publish::draft(args)),
        Command::Org(args) => client::block_on(people::org(args)),
        Command::Member(args) => client::block_on(people::member(args)),
        Command::Audit(args) => client::block_on(people::audit(args)),
        Command::Export { client } => client::block_on(config::export(client)),
        Command::Apply(args) => client::block_on(config::apply(args)),
        Command::Backup(args) => client::block_on(store::backup(args)),
        Command::Restore(args) => client::block_on(store::restore(args)),
        Command::Status(args) => client::block_on(status::run(args)),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "mezusphere", &mut std::io::stdout());
            Ok(())
        }
        Command::Man { directory } => man(&directory),
    }
}

/// Writes a man page for each command.
fn man(directory: &std::path::Path) -> Result<(), Failure> {
    std::fs::create_dir_all(directory)?;
    clap_mangen::generate_to(Cli::command(), directory)?;
    out::line(format_args!("The man pages are in {}.", directory.display()))
}

#[cfg(test)]
mod tests;
