//! The checks on the house itself, and the benchmarks. `cargo run -p xtask -- <command>`.
//!
//! Must never become a place for product code: nothing in the product depends on it.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool for developers")]

mod arch;
mod bench;
mod capabilities;
mod docs;
mod instructions;
mod openapi;
mod size;
mod tree;

use std::process::ExitCode;

const USAGE: &str = "usage: xtask <command>
  arch    imports point downwards only, and the pure crates are pure
  size    no source file over 600 lines
  docs    links in the docs lead somewhere, every error code has its page
  capabilities   every capability in ORDER has its module, page, whole-system test and line in the changelog
  check   all of the above
  openapi   writes openapi/v1.json from the code
  instructions   what the hot path costs, by callgrind, against its budgets
  bench [--rounds N] [--seconds N] [--idle N] [--chains a,b] [--scenarios a,b] [--page FILE]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (command, rest) = arguments.split_first().map_or(("", &[][..]), |(first, rest)| (first.as_str(), rest));
    let outcome = match command {
        "arch" => arch::check(),
        "size" => size::check(),
        "docs" => docs::check(),
        "capabilities" => capabilities::check(),
        "check" => check(),
        "openapi" => openapi::write(),
        "instructions" => instructions::check(),
        "bench" => bench::run(rest),
        "bench-workload" => port(rest).and_then(bench::serve),
        _ => Err(anyhow::anyhow!("{USAGE}")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// All of them even when one fails: what is wrong is shown in one run.
fn check() -> anyhow::Result<()> {
    let outcomes = [arch::check(), size::check(), docs::check(), capabilities::check()];
    let failed: Vec<String> = outcomes.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")).collect();
    anyhow::ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}

fn port(arguments: &[String]) -> anyhow::Result<u16> {
    Ok(arguments.first().map_or("0", String::as_str).parse()?)
}

/// Fails with all findings at once, so that one run shows everything there is to mend.
fn report(what: &str, findings: &[String]) -> anyhow::Result<()> {
    if findings.is_empty() {
        println!("xtask {what}: fine");
        return Ok(());
    }
    anyhow::bail!("xtask {what}: {} finding(s)\n  {}", findings.len(), findings.join("\n  "))
}
