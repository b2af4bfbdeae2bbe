//! One hostile connection (R11): what it costs in memory and CPU, and whether honest clients notice.

use crate::Size;
use crate::load::{Load, Plan, run_for};
use crate::report::Report;
use anyhow::Result;
use mezu_testkit::peers::made_you_reset::Primitive;
use mezu_testkit::peers::{
    Outcome, bomb, continuation_flood, made_you_reset, ping_flood, rapid_reset, settings_flood, tiny_data, zero_window,
};
use mezu_testkit::{Step, Target, World};
use std::time::{Duration, Instant};

/// Honest requests per second.
const RATE: f64 = 300.0;

pub(crate) const KINDS: [&str; 9] = [
    "rapid reset",
    "MadeYouReset",
    "HTTP/2 bomb",
    "CONTINUATION flood",
    "PING flood",
    "SETTINGS flood",
    "1-byte DATA",
    "empty DATA",
    "window of zero",
];

pub(crate) async fn run(report: &mut Report, size: Size, kinds: &[&'static str]) {
    for kind in kinds.iter().copied() {
        if let Err(error) = experiment(report, size, kind).await {
            report.broke(kind, &error);
        }
    }
}

async fn experiment(report: &mut Report, size: Size, kind: &'static str) -> Result<()> {
    let world = World::start().await?;
    world.workload.script("/slow", [Step::Hang]);
    let honest = Plan {
        target: world.target.clone(),
        method: "GET",
        path: "/",
        connections: 8,
        rate: Some(RATE),
        prefix: "honest",
    };
    let time = Duration::from_secs(size.hostile_seconds);
    run_for(&honest, Duration::from_secs(1)).await?;
    let before = world.edge.cpu()?;
    let mut alone = run_for(&honest, time).await?;
    let usual = world.edge.cpu()? - before;

    let (peak, before) = (world.edge.peak_kib()?, world.edge.cpu()?);
    let load = Load::start(&honest);
    let start = Instant::now();
    let outcome = peer(&world.target, kind, time).await?;
    tokio::time::sleep(time.saturating_sub(start.elapsed())).await;
    let took = start.elapsed();
    let mut beside = load.finish().await?;
    let used = (world.edge.cpu()? - before).saturating_sub(usual.mul_f64(took.as_secs_f64() / time.as_secs_f64()));
    let share = used.as_secs_f64() / took.as_secs_f64();
    let grown = world.edge.peak_kib()?.saturating_sub(peak);

    report.note(kind, "what became of it", describe(&outcome));
    let claim = format!("costs at most {} MiB", size.growth_mib);
    report.claim(kind, &claim, format!("{grown} KiB"), grown <= size.growth_mib * 1024);
    let percent = share * 100.0;
    let claim = format!("costs at most {} % of a core", size.cpu_percent);
    report.claim(kind, &claim, format!("{percent:.1} %"), percent <= size.cpu_percent as f64);
    let (quiet, loud) = (alone.quantile(0.99), beside.quantile(0.99));
    let claim = format!("honest p99 at most {} times, or {} ms", size.slowdown, size.unnoticed_ms);
    let most = (size.slowdown as f64 * quiet).max(size.unnoticed_ms as f64);
    report.claim(kind, &claim, format!("{quiet:.1} ms alone, {loud:.1} ms beside it"), loud <= most);
    report.claim(kind, "no honest request fails", beside.shown(), beside.failed() == 0 && beside.sent > 0);
    let most = world.workload.running().1;
    let claim = format!("at most 100 requests of it and {} others run at once", honest.connections);
    report.claim(kind, &claim, most, most <= 100 + honest.connections);
    Ok(())
}

async fn peer(target: &Target, kind: &str, time: Duration) -> Result<Outcome> {
    match kind {
        "rapid reset" => rapid_reset::run(target, "/slow", 5000).await,
        "MadeYouReset" => made_you_reset::run(target, "/slow", Primitive::ZeroIncrement, 5000).await,
        "HTTP/2 bomb" => bomb::run(target, "/bytes/65536", 100, 4000).await,
        "CONTINUATION flood" => continuation_flood::run(target, 20_000).await,
        "PING flood" => ping_flood::run(target, 200_000).await,
        "SETTINGS flood" => settings_flood::run(target, 200_000).await,
        "1-byte DATA" => tiny_data::run(target, "/upload", 1, 100_000).await,
        "empty DATA" => tiny_data::run(target, "/upload", 0, 100_000).await,
        _ => zero_window::run(target, "/bytes/1000000", 100, time).await,
    }
}

fn describe(outcome: &Outcome) -> String {
    let end = if outcome.closed { "closed by the edge" } else { "left by itself" };
    let code = outcome.goaway.map_or(String::new(), |code| format!(", GOAWAY {code}"));
    format!(
        "{end} after {:.1} s{code}, {} streams answered, {} reset",
        outcome.lived.as_secs_f64(),
        outcome.answers,
        outcome.resets
    )
}
