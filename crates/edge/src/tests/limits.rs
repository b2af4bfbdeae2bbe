//! How many requests there may be at once, and of whom.

use mezu_model::{Limits, ResponseHead};

use super::world::{Client, HOST, Script, World, echo, script, with_limits};

const GET: &str = "GET /x HTTP/1.1\r\nhost: shop.base.test\r\nconnection: close\r\n\r\n";

/// Upgrades what asks for it and then rests; answers the rest.
fn resting() -> Script {
    script(|mut asked| async move {
        let Some(head) = asked.head().await else { return };
        if head.upgrade.is_some() {
            asked.stream.send_response(&ResponseHead::new(101), b"", false).unwrap();
            while asked.stream.recv().await.is_ok() {}
        } else {
            let _ = asked.stream.send_response(&ResponseHead::new(204), b"", true);
        }
    })
}

/// Asks for a WebSocket; the head of the answer, and what keeps it open.
async fn socket(world: &World) -> (Client, String) {
    let mut client = world.client().await;
    client
        .send(&format!(
            "GET / HTTP/1.1\r\nhost: {HOST}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ))
        .await;
    let head = client.head().await;
    (client, head)
}

#[test]
fn websockets_at_rest_take_no_place_from_requests() {
    let limits = Limits { in_flight_per_gate: 3, in_flight_per_org: 2, resting_per_gate: 20, ..Limits::default() };
    with_limits(1, limits, |world| async move {
        world.gate(1, 1, resting()).await;
        let mut sockets = Vec::new();
        for _ in 0..10 {
            let (client, head) = socket(&world).await;
            assert!(head.starts_with("HTTP/1.1 101"), "{head}");
            sockets.push(client);
        }
        for _ in 0..5 {
            assert_eq!(world.ask(GET).await.status, 204);
        }
    });
}

#[test]
fn what_rests_of_one_org_leaves_room_for_the_others() {
    let limits = Limits { in_flight: 8, in_flight_per_org: 2, resting_per_gate: 20, ..Limits::default() };
    with_limits(1, limits, |world| async move {
        world.gate(1, 1, resting()).await;
        let mut held = Vec::new();
        let refusal = loop {
            let (client, head) = socket(&world).await;
            if !head.starts_with("HTTP/1.1 101") {
                break head;
            }
            held.push(client);
        };
        assert!(refusal.contains("MEZU-2008"), "{refusal}");
        // Four at rest, as many as they leave free, and two that are not taken for such any more.
        assert_eq!(held.len(), 6);
    });
}

#[test]
fn an_org_has_a_limit_of_its_own() {
    let limits = Limits { in_flight_per_org: 0, ..Limits::default() };
    with_limits(1, limits, |world| async move {
        world.gate(1, 1, echo("one")).await;
        let answer = world.ask(GET).await;
        assert_eq!((answer.status, answer.field("mezu-code")), (503, Some("MEZU-2008")));
    });
}

#[test]
fn tunnels_are_among_the_connections_that_are_told() {
    with_limits(1, Limits::default(), |world| async move {
        let _tunnels = world.gate(1, 1, echo("one")).await;
        let text = world.edge.metrics().text();
        assert!(text.contains("mezu_connections_open{door=\"gate\"} 1\n"), "{text}");
    });
}
