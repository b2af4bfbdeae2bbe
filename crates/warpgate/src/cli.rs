//! Commands.

mod args;
mod diag;
mod file;
mod live;
mod log;
mod login;
mod run;
mod style;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use args::{Cli, Command};

/// Something to say and a status to end with.
pub(crate) type Outcome = Result<ExitCode, anyhow::Error>;

pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Command::Http(args) => run::http(&args),
        Command::Start(args) => run::start(&args),
        Command::Diag(args) => diag::run(&args),
        Command::Login(args) => login::run(&args),
        Command::Logout(args) => login::logout(&args),
        Command::Completions { shell } => completions(shell),
        Command::Version => version(),
    };
    outcome.unwrap_or_else(|error| {
        style::complain(&format!("{error:#}"));
        ExitCode::FAILURE
    })
}

#[allow(clippy::print_stdout, reason = "the command's result")]
fn version() -> Outcome {
    println!("warpgate {}", env!("CARGO_PKG_VERSION"));
    Ok(ExitCode::SUCCESS)
}

fn completions(shell: clap_complete::Shell) -> Outcome {
    clap_complete::generate(shell, &mut Cli::command(), "warpgate", &mut std::io::stdout());
    Ok(ExitCode::SUCCESS)
}
