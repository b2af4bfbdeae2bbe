#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
//! Warpgate as a library against a small edge: connections come, go and come again.

mod health;
mod mini_edge;
mod proxies;

use mezu_tunnel::proto::{Reason, hello::RefusedCode};
use mini_edge::{MiniEdge, Rules, get, local};
use std::sync::Arc;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    sync::{Semaphore, mpsc},
};
use warpgate::{Ended, Link, Target};

const RULES: Rules = Rules { workers: 1, refuse: None, refused: None, permits: None };

/// A workload that tells each request's arrival and waits for leave to answer.
pub(crate) struct Slow {
    pub target: Target,
    pub arrived: mpsc::Receiver<()>,
    pub leave: mpsc::Sender<()>,
}

pub(crate) async fn slow() -> Slow {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("127.0.0.1:{}", listener.local_addr().unwrap().port()).parse().unwrap();
    let (tell, arrived) = mpsc::channel(8);
    let (leave, mut left) = mpsc::channel(8);
    mezu_runtime::spawn_local(&mezu_runtime::Scope::new(), "workload", async move {
        loop {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let mut heard = Vec::new();
            while !heard.ends_with(b"\r\n\r\n") {
                if tcp.read_buf(&mut heard).await.unwrap() == 0 {
                    break;
                }
            }
            tell.send(()).await.unwrap();
            left.recv().await.unwrap();
            tcp.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
        }
    });
    Slow { target, arrived, leave }
}

fn folder() -> (tempfile::TempDir, Target) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.txt"), "hello").unwrap();
    let target = format!("file://{}", dir.path().display()).parse().unwrap();
    (dir, target)
}

#[test]
fn it_holds_a_connection_per_worker_and_serves_on_each() {
    local(async {
        let mut edge = MiniEdge::start(Rules { workers: 3, ..RULES }).await;
        let (_dir, target) = folder();
        let gate = edge.gate().workload("web".parse().unwrap(), target).start().unwrap();
        assert_eq!(gate.urls().await.unwrap(), ["https://web.edge.test"]);
        for _ in 0..3 {
            let session = edge.next().await;
            assert_eq!(get(&session, 0, "/a.txt").await, Ok((200, b"hello".to_vec())));
            assert_eq!(get(&session, 1, "/a.txt").await, Err(Reason::Refused), "a workload that nobody gave");
        }
        let mut status = gate.status();
        status.wait_for(|status| status.online() == 3).await.unwrap();
        gate.drain();
        assert_eq!(gate.ended().await, Ended::Drained);
    });
}

#[test]
fn it_holds_no_more_connections_than_allowed() {
    local(async {
        let mut edge = MiniEdge::start(Rules { workers: 64, ..RULES }).await;
        let (_dir, target) = folder();
        let gate = edge.gate().connections(2).workload("web".parse().unwrap(), target).start().unwrap();
        let (first, second) = (edge.next().await, edge.next().await);
        gate.status().wait_for(|status| status.online() == 2).await.unwrap();
        assert_eq!(gate.status().borrow().links.len(), 2);
        assert_eq!(first.gate_id(), second.gate_id());
    });
}

#[test]
fn it_comes_back_when_the_connection_is_lost_or_drained() {
    local(async {
        let mut edge = MiniEdge::start(RULES).await;
        let (_dir, target) = folder();
        let gate = edge.gate().workload("web".parse().unwrap(), target).start().unwrap();
        let first = edge.next().await;
        first.close(&mezu_tunnel::proto::hello::Refused::new(RefusedCode::Draining, "restart"));
        let second = edge.next().await;
        assert_eq!(get(&second, 0, "/a.txt").await.unwrap().0, 200);
        second.drain();
        let third = edge.next().await;
        assert_eq!(get(&third, 0, "/a.txt").await.unwrap().0, 200);
        gate.status().wait_for(warpgate::Status::is_online).await.unwrap();
    });
}

#[test]
fn a_refusal_that_will_not_change_ends_it_with_the_edges_words() {
    local(async {
        let edge = MiniEdge::start(Rules { refuse: Some(RefusedCode::UnknownKey), ..RULES }).await;
        let (_dir, target) = folder();
        let gate = edge.gate().workload("web".parse().unwrap(), target).start().unwrap();
        let refused = Ended::Refused { code: "unknown_key".into(), message: "because the test says so".into() };
        assert_eq!(gate.urls().await, Err(refused.clone()));
        assert_eq!(gate.ended().await, refused);
    });
}

#[test]
fn the_word_of_one_address_does_not_end_it_where_another_takes_it_in() {
    for code in [RefusedCode::UnknownKey, RefusedCode::Version] {
        local(async {
            let (tell, mut refusals) = mpsc::channel(64);
            let refusing = Rules { refuse: Some(code), refused: Some(tell), workers: 2, permits: None };
            let mut edge = MiniEdge::start(refusing.clone()).await;
            edge.also_at_ipv6(Rules { workers: 2, ..RULES }).await;
            let (_dir, target) = folder();
            let gate = edge.gate().workload("web".parse().unwrap(), target).start().unwrap();
            // The first address refuses, the other holds all the connections that are wanted.
            refusals.recv().await.unwrap();
            let (first, second) = (edge.next().await, edge.next().await);
            gate.status().wait_for(|status| status.online() == 2).await.unwrap();
            for session in [&first, &second] {
                assert_eq!(get(session, 0, "/a.txt").await.unwrap().0, 200);
            }
            assert_eq!(gate.status().borrow().ended, None);
            // A connection that is lost is made anew past the address that refuses.
            first.close(&mezu_tunnel::proto::hello::Refused::new(RefusedCode::Draining, "restart"));
            assert_eq!(get(&edge.next().await, 0, "/a.txt").await.unwrap().0, 200);
        });
    }
}

#[test]
fn addresses_that_all_refuse_end_it_and_so_does_one_that_knows_of_a_revocation() {
    local(async {
        let (tell, mut refusals) = mpsc::channel(64);
        let refusing = |code| Rules { refuse: Some(code), refused: Some(tell.clone()), ..RULES };
        let edge = MiniEdge::start(refusing(RefusedCode::UnknownKey)).await;
        edge.also_at_ipv6(refusing(RefusedCode::Version)).await;
        let (_dir, target) = folder();
        let gate = edge.gate().workload("web".parse().unwrap(), target.clone()).start().unwrap();
        assert!(matches!(gate.ended().await, Ended::Refused { .. }));
        for _ in 0..2 {
            refusals.recv().await.unwrap();
        }
        assert!(refusals.try_recv().is_err(), "each is asked once");

        let edge = MiniEdge::start(refusing(RefusedCode::Revoked)).await;
        edge.also_at_ipv6(RULES).await;
        let gate = edge.gate().workload("web".parse().unwrap(), target).start().unwrap();
        assert!(matches!(gate.ended().await, Ended::Refused { code, .. } if code == "revoked"));
    });
}

#[test]
fn trouble_that_may_pass_does_not_end_it() {
    local(async {
        let edge = MiniEdge::start(Rules { refuse: Some(RefusedCode::Overloaded), ..RULES }).await;
        let (_dir, target) = folder();
        let gate = edge.gate().workload("web".parse().unwrap(), target.clone()).start().unwrap();
        let waiting = |status: &warpgate::Status| status.links.iter().any(|link| matches!(link, Link::Waiting { .. }));
        gate.status().wait_for(waiting).await.unwrap();
        assert_eq!(gate.status().borrow().ended, None);
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let nowhere = warpgate::Warpgate::builder()
            .edge(format!("localhost:{free}").parse().unwrap())
            .key(warpgate::Seed::from_bytes([7; 32]))
            .ca(&edge.ca)
            .workload("web".parse().unwrap(), target)
            .start()
            .unwrap();
        nowhere.status().wait_for(waiting).await.unwrap();
        nowhere.drain();
        assert_eq!(nowhere.ended().await, Ended::Drained);
    });
}

#[test]
fn a_drain_finishes_what_is_in_flight() {
    local(async {
        let mut edge = MiniEdge::start(RULES).await;
        let mut slow = slow().await;
        let gate = edge.gate().workload("web".parse().unwrap(), slow.target.clone()).start().unwrap();
        let session = edge.next().await;
        let asked = get(&session, 0, "/");
        let drained = async {
            slow.arrived.recv().await.unwrap();
            gate.drain();
            session.draining().await;
            slow.leave.send(()).await.unwrap();
            gate.ended().await
        };
        let (answer, ended) = tokio::join!(asked, drained);
        assert_eq!((answer, ended), (Ok((200, b"ok".to_vec())), Ended::Drained));
    });
}

#[test]
fn a_connection_that_stands_only_as_it_stops_is_drained_too() {
    local(async {
        let permits = Arc::new(Semaphore::new(0));
        let mut edge = MiniEdge::start(Rules { workers: 2, permits: Some(permits.clone()), ..RULES }).await;
        let (_dir, target) = folder();
        let gate = edge.gate().workload("web".parse().unwrap(), target).start().unwrap();
        let first = edge.next().await;
        gate.status().wait_for(|status| status.links.len() == 2).await.unwrap();
        gate.drain();
        first.draining().await;
        permits.add_permits(1);
        let second = edge.next().await;
        assert_eq!(get(&second, 0, "/a.txt").await.unwrap().0, 200);
        assert_eq!(gate.ended().await, Ended::Drained);
    });
}

#[test]
fn in_process_workloads_are_served_across_threads() {
    local(async {
        let mut edge = MiniEdge::start(RULES).await;
        let (target, mut acceptor) = Target::in_process();
        let _gate = edge.gate().workload("web".parse().unwrap(), target).start().unwrap();
        mezu_runtime::spawn_local(&mezu_runtime::Scope::new(), "server", async move {
            let mut connection = acceptor.accept().await.unwrap();
            let mut heard = Vec::new();
            while connection.read_buf(&mut heard).await.unwrap() > 0 {
                if heard.ends_with(b"\r\n\r\n") {
                    heard.clear();
                    connection.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
                }
            }
        });
        let session = edge.next().await;
        for _ in 0..3 {
            assert_eq!(get(&session, 0, "/").await, Ok((200, b"ok".to_vec())));
        }
    });
}
