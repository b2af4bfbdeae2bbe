//! Ten thousand slow connections (R10): heads, bodies and answers a byte at a time, from 40 addresses; honest clients
//! keep their goodput and memory stays bounded.

use crate::Size;
use crate::load::{Plan, run_for};
use crate::report::Report;
use anyhow::Result;
use mezu_testkit::World;
use mezu_testkit::peers::{slow_body, slow_read, slowloris};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

const NAME: &str = "slow connections";
const SOURCES: usize = 40;
/// New connections per second: below what the edge grants, so that it is slowness and not arrival that is tested.
const ARRIVALS: u64 = 300;
/// Honest requests per second.
const RATE: f64 = 400.0;

pub(crate) async fn run(report: &mut Report, size: Size) {
    if let Err(error) = experiment(report, size).await {
        report.broke(NAME, &error);
    }
}

async fn experiment(report: &mut Report, size: Size) -> Result<()> {
    let world = World::start().await?;
    let honest = Plan {
        target: world.target.clone(),
        method: "GET",
        path: "/",
        connections: 16,
        rate: Some(RATE),
        prefix: "honest",
    };
    let mut alone = run_for(&honest, Duration::from_secs(5)).await?;
    report.claim(NAME, "alone no honest request fails", alone.shown(), alone.failed() == 0 && alone.good > 0);
    let ramp = Duration::from_secs(size.slow_connections as u64 / ARRIVALS);
    let whole = ramp + Duration::from_secs(size.slow_seconds);
    let (open, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut peers = JoinSet::new();
    let start = Instant::now();
    for number in 0..size.slow_connections {
        peers.spawn(peer(world.target.clone(), number, start, whole, open.clone(), most.clone()));
    }
    tokio::time::sleep_until(start + ramp).await;
    let mut beside = run_for(&honest, whole - ramp).await?;
    let goodput = beside.good as f64 / (RATE * (whole - ramp).as_secs_f64());
    let (edge, gate) =
        (world.edge.peak_kib()? / 1024, world.gates.first().map_or(0, |gate| gate.peak_kib().unwrap_or(0) / 1024));
    peers.shutdown().await;
    let most = most.load(Ordering::SeqCst);
    report.note(NAME, &format!("{} wanted, most open at once", size.slow_connections), most);
    report.claim(
        NAME,
        "at most one honest request in a hundred fails",
        beside.shown(),
        beside.failed() * 100 <= beside.sent && beside.sent > 0,
    );
    report.claim(NAME, "goodput at least 95 %", format!("{:.1} %", goodput * 100.0), goodput >= 0.95);
    report.claim(
        NAME,
        &format!("edge and gate together at most {} MiB", size.slow_mib),
        format!("{edge} + {gate} MiB at most"),
        edge + gate <= size.slow_mib,
    );
    Ok(())
}

/// One slow connection; when the edge ends it, another takes its place until the time is over.
async fn peer(
    target: mezu_testkit::Target,
    number: usize,
    start: Instant,
    whole: Duration,
    open: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
) {
    tokio::time::sleep_until(start + Duration::from_micros(number as u64 * 1_000_000 / ARRIVALS)).await;
    let source = Ipv4Addr::new(127, 0, 20, (number % SOURCES) as u8 + 1);
    let target = target.from(source);
    let second = Duration::from_secs(1);
    while start.elapsed() < whole {
        let stay = whole.saturating_sub(start.elapsed());
        let now = open.fetch_add(1, Ordering::SeqCst) + 1;
        most.fetch_max(now, Ordering::SeqCst);
        let _ = match number % 3 {
            0 => slowloris::run(&target, second, stay).await,
            1 => slow_body::run(&target, "/upload", second, stay).await,
            _ => slow_read::run(&target, "/bytes/1000000", 1, second, stay).await,
        };
        open.fetch_sub(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}
