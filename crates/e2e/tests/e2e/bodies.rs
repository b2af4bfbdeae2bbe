//! Bodies of every size and speed: streamed, never gathered, with back-pressure.

use crate::matrix;
use anyhow::Result;
use mezu_testkit::client::BodyPlan;
use mezu_testkit::workload::Signal;
use mezu_testkit::workload::builtin::{Checksum, pattern_block};
use mezu_testkit::{Protocol, Request, Step, World, until};

matrix!(
    every_piece_is_flushed_as_it_comes,
    a_large_download_is_whole,
    a_large_upload_is_whole,
    both_directions_at_once,
    a_slow_reader_costs_no_memory,
    a_stalled_workload_stops_the_upload,
    a_client_that_leaves_ends_the_request,
    a_body_over_the_limit_is_refused,
);

async fn every_piece_is_flushed_as_it_comes(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let signal = Signal::default();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let event = |text: &str| Step::send(format!("{:x}\r\n{text}\r\n", text.len()));
    let wait = || Step::Wait(signal.clone());
    world.workload.script(
        "/events",
        [Step::send(head), wait(), event("data: 1\n\n"), wait(), event("data: 2\n\n"), wait(), Step::send("0\r\n\r\n")],
    );
    let mut client = world.target.client(protocol).await?;
    let mut exchange = client.start(Request::get("/events")).await?;
    assert_eq!(exchange.head().await?.header("content-type"), Some("text/event-stream"));
    for number in 1..=2 {
        signal.give();
        assert_eq!(exchange.chunk().await?.unwrap(), format!("data: {number}\n\n"));
    }
    signal.give();
    assert_eq!(exchange.chunk().await?, None);
    Ok(())
}

const LARGE: u64 = 24 << 20;

async fn a_large_download_is_whole(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let mut client = world.target.client(protocol).await?;
    for path in [format!("/bytes/{LARGE}"), format!("/chunked/{LARGE}")] {
        let mut exchange = client.start(Request::get(&path)).await?;
        assert_eq!(exchange.head().await?.status, 200);
        let mut sum = Checksum::default();
        while let Some(chunk) = exchange.chunk().await? {
            sum.add(&chunk);
        }
        assert_eq!(sum.to_string(), Checksum::of_pattern(LARGE).to_string());
    }
    Ok(())
}

async fn a_large_upload_is_whole(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let mut client = world.target.client(protocol).await?;
    for plan in [BodyPlan::Sized(LARGE), BodyPlan::Streamed] {
        let mut exchange = client.start(Request::new("PUT", "/upload").body(plan)).await?;
        let mut at = 0;
        while at < LARGE {
            exchange.send(pattern_block(at, 1 << 16)).await?;
            at += 1 << 16;
        }
        exchange.finish(&[]).await?;
        assert_eq!(exchange.response().await?.text(), Checksum::of_pattern(LARGE).to_string());
    }
    Ok(())
}

/// The answer begins before the request has ended, and each goes on while the other does.
async fn both_directions_at_once(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let signal = Signal::default();
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n";
    world.workload.script(
        "/duplex",
        [Step::send(head), Step::ReadBody, Step::Wait(signal.clone()), Step::send("4\r\nlast\r\n0\r\n\r\n")],
    );
    let mut client = world.target.client(protocol).await?;
    let mut exchange = client.start(Request::new("POST", "/duplex").body(BodyPlan::Streamed)).await?;
    exchange.send("one").await?;
    assert_eq!(exchange.head().await?.status, 200);
    assert_eq!(exchange.chunk().await?.unwrap(), "first");
    exchange.send("two").await?;
    exchange.finish(&[]).await?;
    until("the whole body", async || world.workload.seen_at("/duplex")[0].complete).await?;
    assert_eq!(world.workload.seen_at("/duplex")[0].body, b"onetwo");
    signal.give();
    assert_eq!(exchange.chunk().await?.unwrap(), "last");
    assert_eq!(exchange.chunk().await?, None);
    Ok(())
}

/// 128 MiB wait for a client that reads nothing: they wait at the workload, not in our memory.
async fn a_slow_reader_costs_no_memory(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let mut client = world.target.client(protocol).await?;
    client.get("/warm").await?;
    let before = (world.edge.resident_kib()?, world.gates[0].resident_kib()?);
    let mut exchange = client.start(Request::get(&format!("/bytes/{}", 128 << 20))).await?;
    exchange.head().await?;
    let other = world.target.client(protocol).await?.get("/other").await?;
    assert_eq!(other.status, 200, "other streams go on");
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let (edge, gate) = (world.edge.resident_kib()?, world.gates[0].resident_kib()?);
    assert!(edge < before.0 + 16 * 1024, "edge grew from {} to {edge} KiB", before.0);
    assert!(gate < before.1 + 16 * 1024, "gate grew from {} to {gate} KiB", before.1);
    Ok(())
}

/// A workload that does not read makes the client wait; what is on the way stays bounded.
async fn a_stalled_workload_stops_the_upload(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let signal = Signal::default();
    let reply = Step::send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    world.workload.script("/stall", [Step::Wait(signal.clone()), Step::ReadBody, reply]);
    let mut client = world.target.client(protocol).await?;
    let mut exchange = client.start(Request::new("POST", "/stall").body(BodyPlan::Sized(LARGE))).await?;
    let mut sent = 0;
    let stuck = std::time::Duration::from_millis(500);
    while sent < LARGE {
        let Ok(done) = tokio::time::timeout(stuck, exchange.send(pattern_block(sent, 1 << 16))).await else { break };
        done?;
        sent += 1 << 16;
    }
    assert!(sent < LARGE, "nothing held the upload back");
    let other = world.target.client(protocol).await?.get("/other").await?;
    assert_eq!(other.status, 200, "other streams go on");
    Ok(())
}

async fn a_client_that_leaves_ends_the_request(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let head = Step::send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n");
    world.workload.script("/long", [head, Step::Hang]);
    let mut client = world.target.client(protocol).await?;
    let mut exchange = client.start(Request::get("/long")).await?;
    exchange.head().await?;
    assert_eq!(world.workload.running().0, 1);
    drop(exchange);
    drop(client);
    until("the workload's connection to close", async || world.workload.running().0 == 0).await
}

/// By its announced length before anything is forwarded; by its true one while it streams, and then never ended cleanly.
async fn a_body_over_the_limit_is_refused(protocol: Protocol) -> Result<()> {
    let world = World::builder().route(&["--set", "body_limit={\"bytes\":100000}"]).start().await?;
    let target = world.routed();
    let announced = Request::new("POST", "/huge").body(BodyPlan::Sized(100_001));
    let answer = target.client(protocol).await?.start(announced).await?.response().await?;
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert!(world.workload.seen_at("/huge").is_empty());
    let mut client = target.client(protocol).await?;
    let mut exchange = client.start(Request::new("POST", "/long").body(BodyPlan::Streamed)).await?;
    for _ in 0..4 {
        let _ = exchange.send(pattern_block(0, 40_000)).await;
    }
    let _ = exchange.finish(&[]).await;
    let answer = exchange.response().await;
    assert!(answer.as_ref().map_or(true, |answer| answer.status == 413), "{answer:?}");
    assert!(world.workload.seen_at("/long").iter().all(|seen| !seen.complete));
    let fits = target.client(protocol).await?.send(Request::post("/upload", vec![b'x'; 100_000])).await?;
    assert_eq!(fits.status, 200);
    Ok(())
}
