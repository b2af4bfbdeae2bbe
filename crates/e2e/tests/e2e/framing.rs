//! Ambiguity ends at the edge (threats 3, 4, 5): a workload never sees a request that two parsers could read differently.

use anyhow::Result;
use mezu_testkit::client::Client;
use mezu_testkit::peers::{downgrade, smuggling};
use mezu_testkit::{Request, World};

#[tokio::test]
async fn every_smuggling_trick_is_refused_and_the_connection_closed() -> Result<()> {
    let world = World::start().await?;
    let mut wrong = Vec::new();
    for case in smuggling::CASES {
        let before = complete(&world);
        let Client::H1(mut connection) = world.target.h1().await? else { unreachable!() };
        connection.raw(&case.bytes(&world.target.authority())).await?;
        let probe = format!("GET /probe HTTP/1.1\r\nHost: {}\r\n\r\n", world.target.authority());
        let _ = connection.raw(probe.as_bytes()).await;
        let status = connection.next_response().await.map(|answer| answer.status);
        let again = connection.next_response().await.is_ok();
        let delivered = complete(&world) > before;
        if !matches!(status, Ok(400..=599) | Err(_)) || again || delivered {
            wrong.push(format!("{}: {status:?}, answered again: {again}, delivered: {delivered}", case.name));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

/// Requests that a workload could take for whole, and anything smuggled.
fn complete(world: &World) -> usize {
    let whole = world.workload.seen_at("/s").iter().filter(|seen| seen.complete).count();
    whole + world.workload.seen_at("/probe").len()
}

#[tokio::test]
async fn a_downgrade_cannot_smuggle() -> Result<()> {
    let world = World::start().await?;
    let mut wrong = Vec::new();
    for case in downgrade::CASES {
        let outcome = downgrade::run(&world.target, case).await?;
        if world.workload.seen_at("/d").iter().any(|seen| seen.complete)
            || !(outcome.closed || outcome.resets > 0 || outcome.answers > 0 || outcome.goaway.is_some())
        {
            wrong.push(format!("{}: {outcome:?}, seen {:?}", case.name, world.workload.seen_at("/d")));
            break;
        }
    }
    for (name, block) in downgrade::bad_targets(&world.target.authority()) {
        let before = world.workload.count();
        let outcome = downgrade::send(&world.target, &block, "").await?;
        // A fragment may be cut off (RFC 9112 §3.2 knows none): what is left is a path like any other.
        let harmless = name == "a fragment" && world.workload.seen_at("/").iter().all(|seen| seen.target() == "/d");
        if world.workload.count() > before && !harmless {
            wrong.push(format!("{name}: {outcome:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

/// A request that is refused leaves the next one on the connection alone, or closes it.
#[tokio::test]
async fn a_body_that_nobody_read_is_not_the_next_request() -> Result<()> {
    let world = World::start().await?;
    let mut client = world.target.h1().await?;
    let hidden = format!("GET /hidden HTTP/1.1\r\nHost: {}\r\n\r\n", world.target.authority());
    let answer = client.send(Request::post("/x", hidden).host("unknown.mezusphere.localhost")).await?;
    assert!(answer.status >= 400);
    if let Ok(answer) = client.get("/next").await {
        assert!(answer.text().starts_with("GET /next "));
    }
    assert!(world.workload.seen_at("/hidden").is_empty());
    Ok(())
}

#[tokio::test]
async fn an_http_1_0_client_is_answered_and_closed() -> Result<()> {
    let world = World::start().await?;
    let Client::H1(mut connection) = world.target.h1().await? else { unreachable!() };
    let request = format!("GET /old HTTP/1.0\r\nHost: {}\r\n\r\n", world.target.authority());
    connection.raw(request.as_bytes()).await?;
    let answer = connection.next_response().await?;
    assert_eq!((answer.status, answer.header("transfer-encoding")), (200, None));
    Client::H1(connection).closed().await
}
