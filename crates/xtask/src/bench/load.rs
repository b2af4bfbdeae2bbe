//! What is done to each chain, by the same public load generators for all, and what one such run yields.

use super::chains::Chain;
use super::processes::{self, cpu_seconds, run};
use super::tls_client::Client;
use anyhow::{Context as _, Result};
use std::path::Path;
use std::time::{Duration, Instant};

/// One thing to do to a chain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// 1 KiB answers, HTTP/1.1, 64 connections, as fast as it goes.
    H1,
    /// The same over HTTP/2, one stream at a time on each connection.
    H2,
    /// HTTP/2, 8 connections with 8 streams each.
    H2Streams,
    /// 2,000 requests a second, HTTP/1.1, 64 connections.
    Fixed,
    /// A download of one GiB.
    Download,
    /// An upload of one GiB.
    Upload,
    /// A full handshake and one request for each connection.
    Handshake,
}

impl Scenario {
    pub(crate) const ALL: [Self; 7] =
        [Self::H1, Self::H2, Self::H2Streams, Self::Fixed, Self::Download, Self::Upload, Self::Handshake];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::H1 => "h1",
            Self::H2 => "h2",
            Self::H2Streams => "h2-streams",
            Self::Fixed => "fixed-2000",
            Self::Download => "download",
            Self::Upload => "upload",
            Self::Handshake => "handshake",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::H1 => "1 KiB answers, HTTP/1.1, 64 connections",
            Self::H2 => "1 KiB answers, HTTP/2, 64 connections",
            Self::H2Streams => "1 KiB answers, HTTP/2, 8 connections × 8 streams",
            Self::Fixed => "1 KiB answers, HTTP/1.1, fixed 2,000 requests/s",
            Self::Download => "Download of 1 GiB, HTTP/1.1",
            Self::Upload => "Upload of 1 GiB, HTTP/1.1",
            Self::Handshake => "Full TLS 1.3 handshake (X25519) and one request",
        }
    }

    /// Whether its unit is a GiB; else a request.
    pub(crate) fn is_bulk(self) -> bool {
        matches!(self, Self::Download | Self::Upload)
    }
}

/// What one run of a scenario yields.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// CPU seconds of the chain per request, or per GiB.
    pub(crate) cpu: f64,
    /// Requests, or GiB, per second.
    pub(crate) rate: f64,
    /// Milliseconds, where the scenario measures latency.
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
    pub(crate) failed: u64,
}

pub(crate) fn measure(scenario: Scenario, chain: &Chain, seconds: u64, folder: &Path) -> Result<Sample> {
    match scenario {
        Scenario::H1 => h2load(chain, &["--h1", "-c", "64"], seconds, folder),
        Scenario::H2 => h2load(chain, &["-c", "64", "-m", "1"], seconds, folder),
        Scenario::H2Streams => h2load(chain, &["-c", "8", "-m", "8"], seconds, folder),
        Scenario::Fixed => h2load(chain, &["--h1", "-c", "64", "--rps", "31.25"], seconds * 2, folder),
        Scenario::Download => download(chain),
        Scenario::Upload => upload(chain, folder),
        Scenario::Handshake => handshakes(chain, seconds),
    }
}

fn h2load(chain: &Chain, options: &[&str], seconds: u64, folder: &Path) -> Result<Sample> {
    let log = folder.join("h2load.log");
    let mut command: Vec<String> = ["h2load", "-t", "1", "-D", &seconds.to_string()].map(String::from).to_vec();
    command.extend(options.iter().map(|option| (*option).to_owned()));
    command.extend(["--log-file".into(), log.display().to_string()]);
    command.extend(["--connect-to".into(), format!("127.0.0.1:{}", chain.port), chain.url("/")]);
    let _ = std::fs::remove_file(&log);
    let before = cpu_seconds(&chain.roots);
    let said = run(&command, Duration::from_secs(seconds + 20))?;
    let used = cpu_seconds(&chain.roots) - before;
    let mut latencies = latencies(&log)?;
    let done = latencies.len() as f64;
    anyhow::ensure!(done > 0.0, "no request succeeded through {}:\n{said}", chain.name);
    latencies.sort_unstable();
    let at = |share: f64| latencies.get((share * (done - 1.0)) as usize).map(|micros| *micros as f64 / 1000.0);
    Ok(Sample { cpu: used / done, rate: done / seconds as f64, p50: at(0.50), p99: at(0.99), failed: failures(&said) })
}

/// Microseconds of every request that was answered 200, from h2load's own log.
fn latencies(log: &Path) -> Result<Vec<u64>> {
    let text = std::fs::read_to_string(log).context("h2load wrote no log")?;
    let rows = text.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let good = rows.filter(|row| row.get(1) == Some(&"200"));
    Ok(good.filter_map(|row| row.get(2)?.parse().ok()).collect())
}

/// The sum of failed, errored and timed out in h2load's line `requests: …`.
fn failures(said: &str) -> u64 {
    let line = said.lines().find(|line| line.starts_with("requests:")).unwrap_or_default();
    let parts = line.split(',').map(str::trim);
    parts
        .filter(|part| part.ends_with("failed") || part.ends_with("timeout"))
        .filter_map(|part| part.split(' ').next()?.parse::<u64>().ok())
        .sum()
}

const GIB: u64 = 1 << 30;

fn download(chain: &Chain) -> Result<Sample> {
    bulk(chain, &["-o".into(), "/dev/null".into(), chain.url(&format!("/bytes/{GIB}"))])
}

fn upload(chain: &Chain, folder: &Path) -> Result<Sample> {
    let file = folder.join("gib");
    if !file.exists() {
        std::fs::File::create(&file)?.set_len(GIB)?;
    }
    bulk(
        chain,
        &[
            "-o".into(),
            "/dev/null".into(),
            "-H".into(),
            "Expect:".into(),
            "-T".into(),
            file.display().to_string(),
            chain.url("/upload"),
        ],
    )
}

fn bulk(chain: &Chain, options: &[String]) -> Result<Sample> {
    let mut command: Vec<String> = ["curl", "-sSf", "--http1.1", "--cacert"].map(String::from).to_vec();
    command.push(chain.ca.display().to_string());
    command.extend(["--resolve".into(), format!("{}:{}:127.0.0.1", chain.host, chain.port)]);
    command.extend_from_slice(options);
    let before = cpu_seconds(&chain.roots);
    let start = Instant::now();
    run(&command, Duration::from_secs(60))?;
    let took = start.elapsed().as_secs_f64();
    let used = cpu_seconds(&chain.roots) - before;
    Ok(Sample { cpu: used, rate: 1.0 / took, p50: None, p99: None, failed: 0 })
}

/// Handshakes per second: below what an edge grants by default, and the same for all.
const HANDSHAKES: f64 = 200.0;
const LANES: usize = 4;

fn handshakes(chain: &Chain, seconds: u64) -> Result<Sample> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let before = cpu_seconds(&chain.roots);
    let start = Instant::now();
    let deadline = start + Duration::from_secs(seconds);
    let mut micros = runtime.block_on(async {
        let lanes = (0..LANES).map(|lane| lane_of_handshakes(chain, lane, deadline));
        let mut all = Vec::new();
        for lane in join(lanes).await {
            all.extend(lane?);
        }
        anyhow::Ok(all)
    })?;
    let done = micros.len() as f64;
    let used = cpu_seconds(&chain.roots) - before;
    micros.sort_unstable();
    let at = |share: f64| micros.get((share * (done - 1.0)) as usize).map(|micros| *micros as f64 / 1000.0);
    Ok(Sample { cpu: used / done, rate: done / start.elapsed().as_secs_f64(), p50: at(0.50), p99: at(0.99), failed: 0 })
}

async fn lane_of_handshakes(chain: &Chain, lane: usize, deadline: Instant) -> Result<Vec<u64>> {
    let mut client = Client::new(&chain.ca, &chain.host, chain.port, false)?;
    client.start_at(lane * 25);
    let mut micros = Vec::new();
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(LANES as f64 / HANDSHAKES));
    while Instant::now() < deadline {
        ticks.tick().await;
        let start = Instant::now();
        let mut stream = client.connect().await?;
        client.request(&mut stream, true).await?;
        micros.push(u64::try_from(start.elapsed().as_micros())?);
    }
    Ok(micros)
}

async fn join<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut pending: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, done) in pending.iter_mut().filter(|(_, done)| done.is_none()) {
            if let std::task::Poll::Ready(value) = future.as_mut().poll(context) {
                *done = Some(value);
            }
        }
        if pending.iter().all(|(_, done)| done.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    pending.into_iter().filter_map(|(_, done)| done).collect()
}

/// KiB that each of `count` idle TLS connections, each used once, costs the chain.
pub(crate) fn idle_connections(chain: &Chain, count: usize) -> Result<f64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut client = Client::new(&chain.ca, &chain.host, chain.port, false)?;
        let mut held = Vec::with_capacity(count);
        let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / HANDSHAKES));
        for _ in 0..200 {
            ticks.tick().await;
            let mut stream = client.connect().await?;
            client.request(&mut stream, true).await?;
        }
        processes::pause(Duration::from_millis(500));
        let before = processes::resident_kib(&chain.roots);
        for _ in 0..count {
            ticks.tick().await;
            let mut stream = client.connect().await?;
            client.request(&mut stream, false).await?;
            held.push(stream);
        }
        processes::pause(Duration::from_secs(1));
        let after = processes::resident_kib(&chain.roots);
        Ok((after as f64 - before as f64) / count as f64)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_added_up() {
        let said = "requests: 10 total, 10 started, 10 done, 7 succeeded, 2 failed, 2 errored, 1 timeout\n";
        assert_eq!(failures(said), 3);
    }
}
