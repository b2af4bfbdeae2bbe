//! Restarts and deaths in short; the long experiments are in `make soak`.

use anyhow::Result;
use mezu_testkit::workload::Signal;
use mezu_testkit::{PATIENCE, Protocol, Request, Step, Target, World, until};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

/// Clients that send numbered requests until told to stop; each reports how many succeeded, or its first failure.
fn clients(target: &Target, method: &'static str, stop: &Arc<AtomicBool>) -> JoinSet<Result<u32>> {
    let mut tasks = JoinSet::new();
    for lane in 0..8 {
        let (target, stop) = (target.clone(), stop.clone());
        tasks.spawn(async move {
            let mut client = target.client(if lane % 2 == 0 { Protocol::H1 } else { Protocol::H2 }).await?;
            let mut done = 0;
            while !stop.load(Ordering::SeqCst) {
                let id = format!("{method}-{lane}-{done}");
                let request = Request::new(method, "/after/2").header("x-id", &id);
                let answer = client.send(request).await.map_err(|error| error.context(id.clone()))?;
                anyhow::ensure!(answer.status == 200, "{id}: {} {}", answer.status, answer.text());
                done += 1;
            }
            Ok(done)
        });
    }
    tasks
}

async fn finish(mut tasks: JoinSet<Result<u32>>, stop: &AtomicBool) -> Result<u32> {
    stop.store(true, Ordering::SeqCst);
    let mut sum = 0;
    while let Some(done) = tasks.join_next().await {
        sum += done??;
    }
    Ok(sum)
}

fn assert_each_delivered_once(world: &World, succeeded: u32) {
    let ids = world.workload.ids();
    let twice: Vec<_> = ids.iter().filter(|(_, count)| **count > 1).collect();
    assert!(twice.is_empty(), "delivered more than once: {twice:?}");
    assert!(ids.len() >= succeeded as usize, "{} delivered, {succeeded} answered", ids.len());
}

/// With two gates a request that must not be repeated is handed over in two steps, and that works for any body.
#[tokio::test]
async fn a_parked_request_is_let_go() -> Result<()> {
    let world = World::builder().gates(2).start().await?;
    for protocol in [Protocol::H1, Protocol::H2] {
        let mut client = world.target.client(protocol).await?;
        for size in [0, 1, 1000, 20_000, 100_000, 1_000_000] {
            let body = mezu_testkit::workload::builtin::pattern_block(0, size);
            for _ in 0..8 {
                let answer = client.send(Request::post("/upload", body.clone())).await?;
                assert_eq!(answer.status, 200, "{protocol:?} {size}: {}", answer.text());
            }
        }
    }
    Ok(())
}

/// A new Warpgate joins before the old one drains: nobody notices.
#[tokio::test]
async fn a_gate_is_replaced_without_loss() -> Result<()> {
    let mut world = World::start().await?;
    let stop = Arc::new(AtomicBool::new(false));
    let (gets, posts) = (clients(&world.target, "GET", &stop), clients(&world.target, "POST", &stop));
    for _ in 0..3 {
        world.add_gate().await?;
        let mut old = world.gates.remove(0);
        old.signal("TERM").await?;
        assert_eq!(old.ended(Duration::from_secs(40)).await?, Some(0));
    }
    let done = finish(gets, &stop).await? + finish(posts, &stop).await?;
    assert_each_delivered_once(&world, done);
    Ok(())
}

/// The only Warpgate stops and another starts: requests wait for it.
#[tokio::test]
async fn the_only_gate_is_restarted_without_loss() -> Result<()> {
    let mut world = World::start().await?;
    let stop = Arc::new(AtomicBool::new(false));
    let (gets, posts) = (clients(&world.target, "GET", &stop), clients(&world.target, "POST", &stop));
    for _ in 0..2 {
        let mut old = world.gates.remove(0);
        old.signal("TERM").await?;
        assert_eq!(old.ended(Duration::from_secs(40)).await?, Some(0));
        world.add_gate().await?;
    }
    let done = finish(gets, &stop).await? + finish(posts, &stop).await?;
    assert_each_delivered_once(&world, done);
    Ok(())
}

/// One of two Warpgates dies without a word: requests that may be repeated all succeed.
#[tokio::test]
async fn a_killed_gate_fails_no_repeatable_request() -> Result<()> {
    let mut world = World::builder().gates(2).start().await?;
    let stop = Arc::new(AtomicBool::new(false));
    let gets = clients(&world.target, "GET", &stop);
    for _ in 0..3 {
        let mut dead = world.gates.remove(0);
        dead.signal("KILL").await?;
        dead.ended(PATIENCE).await?;
        world.add_gate().await?;
    }
    assert!(finish(gets, &stop).await? > 0);
    Ok(())
}

/// The same with requests that must not be repeated: some fail, none is delivered twice.
#[tokio::test]
async fn a_killed_gate_makes_no_post_arrive_twice() -> Result<()> {
    let mut world = World::builder().gates(2).start().await?;
    let stop = Arc::new(AtomicBool::new(false));
    let mut lanes = JoinSet::new();
    for lane in 0..8 {
        let (target, stop) = (world.target.clone(), stop.clone());
        lanes.spawn(async move {
            let mut client = target.h1().await?;
            let mut number = 0;
            while !stop.load(Ordering::SeqCst) {
                let request = Request::post("/after/2", "x").header("x-id", &format!("{lane}-{number}"));
                match client.send(request).await {
                    Ok(answer) => anyhow::ensure!(matches!(answer.status, 200 | 502), "{}", answer.text()),
                    Err(_) => client = target.h1().await?,
                }
                number += 1;
            }
            Ok(number)
        });
    }
    for _ in 0..3 {
        let mut dead = world.gates.remove(0);
        dead.signal("KILL").await?;
        dead.ended(PATIENCE).await?;
        world.add_gate().await?;
    }
    finish(lanes, &stop).await?;
    assert_each_delivered_once(&world, 0);
    Ok(())
}

/// What was begun before the edge drains is finished, and the connection then ends.
#[tokio::test]
async fn the_edge_finishes_what_was_begun() -> Result<()> {
    for protocol in [Protocol::H1, Protocol::H2] {
        let mut world = World::start().await?;
        let signal = Signal::default();
        let head = Step::send("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabc");
        world.workload.script("/long", [head, Step::Wait(signal.clone()), Step::send("def")]);
        let mut client = world.target.client(protocol).await?;
        let mut exchange = client.start(Request::get("/long")).await?;
        exchange.head().await?;
        world.edge.signal("TERM").await?;
        until("the drain", async || world.admin_get("/readyz").await.is_err()).await?;
        signal.give();
        let mut body = Vec::new();
        while let Some(chunk) = exchange.chunk().await? {
            body.extend_from_slice(&chunk);
        }
        assert_eq!(body, b"abcdef", "{protocol:?}");
        drop(exchange);
        client.closed().await?;
        assert_eq!(world.edge.ended(Duration::from_secs(40)).await?, Some(0));
    }
    Ok(())
}

/// The edge comes back on the same data: the gate returns by itself, with the same name.
#[tokio::test]
async fn a_gate_returns_to_a_restarted_edge() -> Result<()> {
    let mut world = World::start().await?;
    assert_eq!(world.target.h1().await?.get("/").await?.status, 200);
    world.restart_edge().await?;
    let target = world.target.clone();
    tokio::time::timeout(Duration::from_secs(35), async {
        loop {
            if let Ok(mut client) = target.h1().await
                && client.get("/").await.is_ok_and(|answer| answer.status == 200)
            {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await?;
    world.edge.ensure_running()
}
