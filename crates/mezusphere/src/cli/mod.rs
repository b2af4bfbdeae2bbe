//! The command line.
//!
//! `up` starts an instance; the other commands ask a running one: over the socket in its data directory, or over its API
//! elsewhere once `login` has said where. People get tables and sentences, programs get `--json`. What a command produces
//! goes to standard output, all else to standard error.
//!
//! Exit codes: 0 done; 1 refused, failed, or (`diff`) different; 2 wrong usage; 3 no running instance was reached.

mod account;
mod api_url;
mod approve;
mod args;
mod client;
mod config;
mod credential;
mod draft;
mod duration;
mod examples;
mod hostname;
mod input;
mod key;
mod login;
mod notify;
mod out;
mod people;
mod publish;
mod route;
mod route_spec;
mod stages;
mod status;
mod store;
mod table;
mod trace;
mod up;
mod way;
mod workload;

use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _};

pub use args::Cli;
use args::Command;
use out::Failure;

/// Parses the arguments and does what they say.
#[must_use]
pub fn main() -> ExitCode {
    // Only wrong usage ends here, with its own exit code.
    let cli = Cli::from_arg_matches(&command().get_matches()).unwrap_or_else(|error| error.exit());
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            out::say_failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

/// All commands with their help.
fn command() -> clap::Command {
    examples::put(Cli::command())
}

fn run(cli: Cli) -> Result<(), Failure> {
    match cli.command {
        Command::Up(args) => up::run(args),
        Command::Login(args) => client::block_on(login::login(args)),
        Command::Logout(args) => client::block_on(login::logout(args)),
        Command::Whoami { client } => client::block_on(login::whoami(client)),
        Command::Account(args) => client::block_on(account::run(args)),
        Command::Try(args) => client::block_on(trace::try_one(args)),
        Command::Why(args) => client::block_on(trace::why(args)),
        Command::Requests(args) => client::block_on(trace::requests(args)),
        Command::Diff(args) => client::block_on(config::diff(args)),
        Command::Approve(args) => client::block_on(approve::run(*args)),
        Command::Key(args) => client::block_on(key::run(args)),
        Command::Route(args) => client::block_on(route::run(args)),
        Command::Workload(args) => client::block_on(workload::run(args)),
        Command::Hostname(args) => client::block_on(hostname::run(args)),
        Command::Publish(args) => client::block_on(publish::run(args)),
        Command::Undo { publish, client } => client::block_on(publish::undo(publish, client)),
        Command::Draft(args) => client::block_on(draft::run(args)),
        Command::Org(args) => client::block_on(people::org(args)),
        Command::Member(args) => client::block_on(people::member(args)),
        Command::Audit(args) => client::block_on(people::audit(args)),
        Command::Export { client } => client::block_on(config::export(client)),
        Command::Apply(args) => client::block_on(config::apply(args)),
        Command::Backup(args) => client::block_on(store::backup(args)),
        Command::Restore(args) => client::block_on(store::restore(args)),
        Command::Status(args) => client::block_on(status::run(args)),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut command(), "mezusphere", &mut std::io::stdout());
            Ok(())
        }
        Command::Man { directory } => man(&directory),
    }
}

/// Writes a man page for each command.
fn man(directory: &std::path::Path) -> Result<(), Failure> {
    std::fs::create_dir_all(directory)?;
    clap_mangen::generate_to(command(), directory)?;
    out::line(format_args!("The man pages are in {}.", directory.display()))
}

#[cfg(test)]
mod tests;
