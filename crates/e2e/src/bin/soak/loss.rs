//! Zero loss (R2, R3): Warpgates restart and die under load; no request that may be repeated fails, no other arrives twice.

use crate::Size;
use crate::load::{Load, Plan, Tally, saturation};
use crate::report::Report;
use anyhow::Result;
use mezu_testkit::World;
use std::time::Duration;

/// Of what the chain can serve.
const SHARE: f64 = 0.6;

pub(crate) async fn restarts(report: &mut Report, size: Size) {
    for (name, gates, gap) in [
        ("restart, one gate, the new one joins first", 1, false),
        ("restart, one gate, stopped and then started", 1, true),
        ("restart, two gates", 2, true),
    ] {
        if let Err(error) = restart(report, size, name, gates, gap).await {
            report.broke(name, &error);
        }
    }
}

async fn restart(report: &mut Report, size: Size, name: &str, gates: usize, gap: bool) -> Result<()> {
    let mut world = World::builder().gates(gates).start().await?;
    let (gets, posts) = start(&world).await?;
    for _ in 0..size.restarts {
        tokio::time::sleep(Duration::from_millis(500)).await;
        if !gap {
            world.add_gate().await?;
        }
        let mut old = world.gates.remove(0);
        old.signal("TERM").await?;
        old.ended(Duration::from_secs(40)).await?;
        if gap {
            world.add_gate().await?;
        }
    }
    let (mut gets, mut posts) = (gets.finish().await?, posts.finish().await?);
    let none = gets.failed() == 0 && posts.failed() == 0;
    report.claim(name, &format!("{} restarts: no GET failed", size.restarts), gets.shown(), gets.failed() == 0);
    report.claim(name, "no POST failed", posts.shown(), posts.failed() == 0);
    ids(report, name, &world, &gets, &posts, none);
    Ok(())
}

pub(crate) async fn kills(report: &mut Report, size: Size) {
    let name = "kill -9 of one of two gates";
    if let Err(error) = kill(report, size, name).await {
        report.broke(name, &error);
    }
}

async fn kill(report: &mut Report, size: Size, name: &str) -> Result<()> {
    let mut world = World::builder().gates(2).start().await?;
    let (gets, posts) = start(&world).await?;
    for round in 0..size.kills {
        // Uneven pauses, the same in every run.
        tokio::time::sleep(Duration::from_millis(300 + (round as u64 * 397) % 700)).await;
        let mut dead = world.gates.remove(0);
        dead.signal("KILL").await?;
        dead.ended(Duration::from_secs(5)).await?;
        world.add_gate().await?;
    }
    let (mut gets, mut posts) = (gets.finish().await?, posts.finish().await?);
    report.claim(name, &format!("{} kills: no GET failed", size.kills), gets.shown(), gets.failed() == 0);
    let honest = posts.failures.keys().all(|kind| kind == "status 502");
    report.claim(name, "a POST fails only by 502", posts.shown(), honest);
    ids(report, name, &world, &gets, &posts, false);
    Ok(())
}

/// GETs and POSTs together make the share of what is possible.
async fn start(world: &World) -> Result<(Load, Load)> {
    let rate = saturation(&world.target, "/after/0").await? * SHARE;
    let plan = |method, prefix, share: f64| Plan {
        target: world.target.clone(),
        method,
        path: "/after/0",
        connections: 16,
        rate: Some(rate * share),
        prefix,
    };
    Ok((Load::start(&plan("GET", "get", 0.7)), Load::start(&plan("POST", "post", 0.3))))
}

/// Ids at the client against ids at the workload.
fn ids(report: &mut Report, name: &str, world: &World, gets: &Tally, posts: &Tally, exact: bool) {
    let ids = world.workload.ids();
    let of =
        |prefix: &str| ids.iter().filter(|(id, _)| id.starts_with(prefix)).map(|(_, count)| *count).collect::<Vec<_>>();
    let (seen_posts, seen_gets) = (of("post-"), of("get-"));
    let doubled = seen_posts.iter().filter(|count| **count > 1).count();
    let figure = format!(
        "{} POSTs delivered for {} sent and {} answered, {doubled} twice",
        seen_posts.len(),
        posts.sent,
        posts.good
    );
    report.claim(name, "no POST is delivered twice", figure, doubled == 0 && seen_posts.len() as u64 >= posts.good);
    let resent: u32 = seen_gets.iter().map(|count| count - 1).sum();
    let figure = format!("{} GETs delivered again, {} sent", resent, gets.sent);
    report.claim(name, "what was sent again stays below 10 %", figure, f64::from(resent) <= 0.1 * gets.sent as f64);
    if exact {
        let all = seen_posts.len() as u64 == posts.sent;
        report.claim(name, "every POST is delivered", format!("{} of {}", seen_posts.len(), posts.sent), all);
    }
}
