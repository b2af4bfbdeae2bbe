//! Health checks: what the edge is told of a workload, and that requests do not wait for any.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::Duration,
};

use mezu_runtime::{Scope, spawn_local};
use mezu_tunnel::Session;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
    time::timeout,
};
use warpgate::{Health, HealthCheck, Target, WorkloadConfig};

use super::{
    RULES,
    mini_edge::{MiniEdge, Rules, get, local},
};

/// A workload that answers checks as it is told, or not at all for 0, and everything else well.
async fn workload() -> (Target, Arc<AtomicU16>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("127.0.0.1:{}", listener.local_addr().unwrap().port()).parse().unwrap();
    let status = Arc::new(AtomicU16::new(0));
    let said = status.clone();
    spawn_local(&Scope::new(), "workload", async move {
        loop {
            let (mut tcp, _) = listener.accept().await.unwrap();
            let said = said.clone();
            spawn_local(&Scope::new(), "answer", async move {
                let mut heard = Vec::new();
                while !heard.ends_with(b"\r\n\r\n") {
                    if tcp.read_buf(&mut heard).await.unwrap_or(0) == 0 {
                        return;
                    }
                }
                let is_check = heard.starts_with(b"GET /healthz ");
                let status = if is_check { said.load(Ordering::Relaxed) } else { 200 };
                if status == 0 {
                    return std::future::pending().await;
                }
                let answer = format!("HTTP/1.1 {status} Said\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
                let _ = tcp.write_all(answer.as_bytes()).await;
            });
        }
    });
    (target, status)
}

async fn told(session: &Session, known: u64) -> u64 {
    timeout(Duration::from_secs(10), session.unwell(known)).await.unwrap().unwrap()
}

#[test]
fn the_edge_is_told_on_every_connection_and_requests_wait_for_no_check() {
    local(async {
        let mut edge = MiniEdge::start(Rules { workers: 2, ..RULES }).await;
        let (target, status) = workload().await;
        let ms = Duration::from_millis;
        let mut check = HealthCheck::new("/healthz").unwrap();
        (check.interval, check.timeout) = (ms(100), ms(300));
        let mut checked = WorkloadConfig::new("web".parse().unwrap(), target.clone());
        checked.health = Some(check);
        let plain = edge.gate().workload("plain".parse().unwrap(), target);
        let gate = plain.workload_config(checked).start().unwrap();
        let (one, two) = (edge.next().await, edge.next().await);
        // No check has been answered yet; the other workload has none.
        assert_eq!((told(&one, 0).await, told(&two, 0).await), (0b10, 0b10));
        // One hangs this very moment.
        for session in [&one, &two] {
            let asked = timeout(Duration::from_secs(5), get(session, 1, "/page")).await.unwrap();
            assert_eq!(asked, Ok((200, b"ok".to_vec())));
        }
        for (said, bits, health) in [
            (204, 0, Health::Well),
            (500, 0b10, Health::Unwell { why: "its health check answered 500".into() }),
            (302, 0, Health::Well),
            (0, 0b10, Health::Unwell { why: "its health check took too long".into() }),
        ] {
            status.store(said, Ordering::Relaxed);
            assert_eq!((told(&one, bits ^ 0b10).await, told(&two, bits ^ 0b10).await), (bits, bits), "{said}");
            let mut shown = gate.status();
            let seen = shown.wait_for(|status| status.workloads[1].health.as_ref() == Some(&health));
            assert!(timeout(Duration::from_secs(5), seen).await.is_ok(), "{said}");
            assert_eq!(gate.status().borrow().workloads[0].health, None);
        }
        // A connection that comes later is told what holds.
        one.drain();
        let three = edge.next().await;
        assert_eq!(told(&three, 0).await, 0b10);
        status.store(200, Ordering::Relaxed);
        assert_eq!((told(&three, 0b10).await, told(&two, 0b10).await), (0, 0));
        gate.drain();
        gate.ended().await;
    });
}
