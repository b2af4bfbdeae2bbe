//! Honest clients: at a fixed rate, latency counted from when a request was due, every request with an id of its own.

use anyhow::{Context as _, Result};
use mezu_testkit::{Client, Protocol, Request, Target};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What honest clients do.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) target: Target,
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    /// Half of them speak h1, half h2.
    pub(crate) connections: usize,
    /// Requests per second of all together; none: as fast as it goes.
    pub(crate) rate: Option<f64>,
    /// What the ids begin with.
    pub(crate) prefix: &'static str,
}

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) sent: u64,
    /// Ids that were answered 200.
    pub(crate) good: u64,
    /// How often each kind of failure happened.
    pub(crate) failures: BTreeMap<String, u64>,
    /// Microseconds.
    latencies: Vec<u64>,
}

impl Tally {
    pub(crate) fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Milliseconds that this share of all requests stayed below.
    pub(crate) fn quantile(&mut self, share: f64) -> f64 {
        self.latencies.sort_unstable();
        let at = (share * self.latencies.len().saturating_sub(1) as f64) as usize;
        self.latencies.get(at).map_or(0.0, |micros| *micros as f64 / 1000.0)
    }

    pub(crate) fn shown(&mut self) -> String {
        let (p50, p99) = (self.quantile(0.5), self.quantile(0.99));
        format!("{} sent, {} failed {:?}, p50 {p50:.1} ms, p99 {p99:.1} ms", self.sent, self.failed(), self.failures)
    }

    fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.good += other.good;
        self.latencies.extend(other.latencies);
        for (kind, count) in other.failures {
            *self.failures.entry(kind).or_default() += count;
        }
    }
}

/// Running clients.
pub(crate) struct Load {
    lanes: JoinSet<Tally>,
    stop: Arc<AtomicBool>,
}

impl Load {
    pub(crate) fn start(plan: &Plan) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut lanes = JoinSet::new();
        let start = Instant::now();
        for lane in 0..plan.connections {
            lanes.spawn(run_lane(plan.clone(), lane, start, stop.clone()));
        }
        Self { lanes, stop }
    }

    pub(crate) async fn finish(mut self) -> Result<Tally> {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Tally::default();
        while let Some(tally) = self.lanes.join_next().await {
            all.add(tally.context("a client's task")?);
        }
        Ok(all)
    }
}

/// Runs a plan for so long.
pub(crate) async fn run_for(plan: &Plan, time: Duration) -> Result<Tally> {
    let load = Load::start(plan);
    tokio::time::sleep(time).await;
    load.finish().await
}

/// Requests per second that the chain serves when it is asked for all it has.
pub(crate) async fn saturation(target: &Target, path: &'static str) -> Result<f64> {
    let plan = Plan { target: target.clone(), method: "GET", path, connections: 32, rate: None, prefix: "saturate" };
    let time = Duration::from_secs(3);
    let tally = run_for(&plan, time).await?;
    Ok(tally.good as f64 / time.as_secs_f64())
}

async fn run_lane(plan: Plan, lane: usize, start: Instant, stop: Arc<AtomicBool>) -> Tally {
    let mut tally = Tally::default();
    let mut client = None;
    let pause = plan.rate.map(|rate| Duration::from_secs_f64(plan.connections as f64 / rate));
    let first = pause.map_or(start, |pause| start + pause.mul_f64(lane as f64 / plan.connections as f64));
    for number in 0_u32.. {
        let due = pause.map_or_else(Instant::now, |pause| first + pause * number);
        tokio::time::sleep_until(due).await;
        if stop.load(Ordering::SeqCst) {
            break;
        }
        tally.sent += 1;
        match one(&plan, lane, number, &mut client).await {
            Ok(()) => {
                tally.good += 1;
                tally.latencies.push(due.elapsed().as_micros() as u64);
            }
            Err(error) => {
                // A connection that carried an answer, if not the wanted one, is still good.
                if error.downcast_ref::<Unwanted>().is_none() {
                    client = None;
                }
                let kind: String = format!("{error:#}").chars().take(160).collect();
                *tally.failures.entry(kind).or_default() += 1;
            }
        }
    }
    tally
}

async fn one(plan: &Plan, lane: usize, number: u32, client: &mut Option<Client>) -> Result<()> {
    let protocol = if lane.is_multiple_of(2) { Protocol::H1 } else { Protocol::H2 };
    // An h2 connection ends by GOAWAY after some thousands of streams, politely: a client opens another.
    if client.is_none() || protocol == Protocol::H2 && number.is_multiple_of(2000) {
        *client = Some(plan.target.client(protocol).await.context("connecting")?);
    }
    let client = client.as_mut().context("no client")?;
    let id = format!("{}-{lane}-{number}", plan.prefix);
    let request =
        if plan.method == "POST" { Request::post(plan.path, "body") } else { Request::new(plan.method, plan.path) };
    let answer = tokio::time::timeout(Duration::from_secs(5), client.send(request.header("x-id", &id)));
    let answer = answer.await.context("no answer in 5 s")??;
    if answer.status != 200 {
        return Err(Unwanted(answer.status).into());
    }
    Ok(())
}

/// An answer, but not a 200.
#[derive(Debug)]
struct Unwanted(u16);

impl std::fmt::Display for Unwanted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "status {}", self.0)
    }
}

impl std::error::Error for Unwanted {}
