//! Tunnels: where they live, who may open one, and when they are cut.

use std::sync::Arc;
use std::time::Duration;

use mezu_model::Limits;
use mezu_tunnel::ConnectError;
use mezu_tunnel::proto::hello::RefusedCode;

use super::world::{Enrolling, World, echo, with_edge, with_limits};

const GET: &str = "GET /x HTTP/1.1\r\nhost: shop.base.test\r\nconnection: close\r\n\r\n";

#[test]
fn every_worker_gets_one_tunnel_of_a_gate() {
    with_edge(3, |world| async move {
        let tunnels = world.gate(1, 3, echo("one")).await;
        let mut workers: Vec<u32> = tunnels.iter().map(|tunnel| tunnel.welcome.worker).collect();
        workers.sort_unstable();
        assert_eq!(workers, [0, 1, 2]);
        assert_eq!(tunnels[0].welcome.workers, 3);
        assert!(tunnels[0].welcome.workloads[0].url.starts_with("https://shop.base.test:"));
    });
}

#[test]
fn a_worker_without_a_tunnel_hops_to_one_that_has() {
    with_edge(3, |world| async move {
        world.gate(1, 1, echo("one")).await;
        // Connections are spread over the workers: some of these hop.
        for _ in 0..12 {
            assert_eq!(world.ask(GET).await.text(), "one GET /x ");
        }
        let body = "x".repeat(300_000);
        for _ in 0..6 {
            let head = format!("POST /y HTTP/1.1\r\nhost: shop.base.test\r\ncontent-length: {}\r\n\r\n", body.len());
            let mut client = world.client().await;
            client.send(&head).await;
            client.send(&body).await;
            assert!(client.answer().await.text().ends_with(&body));
        }
        let text = world.edge.metrics().text();
        let hops = text.lines().find(|line| line.starts_with("mezu_routed_total{way=\"hop\"}")).unwrap();
        assert!(!hops.ends_with(" 0"), "{hops}");
    });
}

/// Parked requests: with another gate about, a POST waits for the word to go.
#[test]
fn a_parked_request_is_told_to_go_over_a_hop() {
    let limits =
        Limits { drain: Duration::from_secs(5), workload_first_byte: Duration::from_secs(3), ..Limits::default() };
    with_limits(3, limits, |world| async move {
        world.gate(1, 1, echo("one")).await;
        world.gate(2, 1, echo("two")).await;
        // Whole in the first frame, longer than a frame, and longer than a stream's first credit.
        for size in [0, 1000, 40_000, 300_000] {
            let body = "x".repeat(size);
            let request = format!("POST /y HTTP/1.1\r\nhost: shop.base.test\r\ncontent-length: {size}\r\n\r\n{body}");
            for _ in 0..9 {
                let answer = world.ask(&request).await;
                assert_eq!(answer.status, 200, "{size}");
                assert!(answer.text().ends_with(&body), "{size}");
            }
        }
        let text = world.edge.metrics().text();
        let hops = text.lines().find(|line| line.starts_with("mezu_routed_total{way=\"hop\"}")).unwrap();
        assert!(!hops.ends_with(" 0"), "{hops}");
    });
}

#[test]
fn a_revoked_key_loses_its_tunnels_and_gets_no_new_ones() {
    with_edge(2, |world| async move {
        let tunnels = world.gate(1, 2, echo("one")).await;
        revoke(&world);
        for tunnel in &tunnels {
            tunnel.session.closed().await;
        }
        match world.tunnel(1, echo("one")).await {
            Err(ConnectError::Refused(refused)) => assert_eq!(refused.code, RefusedCode::UnknownKey),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("let in"),
        }
    });
}

/// The key was good when the gate knocked, and was revoked while its workloads were looked up.
#[test]
fn a_key_revoked_on_the_way_in_gets_no_tunnel() {
    with_edge(2, |world| async move {
        let inside = world.gate(1, 2, echo("one")).await;
        world.enrolment.send_replace(Enrolling::Held);
        let revoked = async {
            let mut asked = world.enrolment.subscribe();
            asked.wait_for(|state| *state == Enrolling::Asked).await.unwrap();
            revoke(&world);
            // Every worker has heard of it.
            for tunnel in &inside {
                tunnel.session.closed().await;
            }
            world.enrolment.send_replace(Enrolling::AtOnce);
        };
        match tokio::join!(world.tunnel(2, echo("two")), revoked).0 {
            Err(ConnectError::Refused(refused)) => assert_eq!(refused.code, RefusedCode::Revoked),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("let in"),
        }
    });
}

/// A key's scope: where it may be used from, and for what. Narrowed, it cuts the tunnels that it no longer holds.
#[test]
fn a_key_serves_only_what_its_scope_holds() {
    let scopes = [
        r#"{"networks":["203.0.113.0/24","2001:db8::/32"]}"#,
        r#"{"networks":[]}"#,
        r#"{"workloads":["blog","shop2"]}"#,
        r#"{"networks":["127.0.0.0/8"],"workloads":["blog"]}"#,
    ];
    with_edge(2, move |world| async move {
        for scope in scopes {
            narrow(&world, r#"{"networks":["127.0.0.0/8","::1/128"],"workloads":["shop"]}"#);
            served(&world).await;
            let tunnels = world.gate(1, 2, echo("one")).await;
            narrow(&world, scope);
            for tunnel in &tunnels {
                tunnel.session.closed().await;
            }
            match world.tunnel(2, echo("two")).await {
                Err(ConnectError::Refused(refused)) => assert_eq!(refused.code, RefusedCode::NotAllowed, "{scope}"),
                Err(other) => panic!("{scope}: {other}"),
                Ok(_) => panic!("{scope}: let in"),
            }
        }
    });
}

/// Waits until every worker serves the newest snapshot.
async fn served(world: &World) {
    let newest = world.snapshots.borrow().generation;
    while world.edge.generation() < newest {
        tokio::task::yield_now().await;
    }
}

fn narrow(world: &World, scope: &str) {
    let mut snapshot = (**world.snapshots.borrow()).clone();
    snapshot.generation += 1;
    for key in &mut *snapshot.keys {
        key.scope = serde_json::from_str(scope).unwrap();
    }
    world.snapshots.send_replace(Arc::new(snapshot));
}

fn revoke(world: &World) {
    let mut snapshot = (**world.snapshots.borrow()).clone();
    snapshot.generation += 1;
    snapshot.keys.clear();
    world.snapshots.send_replace(Arc::new(snapshot));
}
