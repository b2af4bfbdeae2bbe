//! Publishing touches nothing that it is not about: what is open on other routes lives through change upon change.

use crate::matrix;
use anyhow::{Result, ensure};
use mezu_testkit::websocket::{self, TEXT};
use mezu_testkit::workload::Signal;
use mezu_testkit::{Protocol, Request, Step, World};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

matrix!(what_is_open_lives_through_200_publishes);

const PUBLISHES: usize = 200;
const MASK: Option<[u8; 4]> = Some([1, 2, 3, 4]);

async fn what_is_open_lives_through_200_publishes(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let signal = Signal::default();
    script_events(&world, &signal);
    let mut streams = world.target.client(protocol).await?;
    let mut events = streams.start(Request::get("/events")).await?;
    assert_eq!(events.head().await?.status, 200);
    let mut sockets = world.target.client(protocol).await?;
    // On h2 the setting that allows it must have arrived: a plain request first makes sure.
    sockets.get("/first").await?;
    let mut socket = sockets.websocket(Request::get("/ws")).await?;
    let mut buffer = Vec::new();
    let before = tunnels(&world).await?;

    let mut api = UnixStream::connect(world.folder().join("data/admin.sock")).await?;
    for n in 0..PUBLISHES {
        let host = format!("n-{n}.example.com");
        let body = serde_json::json!({ "host": host, "path": "/", "workload": "echo" }).to_string();
        assert_eq!(post(&mut api, "/api/v1/orgs/default/routes", &body).await?, 201);
        if n % 20 == 0 {
            // It is served now, not soon; and what is open answers meanwhile.
            let metrics = world.admin_get("/metrics").await?;
            let routes = value(&metrics, "mezu_snapshot_routes").unwrap_or_default();
            assert_eq!(routes, format!("{}", n + 2), "one beside the default route and those before");
            let text = format!("message {n}");
            socket.send(websocket::frame(TEXT, text.as_bytes(), MASK)).await?;
            let frame = loop {
                if let Some(frame) = websocket::take(&mut buffer)? {
                    break frame;
                }
                buffer.extend(socket.chunk().await?.ok_or_else(|| anyhow::anyhow!("the WebSocket ended"))?);
            };
            assert_eq!(frame.payload, text.as_bytes());
            signal.give();
            assert_eq!(events.chunk().await?.unwrap_or_default(), "data: 1\n\n");
        }
    }
    assert_eq!(tunnels(&world).await?, before, "no tunnel was opened or closed");
    Ok(())
}

/// An event each time that the signal is given.
fn script_events(world: &World, signal: &Signal) {
    let event = "data: 1\n\n";
    let mut steps =
        vec![Step::send("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")];
    for _ in 0..=PUBLISHES {
        steps.push(Step::Wait(signal.clone()));
        steps.push(Step::send(format!("{:x}\r\n{event}\r\n", event.len())));
    }
    world.workload.script("/events", steps);
}

/// Tunnels that have come and gone.
async fn tunnels(world: &World) -> Result<Vec<String>> {
    let metrics = world.admin_get("/metrics").await?;
    let is_count =
        |line: &&str| line.starts_with("mezu_gates_joined_total") || line.starts_with("mezu_gates_left_total");
    let counts: Vec<String> = metrics.lines().filter(is_count).map(str::to_owned).collect();
    ensure!(!counts.is_empty(), "no counts of tunnels in {metrics}");
    Ok(counts)
}

fn value(metrics: &str, name: &str) -> Option<String> {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    Some(line.to_owned())
}

/// Posts JSON and gives the status of the answer, once all of it has been read.
async fn post(socket: &mut UnixStream, path: &str, body: &str) -> Result<u16> {
    let head = "host: mezusphere\r\ncontent-type: application/json";
    let request = format!("POST {path} HTTP/1.1\r\n{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    socket.write_all(request.as_bytes()).await?;
    let mut read = Vec::new();
    loop {
        let got = mezu_testkit::patiently("the API", socket.read_buf(&mut read)).await??;
        ensure!(got > 0, "the API closed the connection");
        let text = String::from_utf8_lossy(&read);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if let Some(length) = length
            && body.len() >= length.parse()?
        {
            return Ok(head.get(9..12).unwrap_or_default().parse()?);
        }
    }
}
