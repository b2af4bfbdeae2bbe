//! How long connections live and what ends them (threat 9, drain).

use std::time::Duration;

use tokio::{io::AsyncWriteExt, time::Instant};

use super::{Peer, run, status, talk};
use crate::http::ClientGone;

const GET: &str = "GET /early HTTP/1.1\r\nHost: a.test\r\n\r\n";
const EARLY: &str = "HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 5\r\n\r\nearly";
const EARLY_CLOSE: &str = "HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 5\r\nconnection: close\r\n\r\nearly";

#[test]
fn pipelined_requests_are_answered_in_order() {
    run(async {
        let get = |n: usize| format!("GET /{n} HTTP/1.1\r\nHost: a.test\r\n\r\n");
        let raw: String = (0..50).map(get).collect();
        let (answer, seen) = talk(raw).await;
        assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 50);
        assert_eq!(seen, (0..50).map(|n| format!("GET a.test /{n}")).collect::<Vec<_>>());
    });
}

#[test]
fn persistence_by_version_and_connection() {
    run(async {
        for (raw, answers) in [
            (GET.repeat(2), format!("{EARLY}{EARLY}")),
            (GET.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").repeat(2), EARLY_CLOSE.to_owned()),
            (GET.replace("1.1", "1.0").repeat(2), EARLY_CLOSE.to_owned()),
            (
                GET.replace("1.1", "1.0").replace("\r\n\r\n", "\r\nConnection: Keep-Alive\r\n\r\n").repeat(2),
                EARLY_CLOSE.replace("close", "keep-alive").repeat(2),
            ),
        ] {
            assert_eq!(talk(&raw).await.0, answers, "{raw}");
        }
    });
}

#[test]
fn a_head_must_arrive_in_time_however_it_trickles() {
    run(async {
        let mut peer = Peer::new();
        let start = Instant::now();
        for byte in "GET / HTTP/1.1\r\n".bytes() {
            peer.send([byte]).await;
            tokio::time::advance(Duration::from_millis(500)).await;
        }
        assert_eq!(status(&peer.rest().await), 408);
        assert!(start.elapsed() <= Duration::from_secs(13), "{:?}", start.elapsed());
    });
}

#[test]
fn idle_connections_are_closed_without_an_answer() {
    run(async {
        let mut peer = Peer::new();
        for _ in 0..3 {
            peer.send(GET).await;
            assert_eq!(peer.until("early").await, EARLY);
            tokio::time::sleep(Duration::from_secs(50)).await;
        }
        let start = Instant::now();
        assert_eq!(peer.rest().await, "");
        let waited = start.elapsed().as_secs();
        assert!((9..=11).contains(&waited), "{waited}");
    });
}

#[test]
fn slow_bodies_are_cut_off_and_steady_ones_are_not() {
    run(async {
        let mut peer = Peer::new();
        peer.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\n").await;
        let start = Instant::now();
        while !peer.front.is_finished() && start.elapsed() < Duration::from_secs(120) {
            let _ = peer.io.write_all(b"x").await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert!(start.elapsed() < Duration::from_secs(50), "{:?}", start.elapsed());
        assert_eq!(peer.toy.gone.get(), Some(ClientGone::TooSlow));
        let answer = peer.rest().await;
        assert!(answer.starts_with("HTTP/1.1 408 ") && answer.contains("connection: close"), "{answer}");

        let mut peer = Peer::new();
        peer.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 120000\r\n\r\n").await;
        for _ in 0..120 {
            peer.send("x".repeat(1000)).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(status(&peer.until("x").await), 200);
    });
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    run(async {
        let mut peer = Peer::with(4096);
        peer.send("GET /big HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
        let start = Instant::now();
        (&mut peer.front).await.unwrap();
        // What the connection held counts as taken.
        assert!(start.elapsed() < Duration::from_secs(50), "{:?}", start.elapsed());
        assert_eq!(peer.toy.gone.get(), Some(ClientGone::TooSlow));
    });
}

/// What the kernels at both ends hold shows a slow reader's progress only now and then, in large steps.
#[test]
fn a_client_that_reads_slowly_in_large_steps_is_served() {
    run(async {
        let mut peer = Peer::with(32 * 1024);
        peer.send("GET /big HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
        let mut step = vec![0; 32 * 1024];
        for _ in 0..32 {
            tokio::io::AsyncReadExt::read_exact(&mut peer.io, &mut step).await.unwrap();
            // 655 bytes per second.
            tokio::time::sleep(Duration::from_secs(50)).await;
        }
        assert_eq!(peer.toy.gone.get(), None);
    });
}

#[test]
fn a_half_close_is_not_the_end_but_a_close_is() {
    run(async {
        let (answer, _) = talk("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc").await;
        assert!(answer.ends_with("\r\n\r\nabc"), "{answer}");

        let mut peer = Peer::new();
        peer.send("GET /hang HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
        peer.io.shutdown().await.unwrap();
        tokio::time::sleep(Duration::from_secs(100)).await;
        assert!(!peer.front.is_finished());
    });
}

#[test]
fn a_head_cut_short_is_dropped_silently() {
    run(async {
        for raw in ["", "\r\n", "\r", "GET", "GET / HTTP/1.1\r\nHost: a.te"] {
            assert_eq!(talk(raw).await, (String::new(), vec![]), "{raw:?}");
        }
    });
}

#[test]
fn drain_lets_clients_finish_and_send_one_more() {
    run(async {
        let mut peer = Peer::new();
        peer.send(GET).await;
        peer.until("early").await;
        peer.drain.begin();
        tokio::time::sleep(Duration::from_secs(4)).await;
        peer.send(GET.repeat(2)).await;
        assert_eq!(peer.rest().await, EARLY_CLOSE);

        // An idle one is let go.
        let mut peer = Peer::new();
        peer.send(GET).await;
        peer.until("early").await;
        tokio::task::yield_now().await;
        peer.drain.begin();
        let start = Instant::now();
        assert_eq!(peer.rest().await, "");
        assert!(start.elapsed() <= Duration::from_secs(6), "{:?}", start.elapsed());
    });
}

#[test]
fn large_answers_arrive_whole_through_a_narrow_pipe() {
    run(async {
        let mut peer = Peer::with(1000);
        peer.send("GET /big HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n").await;
        let answer = peer.rest().await;
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(body.len(), 1 << 20);
    });
}
