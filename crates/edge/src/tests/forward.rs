//! One gate, one request after another.

use mezu_model::{ResponseHead, known};
use mezu_tunnel::proto::Incoming;

use super::world::{HOST, Script, World, echo, script, with_edge};

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: {HOST}\r\n\r\n")
}

#[test]
fn requests_reach_the_workload_and_answers_the_client() {
    with_edge(1, |world| async move {
        world.gate(1, 1, echo("one")).await;
        let mut client = world.client().await;
        for path in ["/a", "/b"] {
            client.send(&get(path)).await;
            let answer = client.answer().await;
            assert_eq!((answer.status, answer.text()), (200, format!("one GET {path} ").as_str()));
            assert_eq!(answer.field("via"), Some("1.1 mezusphere"));
            assert_eq!(answer.field("mezu-ray").map(str::len), Some(32));
        }
        client.send(&format!("POST /c HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 5\r\n\r\nhello")).await;
        assert_eq!(client.answer().await.text(), "one POST /c hello");
        let head = format!("POST /d HTTP/1.1\r\nhost: {HOST}\r\ntransfer-encoding: chunked\r\n\r\n");
        client.send(&head).await;
        client.send("5\r\nhello\r\n").await;
        client.send("6\r\n world\r\n0\r\n\r\n").await;
        assert_eq!(client.answer().await.text(), "one POST /d hello world");
    });
}

#[test]
fn large_bodies_pass_both_ways_under_back_pressure() {
    with_edge(1, |world| async move {
        world
            .gate(
                1,
                1,
                script(|mut asked| async move {
                    if asked.head().await.is_none() {
                        return;
                    }
                    let mut head = ResponseHead::new(200);
                    head.headers.push_known(known::CONTENT_TYPE, b"text/plain");
                    asked.stream.send_response(&head, b"", false).unwrap();
                    let body = asked.rest().await;
                    asked.stream.send(&body, true).await.unwrap();
                }),
            )
            .await;
        let mut client = world.client().await;
        let body = "0123456789abcdef".repeat(256 * 1024);
        let head = format!("PUT / HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: {}\r\n\r\n", body.len());
        client.send(&head).await;
        client.send(&body).await;
        let answer = client.answer().await;
        assert!(answer.body == body.as_bytes(), "{} of {}", answer.body.len(), body.len());
    });
}

#[test]
fn events_go_out_as_they_come() {
    with_edge(1, |world| async move {
        world
            .gate(
                1,
                1,
                script(|mut asked| async move {
                    asked.head().await;
                    let mut head = ResponseHead::new(200);
                    head.headers.push_known(known::CONTENT_TYPE, b"text/event-stream");
                    asked.stream.send_response(&head, b"", false).unwrap();
                    asked.stream.send(b"data: 1\n\n", false).await.unwrap();
                    // The second only once the client has the first: it asks for it by its body.
                    while !matches!(asked.stream.recv().await, Ok(Incoming::Data(_))) {}
                    asked.stream.send(b"data: 2\n\n", true).await.unwrap();
                }),
            )
            .await;
        let mut client = world.client().await;
        client.send(&format!("POST / HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 2\r\n\r\n")).await;
        client.head().await;
        assert_eq!(client.chunk().await.unwrap(), b"data: 1\n\n");
        client.send("go").await;
        assert_eq!(client.chunk().await.unwrap(), b"data: 2\n\n");
        assert_eq!(client.chunk().await, None);
    });
}

#[test]
fn an_interim_answer_is_relayed_before_the_body_is_sent() {
    with_edge(1, |world| async move {
        world
            .gate(
                1,
                1,
                script(|mut asked| async move {
                    asked.head().await;
                    asked.stream.send_response(&ResponseHead::new(100), b"", false).unwrap();
                    let body = asked.rest().await;
                    asked.answer(200, &body).await;
                }),
            )
            .await;
        let mut client = world.client().await;
        let head = format!("POST / HTTP/1.1\r\nhost: {HOST}\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n");
        client.send(&head).await;
        assert!(client.head().await.starts_with("HTTP/1.1 100"));
        client.send("body").await;
        assert_eq!(client.answer().await.text(), "body");
    });
}

#[test]
fn an_upgrade_becomes_a_pipe_with_half_closes() {
    with_edge(1, |world| async move {
        world
            .gate(
                1,
                1,
                script(|mut asked| async move {
                    asked.head().await;
                    asked.stream.send_response(&ResponseHead::new(101), b"", false).unwrap();
                    let Ok(Incoming::Data(data)) = asked.stream.recv().await else { return };
                    asked.stream.send(&data, true).await.unwrap();
                }),
            )
            .await;
        let mut client = world.client().await;
        client
            .send(&format!(
                "GET / HTTP/1.1\r\nhost: {HOST}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            ))
            .await;
        let head = client.head().await;
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        client.send("raw").await;
        assert_eq!(client.take(3).await, b"raw");
    });
}

#[test]
fn a_switch_that_nobody_asked_for_is_refused() {
    with_edge(1, |world| async move {
        world
            .gate(
                1,
                1,
                script(|mut asked| async move {
                    asked.head().await;
                    let _ = asked.stream.send_response(&ResponseHead::new(101), b"", false);
                    let _ = asked.stream.recv().await;
                }),
            )
            .await;
        assert_eq!(world.ask(&get("/")).await.status, 502);
    });
}

#[test]
fn an_answer_that_breaks_off_is_never_ended_cleanly() {
    with_edge(1, |world| async move {
        world
            .gate(
                1,
                1,
                script(|mut asked| async move {
                    asked.head().await;
                    asked.stream.send_response(&ResponseHead::new(200), b"", false).unwrap();
                    asked.stream.send(b"half", false).await.unwrap();
                    // The client has it when it sends its body.
                    while !matches!(asked.stream.recv().await, Ok(Incoming::Data(_))) {}
                    asked.stream.reset(mezu_tunnel::proto::Reason::WorkloadFailed);
                }),
            )
            .await;
        let mut client = world.client().await;
        client.send(&format!("POST / HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 9\r\n\r\n")).await;
        client.head().await;
        assert_eq!(client.chunk().await.unwrap(), b"half");
        client.send("more").await;
        assert!(client.is_closed().await);
    });
}

#[test]
fn hosts_without_a_gate_or_a_route_say_so() {
    with_edge(1, |world| async move {
        let answer = world.ask(&get("/")).await;
        assert_eq!((answer.status, answer.field("mezu-code")), (503, Some("MEZU-2001")));
        let answer = world.ask("GET / HTTP/1.1\r\nhost: other.test\r\n\r\n").await;
        assert_eq!(answer.status, 421);
    });
}

#[test]
fn a_client_that_leaves_takes_its_request_along() {
    with_edge(1, |world| async move {
        let (told, mut heard) = tokio::sync::mpsc::channel(4);
        world
            .gate(
                1,
                1,
                script(move |mut asked| {
                    let told = told.clone();
                    async move {
                        asked.head().await;
                        told.send("came").await.unwrap();
                        while asked.stream.recv().await.is_ok() {}
                        told.send("reset").await.unwrap();
                    }
                }),
            )
            .await;
        let mut client = world.client().await;
        client.send(&format!("POST / HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: 9\r\n\r\nhalf")).await;
        assert_eq!(heard.recv().await, Some("came"));
        drop(client);
        assert_eq!(heard.recv().await, Some("reset"));
    });
}

/// Answers an upgrade as a workload that does not know it.
fn answers_200() -> Script {
    script(|mut asked| async move {
        asked.head().await;
        asked.answer(200, b"\x81\x05hello").await;
    })
}

/// The status that an HTTP/2 client gets to its WebSocket.
async fn websocket_h2(world: &World) -> u16 {
    let mut client = world.client_h2().await;
    while !client.is_extended_connect_protocol_enabled() {
        tokio::task::yield_now().await;
    }
    let mut request = http::Request::builder()
        .method("CONNECT")
        .uri(format!("https://{HOST}/ws"))
        .header("sec-websocket-version", "13")
        .body(())
        .unwrap();
    request.extensions_mut().insert(h2::ext::Protocol::from_static("websocket"));
    let (response, _stream) = client.send_request(request, false).unwrap();
    response.await.unwrap().status().as_u16()
}

/// Over HTTP/2 a 200 would say that the WebSocket is open (RFC 8441 §5), over HTTP/1 it is an answer like any other.
#[test]
fn an_upgrade_that_the_workload_ignored_is_not_told_as_one() {
    with_edge(1, |world| async move {
        world.gate(1, 1, answers_200()).await;
        assert_eq!(websocket_h2(&world).await, 502);
        let upgrade = "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\n\
                       sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let answer = world.ask(&format!("GET /ws HTTP/1.1\r\nhost: {HOST}\r\n{upgrade}\r\n")).await;
        assert_eq!(answer.status, 200);
    });
}
