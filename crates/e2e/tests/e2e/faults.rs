//! Workloads that misbehave (threats 6, 25): their clients are told, the next request is not touched.

use crate::matrix;
use anyhow::Result;
use mezu_testkit::peers::bad_workload;
use mezu_testkit::{Protocol, Request, World};

matrix!(
    a_bad_answer_is_a_502,
    an_answer_cut_short_is_seen_to_be,
    surplus_bytes_reach_nobody,
    a_workload_that_is_down_is_said_to_be,
);

async fn a_bad_answer_is_a_502(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let mut wrong = Vec::new();
    for (name, steps) in bad_workload::cases() {
        world.workload.script("/bad", steps);
        let status = world.target.client(protocol).await?.get("/bad").await.map(|answer| answer.status);
        let next = world.target.client(protocol).await?.get("/next").await?;
        if !matches!(status, Ok(502)) || next.status != 200 {
            wrong.push(format!("{name}: {status:?}, then {}", next.status));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(world.gates[0].peak_kib()? < 128 * 1024, "the gate grew to {} KiB", world.gates[0].peak_kib()?);
    Ok(())
}

async fn an_answer_cut_short_is_seen_to_be(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    for (name, steps) in bad_workload::cut_short() {
        world.workload.script("/cut", steps);
        let answer = world.target.client(protocol).await?.get("/cut").await;
        assert!(answer.as_ref().map_or(true, |answer| answer.status == 502), "{name}: {answer:?}");
    }
    Ok(())
}

async fn surplus_bytes_reach_nobody(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    for (name, steps) in bad_workload::surplus() {
        world.workload.script("/surplus", steps);
        let mut client = world.target.client(protocol).await?;
        let answer = client.get("/surplus").await?;
        assert!(!answer.text().contains("poison"), "{name}: {answer:?}");
        for _ in 0..3 {
            let next = client.send(Request::post("/mine", "mine")).await?;
            assert!(next.text().ends_with("mine"), "{name}: {next:?}");
        }
    }
    Ok(())
}

async fn a_workload_that_is_down_is_said_to_be(protocol: Protocol) -> Result<()> {
    // Port 9 of an address that nobody listens on.
    let world = World::builder().target("127.0.0.1:9").start().await?;
    let answer = world.target.client(protocol).await?.get("/").await?;
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert!(answer.text().contains("MEZU-"));
    Ok(())
}

/// Requests of many clients interleaved with answers that end badly: everybody gets their own.
#[tokio::test]
async fn nobody_gets_another_s_answer() -> Result<()> {
    let world = World::start().await?;
    world.workload.script("/early", bad_workload::surplus().remove(0).1);
    let mut tasks = tokio::task::JoinSet::new();
    for lane in 0..8 {
        let target = world.target.clone();
        tasks.spawn(async move {
            let mut client = target.client(if lane % 2 == 0 { Protocol::H1 } else { Protocol::H2 }).await?;
            for number in 0..60 {
                client.send(Request::post("/early", "x".repeat(2000))).await?;
                let mine = format!("lane {lane} number {number}");
                let answer = client.send(Request::post("/mine", mine.clone())).await?;
                anyhow::ensure!(answer.text().ends_with(&mine), "got {}", answer.text());
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}
