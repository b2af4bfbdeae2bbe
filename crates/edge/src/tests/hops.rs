//! Gates whose tunnels end on other workers than the clients' connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mezu_model::Limits;
use mezu_tunnel::carrier::Io;
use mezu_tunnel::proto::Reason;
use tokio::net::TcpStream;

use super::silence::Path;
use super::world::{Script, Tunnel, World, echo, script, with_edge, with_limits};

const GET: &str = "GET /x HTTP/1.1\r\nhost: shop.base.test\r\nconnection: close\r\n\r\n";
const POST: &str = "POST /x HTTP/1.1\r\nhost: shop.base.test\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello";

/// A gate with one tunnel, on another worker than `taken`.
async fn gate_elsewhere(world: &World, gate: u8, taken: u32, script: Script) -> Tunnel {
    let [first, second] = [(); 2].map(|()| world.tunnel(gate, script.clone()));
    // Two tunnels of one gate are never on one worker.
    let (first, second) = (first.await.unwrap(), second.await.unwrap());
    let (keep, other) = if first.welcome.worker == taken { (second, first) } else { (first, second) };
    other.session.drain();
    other.session.closed().await;
    keep
}

#[test]
fn a_refusal_behind_a_hop_leads_to_a_gate_behind_another() {
    with_edge(3, |world| async move {
        let bad = script(|mut asked| async move {
            if asked.head().await.is_some() {
                asked.stream.reset(Reason::WorkloadUnreachable);
            }
        });
        let bad = world.tunnel(1, bad).await.unwrap();
        let _good = gate_elsewhere(&world, 2, bad.welcome.worker, echo("good")).await;
        for request in [GET, POST] {
            for _ in 0..20 {
                let start = Instant::now();
                let answer = world.ask(request).await;
                assert_eq!(answer.status, 200, "{}", answer.text());
                assert!(answer.text().starts_with("good "));
                // Without waiting for one to come.
                assert!(start.elapsed() < Duration::from_millis(900), "{:?}", start.elapsed());
            }
        }
    });
}

#[test]
fn a_silent_gate_behind_a_hop_is_passed_by() {
    with_edge(3, |world| async move {
        let frozen = Arc::new(AtomicBool::new(false));
        let socket = TcpStream::connect(world.edge.https_addr()).await.unwrap();
        let path = Io::Boxed(Box::new(Path { socket, frozen: Arc::clone(&frozen) }));
        let silent = world.tunnel_over(path, 1, echo("silent")).await.unwrap();
        let _good = gate_elsewhere(&world, 2, silent.welcome.worker, echo("good")).await;
        let mut clients = Vec::new();
        for _ in 0..24 {
            clients.push(world.client().await);
        }
        frozen.store(true, Ordering::Relaxed);
        let start = Instant::now();
        for client in &mut clients {
            client.send(GET).await;
        }
        for client in &mut clients {
            assert_eq!(client.answer().await.text(), "good GET /x ");
        }
        // Sooner than the tunnel is given up, which takes 1.5 s.
        assert!(start.elapsed() < Duration::from_millis(1400), "{:?}", start.elapsed());
    });
}

#[test]
fn a_busy_gate_behind_a_hop_is_told_as_busy_at_once() {
    let limits = Limits { in_flight_per_gate: 0, ..Limits::default() };
    with_limits(3, limits, |world| async move {
        let _tunnel = world.tunnel(1, echo("one")).await.unwrap();
        for _ in 0..9 {
            let start = Instant::now();
            let answer = world.ask(GET).await;
            assert_eq!((answer.status, answer.field("mezu-code")), (503, Some("MEZU-2005")));
            assert!(start.elapsed() < Duration::from_millis(900), "{:?}", start.elapsed());
        }
    });
}
