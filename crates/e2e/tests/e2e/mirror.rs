//! Requests copied to a second workload, by a route that is set to.

use anyhow::{Context as _, Result};
use bytes::Bytes;
use mezu_testkit::client::BodyPlan;
use mezu_testkit::workload::builtin::pattern_block;
use mezu_testkit::{Protocol, Request, Step, Target, Workload, World, until};

use crate::capabilities::route;
use crate::matrix;

matrix!(
    a_copy_says_what_the_request_said,
    bodies_are_copied_up_to_their_bound,
    a_copy_that_hangs_or_fails_is_nobodys_business,
    upgrades_and_refused_requests_are_not_copied,
);

/// A world with a second workload, and a route that copies to it.
async fn mirrored(more: &str, set: &[&str]) -> Result<(World, Workload, Target)> {
    let mut world = World::start().await?;
    let shadow = Workload::start().await?;
    world.add_gate_for("shadow", &shadow).await?;
    let listed: serde_json::Value = serde_json::from_str(&world.administer(&["workload", "list", "--json"]).await?)?;
    let found = listed.as_array().and_then(|all| all.iter().find(|one| one["name"] == "shadow"));
    let id = found.and_then(|one| one["id"].as_str()).context("no id")?.to_owned();
    let mirror = format!(r#"mirror={{ "workload": "{id}"{more} }}"#);
    let target = route(&world, "live", &[&[mirror.as_str()], set].concat()).await?;
    Ok((world, shadow, target))
}

/// How many copies came to this.
async fn counted(world: &World, outcome: &str) -> Result<u64> {
    let metrics = world.admin_get("/metrics").await?;
    let start = format!("mezu_copies_total{{outcome=\"{outcome}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&start)).context("no such line")?;
    Ok(line.parse()?)
}

async fn a_copy_says_what_the_request_said(protocol: Protocol) -> Result<()> {
    let (world, shadow, target) = mirrored("", &[r#"rewrite={ "add_prefix": "/v2" }"#]).await?;
    let mut client = target.client(protocol).await?;
    for method in ["GET", "HEAD"] {
        let lie = Request::new(method, "/cart?id=1").header("mezu-mirror", "1").header("cookie", "sid=1");
        let answer = client.send(lie).await?;
        assert_eq!(answer.status, 200);
        let seen = world.workload.seen(answer.nonce()).context("not seen")?;
        assert_eq!((seen.method(), seen.target(), seen.header("mezu-mirror").len()), (method, "/v2/cart?id=1", 0));
        let copy = || shadow.seen_at("/v2/cart").into_iter().find(|copy| copy.method() == method && copy.complete);
        until("the copy", async || copy().is_some()).await?;
        let copy = copy().context("no copy")?;
        assert_eq!(copy.target(), seen.target());
        assert_eq!(copy.header("mezu-mirror"), ["1"]);
        for name in ["cookie", "host", "x-forwarded-for", "x-forwarded-host", "x-request-id", "forwarded"] {
            assert_eq!((copy.header(name).len(), copy.header(name)), (1, seen.header(name)), "{name}");
        }
    }
    // By default nothing with effects.
    for method in ["POST", "DELETE", "OPTIONS"] {
        assert_eq!(client.send(Request::new(method, "/cart")).await?.status, 200);
    }
    client.get("/last").await?;
    until("the last copy", async || !shadow.seen_at("/v2/last").is_empty()).await?;
    let methods: Vec<_> = shadow.seen_at("/").iter().map(|copy| copy.method().to_owned()).collect();
    assert_eq!(methods, ["GET", "HEAD", "GET"]);
    assert_eq!(counted(&world, "sent").await?, 3);
    Ok(())
}

async fn bodies_are_copied_up_to_their_bound(protocol: Protocol) -> Result<()> {
    let (world, shadow, target) = mirrored(r#", "methods": ["POST"], "body_bytes": 60000"#, &[]).await?;
    let mut client = target.client(protocol).await?;
    for size in [0, 10, 20_000, 60_000] {
        let body = Bytes::from(pattern_block(7, size));
        let path = format!("/whole/{size}");
        assert_eq!(client.send(Request::post(&path, body.clone())).await?.status, 200);
        until("the copy", async || shadow.seen_at(&path).iter().any(|copy| copy.complete)).await?;
        assert!(shadow.seen_at(&path)[0].body == body, "{size}");
        // In pieces whose sum nobody has told.
        let path = format!("/pieces/{size}");
        let mut exchange = client.start(Request::new("POST", &path).body(BodyPlan::Streamed)).await?;
        for piece in body.chunks(7_001) {
            exchange.send(Bytes::copy_from_slice(piece)).await?;
        }
        exchange.finish(&[]).await?;
        let answer = exchange.response().await?;
        assert!(world.workload.seen(answer.nonce()).context("not seen")?.body == body, "{size}");
        until("the copy", async || shadow.seen_at(&path).iter().any(|copy| copy.complete)).await?;
        assert!(shadow.seen_at(&path)[0].body == body, "{size}");
    }
    let long = Bytes::from(pattern_block(0, 60_001));
    assert_eq!(client.send(Request::post("/long", long.clone())).await?.status, 200);
    for trailers in [&[][..], &[("x-checksum", "1")]] {
        let mut exchange = client.start(Request::new("POST", "/long").body(BodyPlan::Streamed)).await?;
        exchange.send(if trailers.is_empty() { long.clone() } else { Bytes::from("short") }).await?;
        exchange.finish(trailers).await?;
        assert_eq!(exchange.response().await?.status, 200);
    }
    until("the counts", async || counted(&world, "too_long").await.is_ok_and(|count| count == 3)).await?;
    assert_eq!((counted(&world, "sent").await?, shadow.seen_at("/long").len()), (8, 0));
    Ok(())
}

async fn a_copy_that_hangs_or_fails_is_nobodys_business(protocol: Protocol) -> Result<()> {
    let (mut world, shadow, target) = mirrored("", &[]).await?;
    shadow.script("/hangs", [Step::Hang]);
    shadow.script("/breaks", [Step::Reset]);
    shadow.script(
        "/floods",
        [Step::send("HTTP/1.1 200 OK\r\n\r\n"), Step::Repeat(Bytes::from(vec![b'x'; 65_536]), 1 << 30)],
    );
    let mut client = target.client(protocol).await?;
    for path in ["/breaks", "/floods"] {
        assert_eq!(client.get(path).await?.status, 200);
        until("the copy", async || !shadow.seen_at(path).is_empty()).await?;
    }
    until("the end of the flood", async || shadow.running().0 == 0).await?;
    // Of one connection, and so of one worker: as many as a route may have.
    for _ in 0..40 {
        assert_eq!(client.get("/hangs").await?.status, 200);
    }
    until("the copies", async || shadow.running().0 == 32).await?;
    assert_eq!((counted(&world, "sent").await?, counted(&world, "busy").await?), (34, 8));
    let mut gate = world.gates.pop().context("no gate")?;
    gate.signal("KILL").await?;
    gate.ended(std::time::Duration::from_secs(10)).await?;
    until("the places", async || {
        client.get("/gone").await.is_ok_and(|answer| answer.status == 200)
            && counted(&world, "no_gate").await.is_ok_and(|count| count > 0)
    })
    .await
}

async fn upgrades_and_refused_requests_are_not_copied(protocol: Protocol) -> Result<()> {
    let limits = [r#"body_limit={ "bytes": 4 }"#, r#"rate_limit={ "limits": [{ "requests": 9, "per": 3600 }] }"#];
    let (world, shadow, target) = mirrored(r#", "methods": ["GET", "POST"]"#, &limits).await?;
    let mut client = target.client(protocol).await?;
    let before = shadow.count();
    assert_eq!(client.send(Request::post("/long", "too long")).await?.status, 413);
    let mut client = target.client(protocol).await?;
    // Over h2 the setting that allows it comes with the edge's first frames. This request is not copied either.
    client.send(Request::new("OPTIONS", "/")).await?;
    drop(client.websocket(Request::get("/ws")).await?);
    until("the WebSocket", async || !world.workload.seen_at("/ws").is_empty()).await?;
    let mut client = target.client(protocol).await?;
    while client.get("/asked").await?.status == 200 {}
    let passed = world.workload.seen_at("/asked").len();
    until("the copies", async || shadow.seen_at("/asked").len() == passed).await?;
    assert!(passed > 0);
    assert_eq!(shadow.count() - before, passed as u64);
    Ok(())
}
