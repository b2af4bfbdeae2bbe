//! From samples to medians, and to the page that is committed.

use super::load::{Sample, Scenario};
use super::{Facts, Row};
use std::fmt::Write as _;
use std::time::Duration;

/// What the others are compared with.
const BASE: &str = "nginx";

/// One sample on one line, for whoever watches.
pub(crate) fn line(scenario: Scenario, chain: &str, sample: &Sample) -> String {
    let (cpu, rate) = figures(scenario, sample.cpu, sample.rate);
    let latency =
        sample.p50.zip(sample.p99).map_or(String::new(), |(p50, p99)| format!("  p50 {p50:.2} ms  p99 {p99:.2} ms"));
    let failed = if sample.failed > 0 { format!("  {} FAILED", sample.failed) } else { String::new() };
    format!("{:<11} {chain:<23} {cpu:>8}  {rate:>9}{latency}{failed}", scenario.name())
}

fn figures(scenario: Scenario, cpu: f64, rate: f64) -> (String, String) {
    if scenario.is_bulk() {
        (format!("{cpu:.2} s/GiB"), format!("{rate:.2} GiB/s"))
    } else {
        (format!("{:.1} µs", cpu * 1e6), format!("{rate:.0}/s"))
    }
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// One table per scenario, then the facts.
pub(crate) fn tables(rows: &[Row], facts: &Facts) -> String {
    let mut text = String::new();
    for scenario in Scenario::ALL {
        let rows: Vec<&Row> = rows.iter().filter(|row| row.scenario == scenario && !row.samples.is_empty()).collect();
        if !rows.is_empty() {
            text.push_str(&table(scenario, &rows));
        }
    }
    if !facts.is_empty() {
        text.push_str("### Memory and size\n\n| What | Figure |\n|---|---|\n");
        for (what, figure) in facts {
            let _ = writeln!(text, "| {what} | {figure} |");
        }
    }
    text
}

fn table(scenario: Scenario, rows: &[&Row]) -> String {
    let base = rows.iter().find(|row| row.chain == BASE).and_then(|row| cpu(row));
    let unit = if scenario.is_bulk() { "CPU per GiB" } else { "CPU per request" };
    let mut text = format!(
        "### {}\n\n| Chain | {unit} | × nginx | Rate | p50 | p99 | Failed |\n|---|---|---|---|---|---|---|\n",
        scenario.title()
    );
    for row in rows {
        let Some(cpu) = cpu(row) else { continue };
        let rate = median(row.samples.iter().map(|sample| sample.rate)).unwrap_or_default();
        let (cpu_text, rate_text) = figures(scenario, cpu, rate);
        let ratio = base.map_or("–".into(), |base| format!("{:.2}", cpu / base));
        let latency = |pick: fn(&Sample) -> Option<f64>| {
            median(row.samples.iter().filter_map(pick)).map_or("–".into(), |millis| format!("{millis:.2} ms"))
        };
        let failed: u64 = row.samples.iter().map(|sample| sample.failed).sum();
        let (p50, p99) = (latency(|sample| sample.p50), latency(|sample| sample.p99));
        let _ = writeln!(text, "| {} | {cpu_text} | {ratio} | {rate_text} | {p50} | {p99} | {failed} |", row.chain);
    }
    text.push('\n');
    text
}

fn cpu(row: &Row) -> Option<f64> {
    median(row.samples.iter().map(|sample| sample.cpu))
}

/// The whole page with its method, as it is committed.
pub(crate) fn page(rows: &[Row], facts: &Facts, rounds: usize, seconds: u64) -> String {
    let machine = machine();
    let tables = tables(rows, facts);
    format!(
        "# Benchmarks

Written by `make bench` (`crates/xtask/src/bench.rs`), which repeats it on any machine. {machine}

## Method

All chains run at once on one machine, all traffic on loopback, and are measured one after the other, round by round:
{rounds} rounds, each figure the median. A round's run takes {seconds} s ({} s at the fixed rate); bulk is one GiB.

- *CPU* is user and system time of all processes of a chain, client and workload left out, read from `/proc/PID/stat`
  before and after, divided by the requests (or GiB) that succeeded. Setting up the 64 connections is in it.
- Load: `h2load` with one thread (latency of each request from its own log); `curl` for bulk; for handshakes and idle
  connections an own rustls client that never resumes and comes from many loopback addresses.
- The workload is the same single-threaded server for all, plain HTTP/1.1 with keep-alive.
- nginx: a worker per core, keep-alive to the next hop, access log off, bodies streamed, P-256 certificate, as all chains.
  rathole: TLS transport. ssh: default ciphers.
- Variants of our chain: with one tunnel instead of one per worker of the edge, so that some requests hop from one
  worker to the other; and with five stages on the route (CORS, address rules, body limit, rate limit, header fields).
- Ratios are to nginx as a single TLS-terminating hop, which has no tunnel at all.

Why it is done so: [ADR 5](adr/0005-how-performance-is-claimed.md).

## Results

{tables}",
        seconds * 2
    )
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or("unknown", |(_, name)| name.trim());
    let said = |command: &str| {
        super::processes::run(&super::chains::words(command), Duration::from_secs(5)).unwrap_or_default()
    };
    let (kernel, date) = (said("uname -sr"), said("date -u +%F"));
    format!("Last run {}: {cores} cores of {model}, {}.", date.trim(), kernel.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([].into_iter()), None);
    }
}
