//! Going away without losing anything.

use std::time::Duration;

use mezu_model::{Limits, ResponseHead, known};

use super::world::{HOST, echo, script, with_edge, with_limits};

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: {HOST}\r\n\r\n")
}

#[test]
fn a_request_under_way_is_finished_and_its_connection_closed() {
    with_edge(2, |world| async move {
        let (told, mut heard) = tokio::sync::mpsc::channel(4);
        let go = std::rc::Rc::new(tokio::sync::Notify::new());
        let waits = go.clone();
        let tunnels = world
            .gate(
                1,
                2,
                script(move |mut asked| {
                    let (told, go) = (told.clone(), waits.clone());
                    async move {
                        asked.head().await;
                        told.send(()).await.unwrap();
                        go.notified().await;
                        asked.answer(200, b"late").await;
                    }
                }),
            )
            .await;
        let mut client = world.client().await;
        client.send(&get("/")).await;
        heard.recv().await.unwrap();
        let asks = async {
            // The last listener is closed after the clients were told.
            while tokio::net::TcpStream::connect(world.edge.https_addr()).await.is_ok() {}
            assert!(!world.edge.is_ready());
            go.notify_one();
            assert_eq!(client.answer().await.text(), "late");
            // One that was on its way already is served as well, and is the last.
            client.send(&get("/")).await;
            heard.recv().await.unwrap();
            go.notify_one();
            let answer = client.answer().await;
            assert_eq!((answer.text(), answer.field("connection")), ("late", Some("close")));
            assert!(client.is_closed().await);
        };
        tokio::join!(world.edge.drain(), asks);
        for tunnel in tunnels {
            tunnel.session.closed().await;
        }
        assert!(tokio::net::TcpStream::connect(world.edge.https_addr()).await.is_err());
    });
}

#[test]
fn what_has_no_end_of_its_own_is_ended_when_the_time_is_up() {
    let limits = Limits { drain: Duration::from_millis(300), ..Limits::default() };
    with_limits(1, limits, |world| async move {
        world
            .gate(
                1,
                1,
                script(|mut asked| async move {
                    let Some(head) = asked.head().await else { return };
                    let mut answer = ResponseHead::new(if head.upgrade.is_some() { 101 } else { 200 });
                    if head.upgrade.is_none() {
                        answer.headers.push_known(known::CONTENT_TYPE, b"text/event-stream");
                    }
                    asked.stream.send_response(&answer, b"", false).unwrap();
                    asked.stream.send(b"first", false).await.unwrap();
                    std::future::pending::<()>().await;
                }),
            )
            .await;
        let mut socket = world.client().await;
        socket
            .send(&format!(
                "GET / HTTP/1.1\r\nhost: {HOST}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                 sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            ))
            .await;
        socket.head().await;
        assert_eq!(socket.take(5).await, b"first");
        let mut events = world.client().await;
        events.send(&get("/")).await;
        events.head().await;
        assert_eq!(events.chunk().await.unwrap(), b"first");
        world.edge.drain().await;
        assert!(socket.is_closed().await);
        assert!(events.is_closed().await, "broken off, without a last chunk");
    });
}

#[test]
fn connections_that_wait_to_be_accepted_are_served() {
    with_edge(1, |world| async move {
        world.gate(1, 1, echo("one")).await;
        let mut waiting = Vec::new();
        for _ in 0..20 {
            waiting.push(tokio::net::TcpStream::connect(world.edge.https_addr()).await.unwrap());
        }
        let ask = async {
            for socket in waiting {
                let mut client = world.client_over(socket).await;
                client.send(&get("/")).await;
                assert_eq!(client.answer().await.text(), "one GET / ");
            }
        };
        tokio::join!(world.edge.drain(), ask);
    });
}
