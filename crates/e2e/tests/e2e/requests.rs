//! What a request and its answer carry through the chain.

use crate::matrix;
use anyhow::Result;
use mezu_testkit::client::BodyPlan;
use mezu_testkit::{Client, Protocol, Request, Step, World};

matrix!(
    a_get_arrives_whole,
    a_head_has_the_length_and_no_body,
    statuses_pass,
    answers_without_body_have_none,
    a_partial_answer_passes,
    every_method_passes,
    a_query_passes_as_it_is,
    trailers_pass_both_ways,
    expect_is_relayed,
    an_early_refusal_is_relayed,
    early_hints_pass_where_they_can,
    many_requests_on_one_connection,
    an_answer_without_length_ends,
    set_cookie_lines_stay_apart,
    an_empty_post_has_length_zero,
);

async fn a_get_arrives_whole(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let answer = world.target.client(protocol).await?.get("/hello?a=b").await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = world.workload.seen(answer.nonce()).unwrap();
    assert_eq!((seen.method(), seen.target()), ("GET", "/hello?a=b"));
    assert_eq!(seen.header("host"), [world.target.authority()]);
    assert_eq!(answer.header("mezu-ray").unwrap().len(), 32);
    Ok(())
}

async fn a_head_has_the_length_and_no_body(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let mut client = world.target.client(protocol).await?;
    let answer = client.send(Request::new("HEAD", "/bytes/1234")).await?;
    assert_eq!((answer.status, answer.header("content-length"), answer.body.len()), (200, Some("1234"), 0));
    assert_eq!(client.get("/after").await?.status, 200);
    Ok(())
}

async fn statuses_pass(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let mut client = world.target.client(protocol).await?;
    for status in [200, 201, 202, 226, 299, 302, 400, 401, 404, 418, 429, 500, 503, 599] {
        let answer = client.get(&format!("/status/{status}")).await?;
        assert_eq!((answer.status, answer.text()), (status, format!("status {status}")));
    }
    Ok(())
}

async fn answers_without_body_have_none(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let mut client = world.target.client(protocol).await?;
    for status in [204, 304, 204] {
        let answer = client.get(&format!("/status/{status}")).await?;
        assert_eq!((answer.status, answer.body.len()), (status, 0));
        assert_eq!(answer.header("transfer-encoding"), None);
        assert!(status != 204 || answer.header("content-length").is_none());
    }
    assert_eq!(client.get("/after").await?.status, 200);
    Ok(())
}

async fn a_partial_answer_passes(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let partial = "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 2-4/10\r\ncontent-length: 3\r\n\r\ncde";
    world.workload.script("/part", [Step::send(partial)]);
    let mut client = world.target.client(protocol).await?;
    let answer = client.send(Request::get("/part").header("range", "bytes=2-4")).await?;
    assert_eq!((answer.status, answer.text().as_str()), (206, "cde"));
    assert_eq!(answer.header("content-range"), Some("bytes 2-4/10"));
    assert_eq!(world.workload.seen_at("/part")[0].header("range"), ["bytes=2-4"]);
    Ok(())
}

async fn every_method_passes(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let mut client = world.target.client(protocol).await?;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "PURGE"] {
        let answer = client.send(Request::new(method, "/m")).await?;
        assert_eq!(answer.status, 200, "{method}");
        assert_eq!(world.workload.seen(answer.nonce()).unwrap().method(), method);
    }
    Ok(())
}

async fn a_query_passes_as_it_is(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let mut client = world.target.client(protocol).await?;
    for query in ["a=%2F%2e%2e%2f", "a=b&c=d;e=f", "", "?", "a=%00", "x=a+b//../c"] {
        let path = format!("/q?{query}");
        let answer = client.get(&path).await?;
        assert_eq!(world.workload.seen(answer.nonce()).unwrap().target(), path);
    }
    Ok(())
}

async fn trailers_pass_both_ways(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let reply =
        "HTTP/1.1 200 OK\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n";
    world.workload.script("/trailers", [Step::ReadBody, Step::send(reply)]);
    let mut client = world.target.client(protocol).await?;
    let request = Request::new("POST", "/trailers").header("te", "trailers").body(BodyPlan::Streamed);
    let mut exchange = client.start(request).await?;
    exchange.send("abc").await?;
    exchange.finish(&[("x-check", "9")]).await?;
    let answer = exchange.response().await?;
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    assert_eq!(answer.trailers, [("x-sum".to_owned(), "7".to_owned())]);
    let seen = &world.workload.seen_at("/trailers")[0];
    assert_eq!((seen.body.as_slice(), seen.complete), (&b"abc"[..], true));
    assert_eq!(seen.trailers, [("x-check".to_owned(), "9".to_owned())]);
    Ok(())
}

async fn expect_is_relayed(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let reply = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let go_on = Step::send("HTTP/1.1 100 Continue\r\n\r\n");
    world.workload.script("/expect", [go_on, Step::ReadBody, Step::send(reply)]);
    let mut client = world.target.client(protocol).await?;
    let request = Request::new("POST", "/expect").header("expect", "100-continue").body(BodyPlan::Sized(5));
    let mut exchange = client.start(request).await?;
    assert_eq!(exchange.interim().await?.0, 100);
    assert_eq!(world.workload.seen_at("/expect")[0].body_size, 0);
    exchange.send("hello").await?;
    exchange.finish(&[]).await?;
    assert_eq!(exchange.response().await?.text(), "ok");
    assert_eq!(world.workload.seen_at("/expect")[0].body, b"hello");
    Ok(())
}

async fn an_early_refusal_is_relayed(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    world.workload.script("/no", [Step::send("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno"), Step::Close]);
    let mut client = world.target.client(protocol).await?;
    let request = Request::new("POST", "/no").header("expect", "100-continue").body(BodyPlan::Sized(1 << 20));
    let answer = client.start(request).await?.response().await?;
    assert_eq!((answer.status, answer.text().as_str()), (403, "no"));
    assert!(answer.interim.is_empty());
    Ok(())
}

/// 103 goes to h2 clients; over h1 too many of them take it for the answer.
async fn early_hints_pass_where_they_can(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let hints =
        "HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    world.workload.script("/hints", [Step::send(hints)]);
    let answer = world.target.client(protocol).await?.get("/hints").await?;
    assert_eq!((answer.status, answer.text().as_str()), (200, "ok"));
    let statuses: Vec<u16> = answer.interim.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, if protocol == Protocol::H2 { vec![103] } else { vec![] });
    Ok(())
}

async fn many_requests_on_one_connection(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let mut client = world.target.client(protocol).await?;
    for number in 0..300 {
        let answer = client.send(Request::post("/n", format!("body {number}"))).await?;
        assert!(answer.text().ends_with(&format!("body {number}")));
    }
    assert!(world.workload.connections() <= 4, "{} connections to the workload", world.workload.connections());
    Ok(())
}

/// An answer of HTTP/1.0 kind, ended by the connection's end.
async fn an_answer_without_length_ends(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    world.workload.script("/old", [Step::send("HTTP/1.0 200 OK\r\n\r\nto the end"), Step::Close]);
    let mut client = world.target.client(protocol).await?;
    for _ in 0..2 {
        assert_eq!(client.get("/old").await?.text(), "to the end");
    }
    Ok(())
}

async fn set_cookie_lines_stay_apart(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let reply = "HTTP/1.1 200 OK\r\nset-cookie: a=1\r\nset-cookie: b=2\r\ncontent-length: 0\r\n\r\n";
    world.workload.script("/c", [Step::send(reply)]);
    let mut client = world.target.client(protocol).await?;
    let answer = client.send(Request::get("/c").header("cookie", "x=1").header("cookie", "y=2")).await?;
    let cookies: Vec<_> =
        answer.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, value)| value.as_str()).collect();
    assert_eq!(cookies, ["a=1", "b=2"]);
    assert_eq!(world.workload.seen_at("/c")[0].header("cookie"), ["x=1; y=2"], "RFC 9113 §8.2.3");
    Ok(())
}

async fn an_empty_post_has_length_zero(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let mut client = world.target.client(protocol).await?;
    let answer = client.send(Request::post("/empty", "")).await?;
    let seen = world.workload.seen(answer.nonce()).unwrap();
    assert_eq!((seen.header("content-length"), seen.body_size), (vec!["0"], 0));
    Ok(())
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() -> Result<()> {
    let world = World::start().await?;
    let Client::H1(mut connection) = world.target.h1().await? else { unreachable!() };
    let one = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", world.target.authority());
    let all: String = (0..20).map(|number| one(&format!("/p{number}"))).collect();
    connection.raw(all.as_bytes()).await?;
    for number in 0..20 {
        assert!(connection.next_response().await?.text().starts_with(&format!("GET /p{number} ")));
    }
    Ok(())
}
