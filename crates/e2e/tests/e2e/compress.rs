//! Answers compressed on their way, by a route that is set to.

use std::io::Read as _;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use mezu_testkit::workload::Signal;
use mezu_testkit::workload::builtin::pattern_block;
use mezu_testkit::{Protocol, Request, Step, Target, World, patiently, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::Command;

use crate::capabilities::route;
use crate::matrix;

matrix!(
    bodies_come_back_as_they_were,
    other_answers_are_left_alone,
    events_come_through_one_by_one,
    trailers_come_behind_the_body,
    a_broken_answer_is_not_ended_cleanly,
    a_slow_reader_costs_no_memory,
    without_room_answers_go_as_they_are,
    curl_reads_them,
);

const CODINGS: [&str; 3] = ["zstd", "br", "gzip"];
const SIZE: usize = 1 << 20;

/// As much as can be read of what has come so far.
fn decoded(coding: &str, encoded: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    // What ends in the middle is an error only once all before it has been read.
    let _ = match coding {
        "gzip" => flate2::read::GzDecoder::new(encoded).read_to_end(&mut out),
        "br" => brotli::Decompressor::new(encoded, 4096).read_to_end(&mut out),
        _ => unzstd(encoded, &mut out),
    };
    out
}

fn unzstd(encoded: &[u8], out: &mut Vec<u8>) -> std::io::Result<usize> {
    let mut context = zstd_safe::DCtx::create();
    let mut input = zstd_safe::InBuffer::around(encoded);
    loop {
        out.reserve(1 << 16);
        let filled = out.len();
        let mut buffer = zstd_safe::OutBuffer::around_pos(out, filled);
        context.decompress_stream(&mut buffer, &mut input).map_err(|_| std::io::ErrorKind::InvalidData)?;
        if buffer.pos() == filled && input.pos == encoded.len() {
            return Ok(0);
        }
    }
}

fn text() -> Vec<u8> {
    let lines =
        (0..).map(|n: u64| format!("<li id=\"row-{n}\"><a href=\"/orders/{}\">order</a></li>\n", n * n % 99_991));
    let mut text: Vec<u8> = lines.take(SIZE / 40).flat_map(String::into_bytes).collect();
    text.truncate(SIZE);
    text
}

/// An answer of the workload with a body of a known length.
fn sized(fields: &str, body: &[u8]) -> Vec<Step> {
    let head = format!("HTTP/1.1 200 OK\r\n{fields}content-length: {}\r\n\r\n", body.len());
    vec![Step::send(head), Step::send(body)]
}

/// The same, in chunks of an odd size.
fn chunked(fields: &str, body: &[u8]) -> Vec<Step> {
    let mut steps = vec![Step::send(format!("HTTP/1.1 200 OK\r\n{fields}transfer-encoding: chunked\r\n\r\n"))];
    for chunk in body.chunks(50_001) {
        steps.push(Step::send([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat()));
    }
    steps.push(Step::send("0\r\n\r\n"));
    steps
}

fn asking(path: &str, coding: &str) -> Request {
    Request::get(path).header("accept-encoding", coding)
}

async fn compressing(world: &World) -> Result<Target> {
    route(world, "pages", &["compress={}"]).await
}

const HTML: &str = "content-type: text/html\r\netag: \"a\"\r\naccept-ranges: bytes\r\n";

async fn bodies_come_back_as_they_were(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let target = compressing(&world).await?;
    let (text, noise) = (text(), pattern_block(0, SIZE));
    for (name, body) in [("text", &text), ("noise", &noise)] {
        world.workload.script(&format!("/sized/{name}"), sized(HTML, body));
        world.workload.script(&format!("/chunked/{name}"), chunked(HTML, body));
    }
    let mut client = target.client(protocol).await?;
    for coding in CODINGS {
        for (path, body) in
            [("/sized/text", &text), ("/chunked/text", &text), ("/sized/noise", &noise), ("/chunked/noise", &noise)]
        {
            let answer = client.send(asking(path, coding)).await?;
            assert_eq!((answer.status, answer.header("content-encoding")), (200, Some(coding)), "{path}");
            assert_eq!(answer.header("vary"), Some("Accept-Encoding"));
            assert_eq!((answer.header("etag"), answer.header("accept-ranges")), (Some("W/\"a\""), None));
            assert_eq!(answer.header("content-length"), None);
            assert!(decoded(coding, &answer.body) == *body, "{coding} {path}");
            let most = if path.ends_with("text") { SIZE / 3 } else { SIZE + SIZE / 100 };
            assert!(answer.body.len() < most, "{coding} {path}: {}", answer.body.len());
        }
    }
    let counted = world.admin_get("/metrics").await?;
    for coding in CODINGS {
        let line = format!("mezu_encoded_total{{coding=\"{coding}\"}} 4");
        assert!(counted.contains(&line), "{line} is not in {counted}");
    }
    Ok(())
}

async fn other_answers_are_left_alone(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let target = compressing(&world).await?;
    let text = text();
    let all = "gzip, br, zstd";
    let mut client = target.client(protocol).await?;
    for (name, fields) in [
        ("encoded", "content-type: text/html\r\ncontent-encoding: x-own\r\n"),
        ("forbidden", "content-type: text/html\r\ncache-control: no-transform\r\n"),
        ("image", "content-type: image/png\r\n"),
        ("digest", "content-type: text/html\r\ncontent-digest: sha-256=:AA==:\r\n"),
    ] {
        world.workload.script(&format!("/{name}"), sized(fields, &text));
        let answer = client.send(asking(&format!("/{name}"), all)).await?;
        assert!(answer.body == text, "{name}");
        let own = (name == "encoded").then_some("x-own");
        assert_eq!((answer.header("content-encoding"), answer.header("vary")), (own, None), "{name}");
    }
    let part = "HTTP/1.1 206 Partial Content\r\ncontent-type: text/html\r\ncontent-range: bytes 0-1999/9000\r\n\
                content-length: 2000\r\n\r\n";
    let none = "HTTP/1.1 204 No Content\r\ncontent-type: text/html\r\n\r\n";
    world.workload.script("/part", [Step::send(part), Step::send(&text[..2000])]);
    world.workload.script("/none", [Step::send(none)]);
    world.workload.script("/short", sized("content-type: text/html\r\n", &text[..1023]));
    for (path, status, size) in [("/part", 206, 2000), ("/none", 204, 0), ("/short", 200, 1023)] {
        let answer = client.send(asking(path, all)).await?;
        assert_eq!((answer.status, answer.body.len()), (status, size), "{path}");
        let varies = (path == "/part").then_some("Accept-Encoding");
        assert_eq!((answer.header("content-encoding"), answer.header("vary")), (None, varies), "{path}");
    }
    // What might have been compressed says so, whoever asks and however.
    world.workload.script("/text", sized(HTML, &text));
    world.workload.script("/head", [Step::send(format!("HTTP/1.1 200 OK\r\n{HTML}content-length: 5000\r\n\r\n"))]);
    world.workload.script("/same", [Step::send("HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\n\r\n")]);
    let head = Request::new("HEAD", "/head").header("accept-encoding", all);
    for (request, size, tag) in [
        (Request::get("/text"), SIZE, "\"a\""),
        (asking("/text", "identity, gzip;q=0"), SIZE, "\"a\""),
        (head, 0, "\"a\""),
        (asking("/same", all).header("if-none-match", "W/\"a\""), 0, "W/\"a\""),
    ] {
        let answer = client.send(request).await?;
        assert_eq!((answer.body.len(), answer.header("content-encoding")), (size, None));
        assert_eq!((answer.header("vary"), answer.header("etag")), (Some("Accept-Encoding"), Some(tag)));
    }
    if protocol == Protocol::H1 {
        http10_gets_it_as_it_is(&target, &text).await?;
    }
    Ok(())
}

async fn http10_gets_it_as_it_is(target: &Target, text: &[u8]) -> Result<()> {
    let mut stream = target.tls(&["http/1.1"]).await?;
    let ask = format!("GET /text HTTP/1.0\r\nHost: {}\r\nAccept-Encoding: gzip\r\n\r\n", target.authority());
    stream.write_all(ask.as_bytes()).await?;
    let mut answer = Vec::new();
    patiently("the answer", stream.read_to_end(&mut answer)).await??;
    assert!(answer.ends_with(text));
    let head = String::from_utf8_lossy(&answer[..answer.len() - text.len()]).to_lowercase();
    assert!(!head.contains("content-encoding") && head.contains("vary: accept-encoding"), "{head}");
    assert!(head.contains(&format!("content-length: {}", text.len())), "{head}");
    Ok(())
}

/// The workload sends an event only after the client has read the one before it.
async fn events_come_through_one_by_one(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let target = route(&world, "events", &[r#"compress={ "types": ["text/event-stream"] }"#]).await?;
    for coding in CODINGS {
        let signal = Signal::default();
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        let mut steps = vec![Step::send(head)];
        for number in 0..5 {
            let event = format!("data: {number}\n\n");
            steps.extend([Step::Wait(signal.clone()), Step::send(format!("{:x}\r\n{event}\r\n", event.len()))]);
        }
        steps.extend([Step::Wait(signal.clone()), Step::send("0\r\n\r\n")]);
        world.workload.script("/events", steps);
        let mut client = target.client(protocol).await?;
        let mut exchange = client.start(asking("/events", coding)).await?;
        // The head comes before anything of the body.
        assert_eq!(exchange.head().await?.header("content-encoding"), Some(coding));
        let (mut came, mut expected) = (Vec::new(), String::new());
        for number in 0..5 {
            signal.give();
            expected.push_str(&format!("data: {number}\n\n"));
            while decoded(coding, &came) != expected.as_bytes() {
                came.extend(exchange.chunk().await?.context("the stream ended")?);
            }
        }
        signal.give();
        while let Some(chunk) = exchange.chunk().await? {
            came.extend(chunk);
        }
        assert_eq!(decoded(coding, &came), expected.as_bytes());
    }
    Ok(())
}

async fn trailers_come_behind_the_body(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let target = compressing(&world).await?;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n";
    let body = "5\r\nhello\r\n0\r\nx-checksum: 7\r\n\r\n";
    world.workload.script("/trailers", [Step::send(head), Step::send(body)]);
    let mut client = target.client(protocol).await?;
    for coding in CODINGS {
        let answer = client.send(asking("/trailers", coding).header("te", "trailers")).await?;
        assert_eq!(answer.header("content-encoding"), Some(coding));
        assert_eq!(decoded(coding, &answer.body), b"hello");
        assert_eq!(answer.trailers, [("x-checksum".to_owned(), "7".to_owned())]);
    }
    Ok(())
}

async fn a_broken_answer_is_not_ended_cleanly(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let target = compressing(&world).await?;
    let cut = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 5000\r\n\r\nonly this";
    let torn = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let signal = Signal::default();
    world.workload.script("/cut", [Step::send(cut), Step::Wait(signal.clone()), Step::Close]);
    world.workload.script("/torn", [Step::send(torn), Step::Wait(signal.clone()), Step::Close]);
    for path in ["/cut", "/torn"] {
        for coding in CODINGS {
            let mut client = target.client(protocol).await?;
            let mut exchange = client.start(asking(path, coding)).await?;
            assert_eq!(exchange.head().await?.header("content-encoding"), Some(coding));
            signal.give();
            assert!(exchange.response_body().await.is_err(), "{coding} {path}");
        }
    }
    Ok(())
}

/// 64 MiB wait for a client that reads nothing: they wait at the workload, not in our memory.
async fn a_slow_reader_costs_no_memory(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let target = route(&world, "raw", &[r#"compress={ "types": ["application/*"] }"#]).await?;
    let path = format!("/bytes/{}", 64 << 20);
    for coding in CODINGS {
        let mut client = target.client(protocol).await?;
        client.get("/warm").await?;
        let before = world.edge.resident_kib()?;
        let mut exchange = client.start(asking(&path, coding)).await?;
        assert_eq!(exchange.head().await?.header("content-encoding"), Some(coding));
        let other = target.client(protocol).await?.get("/other").await?;
        assert_eq!(other.status, 200, "other streams go on");
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let after = world.edge.resident_kib()?;
        assert!(after < before + 16 * 1024, "{coding}: from {before} to {after} KiB");
    }
    Ok(())
}

/// A core has room for fifty-one of these encoders, and an organisation takes half of it at most.
async fn without_room_answers_go_as_they_are(protocol: Protocol) -> Result<()> {
    let world = World::builder().edge(&["--workers", "1"]).start().await?;
    let target = compressing(&world).await?;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
    world.workload.script("/rests", [Step::send(head), Step::Hang]);
    let mut clients = Vec::new();
    for _ in 0..32 {
        clients.push(target.client(protocol).await?);
    }
    let (mut encoded, mut exchanges) = (0, Vec::new());
    for client in &mut clients {
        let mut exchange = client.start(asking("/rests", "br")).await?;
        let coding = exchange.head().await?.header("content-encoding").map(str::to_owned);
        let mut came = Vec::new();
        while came != b"hello" && decoded("br", &came) != b"hello" {
            came.extend(exchange.chunk().await?.context("the stream ended")?);
        }
        assert_eq!(coding.is_none(), came == b"hello");
        encoded += usize::from(coding.is_some());
        exchanges.push(exchange);
    }
    assert_eq!(encoded, 26);
    let metrics = world.admin_get("/metrics").await?;
    let line = format!("mezu_encoded_total{{coding=\"no_room\"}} {}", 32 - encoded);
    assert!(metrics.contains(&line), "{line} is not in {metrics}");
    // What they had comes back.
    drop(exchanges);
    drop(clients);
    until("the end of all", async || world.workload.running().0 == 0).await?;
    world.workload.script("/again", chunked(HTML, &text()));
    let answer = target.client(protocol).await?.send(asking("/again", "br")).await?;
    assert_eq!(answer.header("content-encoding"), Some("br"));
    Ok(())
}

async fn curl_reads_them(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let text = text();
    world.workload.script("/text", chunked(HTML, &text));
    let version = if protocol == Protocol::H1 { "--http1.1" } else { "--http2" };
    for coding in CODINGS {
        let target = route(&world, coding, &[&format!(r#"compress={{ "encodings": ["{coding}"] }}"#)]).await?;
        let mut command = Command::new("curl");
        command.args(["-sSf", version, "--compressed", "--max-time", "30", "-D", "-", "--cacert"]).arg(world.ca());
        command.args(["--resolve", &format!("{}:127.0.0.1", target.authority())]);
        command.arg(format!("https://{}/text", target.authority()));
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let (head, body) = output.stdout.split_at(output.stdout.len() - text.len());
        let head = String::from_utf8_lossy(head);
        assert!(head.contains(&format!("content-encoding: {coding}")), "{head}");
        assert!(body == text, "{coding}");
    }
    Ok(())
}
