//! Whose time it is: the client's, the workload's or the gate's.

use std::time::Duration;

use mezu_model::Limits;

use super::world::{HOST, echo, script, with_edge, with_limits};

fn post(kind: &str, length: usize) -> String {
    format!("POST /x HTTP/1.1\r\nhost: {HOST}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n")
}

/// Little time for workloads, a little more for clients.
fn limits() -> Limits {
    Limits {
        workload_first_byte: Duration::from_millis(200),
        stream_idle: Duration::from_millis(1500),
        min_rate_grace: Duration::from_millis(500),
        min_rate_window: Duration::from_millis(300),
        ..Limits::default()
    }
}

#[test]
fn a_client_that_owes_its_body_is_to_blame_itself() {
    with_limits(1, limits(), |world| async move {
        world.gate(1, 1, echo("one")).await;
        for sent in ["", "half "] {
            let mut client = world.client().await;
            client.send(&post("text/plain", 10)).await;
            client.send(sent).await;
            assert_eq!(client.answer().await.status, 408, "{sent}");
            assert!(client.is_closed().await);
        }
    });
}

#[test]
fn a_workload_that_says_nothing_is_timed_out() {
    with_limits(1, limits(), |world| async move {
        world
            .gate(
                1,
                1,
                script(|mut asked| async move {
                    asked.head().await;
                    std::future::pending().await
                }),
            )
            .await;
        let answer = world.ask(&format!("{}x", post("text/plain", 1))).await;
        assert_eq!((answer.status, answer.field("mezu-code")), (504, Some("MEZU-3002")));
    });
}

/// Servers send the head of such an answer with its first message.
#[test]
fn a_conversation_may_be_silent_before_its_first_message() {
    with_limits(1, limits(), |world| async move {
        world
            .gate(
                1,
                1,
                script(|mut asked| async move {
                    asked.head().await;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    asked.answer(200, b"at last").await;
                }),
            )
            .await;
        let answer = world.ask(&format!("{}x", post("application/grpc+proto", 1))).await;
        assert_eq!((answer.status, answer.text()), (200, "at last"));
    });
}

#[test]
fn the_workload_is_not_blamed_for_a_client_that_reads_slowly() {
    let limits = Limits { stream_idle: Duration::from_millis(200), ..Limits::default() };
    with_limits(1, limits, |world| async move {
        const SIZE: usize = 16 << 20;
        world
            .gate(
                1,
                1,
                script(|mut asked| async move {
                    asked.head().await;
                    asked.answer(200, &vec![b'x'; SIZE]).await;
                }),
            )
            .await;
        let mut client = world.client().await;
        client.send(&format!("GET /x HTTP/1.1\r\nhost: {HOST}\r\n\r\n")).await;
        client.head().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(client.take(SIZE).await.len(), SIZE);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn little_waits_in_the_kernel_for_a_client_that_does_not_read() {
    with_edge(1, |world| async move {
        const SIZE: usize = 32 << 20;
        let sent = std::rc::Rc::new(std::cell::Cell::new(0));
        let counting = sent.clone();
        world
            .gate(
                1,
                1,
                script(move |mut asked| {
                    let sent = counting.clone();
                    async move {
                        asked.head().await;
                        let head = mezu_model::ResponseHead::new(200);
                        asked.stream.send_response(&head, b"", false).unwrap();
                        while sent.get() < SIZE && asked.stream.send(&[b'x'; 16384], false).await.is_ok() {
                            sent.set(sent.get() + 16384);
                        }
                    }
                }),
            )
            .await;
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(64 * 1024).unwrap();
        socket.connect(&world.edge.https_addr().into()).unwrap();
        socket.set_nonblocking(true).unwrap();
        let socket = tokio::net::TcpStream::from_std(socket.into()).unwrap();
        let mut client = world.client_over(socket).await;
        client.send(&format!("GET /x HTTP/1.1\r\nhost: {HOST}\r\n\r\n")).await;
        client.head().await;
        // Until nothing moves any more.
        let mut before = usize::MAX;
        while before != sent.get() {
            before = sent.get();
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        assert!(before < 3 << 19, "{before}");
    });
}
