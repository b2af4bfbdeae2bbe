//! `make soak`: the experiments on loss, memory and hostility, with their figures. `soak short` is what CI runs.
//!
//! `docs/soak.md` says what each experiment does and how to read the figures.
//!
//! Everything runs on loopback against programs started here, bounded in count and time, and ends with this program.
#![allow(
    clippy::disallowed_methods,
    clippy::large_futures,
    clippy::print_stdout,
    reason = "a tool for developers, made of test tasks that end with it"
)]

mod choice;
mod hostile;
mod load;
mod loss;
mod report;
mod slow;

use anyhow::Result;
use choice::Choice;
use report::Report;
use std::process::ExitCode;

/// How much of everything.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) restarts: usize,
    pub(crate) kills: usize,
    pub(crate) slow_connections: usize,
    pub(crate) slow_seconds: u64,
    pub(crate) hostile_seconds: u64,
    /// Edge and gate together under slow connections, MiB.
    pub(crate) slow_mib: u64,
    /// By how much one hostile peer may make the edge's memory grow, MiB.
    pub(crate) growth_mib: u64,
    /// What it may cost, percent of a core.
    pub(crate) cpu_percent: u64,
    /// By how much it may slow the honest down, and below how many milliseconds that does not matter.
    pub(crate) slowdown: u64,
    pub(crate) unnoticed_ms: u64,
}

const FULL: Size = Size {
    restarts: 20,
    kills: 50,
    slow_connections: 10_000,
    slow_seconds: 45,
    hostile_seconds: 10,
    slow_mib: 256,
    growth_mib: 4,
    cpu_percent: 10,
    slowdown: 2,
    unnoticed_ms: 2,
};
/// For machines that are shared and slow: bounds that only a real fault passes.
const SHORT: Size = Size {
    restarts: 3,
    kills: 6,
    slow_connections: 400,
    slow_seconds: 6,
    hostile_seconds: 2,
    slow_mib: 192,
    growth_mib: 16,
    cpu_percent: 80,
    slowdown: 10,
    unnoticed_ms: 500,
};

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("soak: {error:#}\n0 passed, 1 failed");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool> {
    let choice = Choice::parse(&std::env::args().skip(1).collect::<Vec<String>>())?;
    let size = if choice.short { SHORT } else { FULL };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut report = Report::default();
    runtime.block_on(async {
        if choice.wants("restarts") {
            loss::restarts(&mut report, size).await;
        }
        if choice.wants("kills") {
            loss::kills(&mut report, size).await;
        }
        if choice.wants("slow") {
            slow::run(&mut report, size).await;
        }
        hostile::run(&mut report, size, &choice.hostile_kinds()).await;
    });
    if !choice.short && choice.is_all() {
        report.write()?;
    }
    Ok(report.close())
}
