//! WebSocket over h1 (RFC 6455) and over h2 (RFC 8441).

use crate::matrix;
use anyhow::Result;
use mezu_testkit::peers::early_tunnel;
use mezu_testkit::websocket::{self, BINARY, CLOSE, Frame, PING, PONG, TEXT};
use mezu_testkit::{Exchange, Protocol, Request, Step, World, until};

matrix!(
    frames_are_echoed,
    a_large_message_comes_back,
    a_subprotocol_is_agreed,
    a_refused_upgrade_is_an_answer,
    the_workload_s_close_reaches_the_client,
    a_client_that_leaves_is_noticed,
);

const MASK: Option<[u8; 4]> = Some([1, 2, 3, 4]);

async fn next(exchange: &mut Exchange<'_>, buffer: &mut Vec<u8>) -> Result<Frame> {
    loop {
        if let Some(frame) = websocket::take(buffer)? {
            return Ok(frame);
        }
        buffer.extend(exchange.chunk().await?.ok_or_else(|| anyhow::anyhow!("ended"))?);
    }
}

/// On h2 the setting that allows it must have arrived: a plain request first makes sure.
async fn open(client: &mut mezu_testkit::Client, request: Request) -> Result<Exchange<'_>> {
    client.get("/first").await?;
    client.websocket(request).await
}

async fn frames_are_echoed(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let mut client = world.target.client(protocol).await?;
    let mut socket = open(&mut client, Request::get("/ws?x=1")).await?;
    let mut buffer = Vec::new();
    for (opcode, reply) in [(TEXT, TEXT), (BINARY, BINARY), (PING, PONG)] {
        socket.send(websocket::frame(opcode, b"hello", MASK)).await?;
        let frame = next(&mut socket, &mut buffer).await?;
        assert_eq!((frame.opcode(), frame.payload.as_slice()), (reply, &b"hello"[..]));
    }
    let seen = &world.workload.seen_at("/ws")[0];
    assert_eq!((seen.method(), seen.target()), ("GET", "/ws?x=1"));
    assert_eq!(seen.header("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.header("sec-websocket-version"), ["13"]);
    Ok(())
}

async fn a_large_message_comes_back(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let mut client = world.target.client(protocol).await?;
    let mut socket = open(&mut client, Request::get("/ws")).await?;
    let payload = vec![b'm'; 300_000];
    let mut buffer = Vec::new();
    for _ in 0..5 {
        socket.send(websocket::frame(BINARY, &payload, MASK)).await?;
        assert_eq!(next(&mut socket, &mut buffer).await?.payload, payload);
    }
    Ok(())
}

async fn a_subprotocol_is_agreed(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let mut client = world.target.client(protocol).await?;
    open(
        &mut client,
        Request::get("/ws").header("sec-websocket-protocol", "chat, other").header("origin", "https://a.example"),
    )
    .await?;
    let seen = &world.workload.seen_at("/ws")[0];
    assert_eq!(seen.header("sec-websocket-protocol"), ["chat, other"]);
    assert_eq!(seen.header("origin"), ["https://a.example"]);
    Ok(())
}

async fn a_refused_upgrade_is_an_answer(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    world.workload.script("/no", [Step::send("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno")]);
    let mut client = world.target.client(protocol).await?;
    let refused = open(&mut client, Request::get("/no")).await.err().unwrap();
    assert!(format!("{refused:#}").contains("403"), "{refused:#}");
    Ok(())
}

async fn the_workload_s_close_reaches_the_client(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let mut client = world.target.client(protocol).await?;
    let mut socket = open(&mut client, Request::get("/ws")).await?;
    socket.send(websocket::frame(CLOSE, &[3, 232], MASK)).await?;
    let mut buffer = Vec::new();
    assert_eq!(next(&mut socket, &mut buffer).await?.opcode(), CLOSE);
    assert_eq!(socket.chunk().await?, None);
    Ok(())
}

async fn a_client_that_leaves_is_noticed(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let mut client = world.target.client(protocol).await?;
    let socket = open(&mut client, Request::get("/ws")).await?;
    assert_eq!(world.workload.running().0, 1);
    drop(socket);
    drop(client);
    until("the workload's socket to close", async || world.workload.running().0 == 0).await
}

/// The workload says 200: what follows in the client's bytes is a request of its own or nothing, never a tunnel.
#[tokio::test]
async fn bytes_behind_a_refused_upgrade_are_no_tunnel() -> Result<()> {
    let world = World::start().await?;
    world.workload.script("/page", [Step::send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")]);
    let answers = early_tunnel::run(&world.target, "/page").await?;
    assert!(!answers.is_empty() && answers.iter().all(|answer| answer.status == 200 || answer.status == 400));
    let smuggled = world.workload.seen_at("/smuggled");
    assert_eq!(smuggled.len(), answers.len() - 1, "a second request is answered as one, or not at all");
    assert!(smuggled.iter().all(|seen| seen.header("x-forwarded-for") == ["127.0.0.1"]));
    Ok(())
}

/// An accept that does not fit the key means that the other side is no WebSocket server.
#[tokio::test]
async fn a_wrong_accept_is_a_bad_answer() -> Result<()> {
    let world = World::start().await?;
    let wrong = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: AAAA\r\n\r\n";
    world.workload.script("/wrong", [Step::send(wrong), Step::Hang]);
    let refused = world.target.h1().await?.websocket(Request::get("/wrong")).await.err().unwrap();
    assert!(format!("{refused:#}").contains("502"), "{refused:#}");
    Ok(())
}
