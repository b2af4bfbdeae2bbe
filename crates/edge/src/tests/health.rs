//! Gates that say that their workload is not well: out of the choice until they say otherwise, and nothing else changes.

use std::time::Duration;

use mezu_tunnel::proto::hello::{Refused, RefusedCode};

use super::world::{World, echo, with_edge};

async fn ask(world: &World, host: &str) -> (u16, String) {
    let answer = world.ask(&format!("GET /x HTTP/1.1\r\nhost: {host}\r\naccept: application/json\r\n\r\n")).await;
    (answer.status, answer.text().to_owned())
}

/// Waits until the edge knows of so many gates, and so many of them not well.
async fn settled(world: &World, well: u32, unwell: u32) {
    let id = world.snapshots.borrow().workloads[0].id;
    let known = async {
        while (world.edge.gates(id), world.edge.unwell_gates(id)) != (well, unwell) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(5), known).await;
    assert!(in_time.is_ok(), "{} well, {} not", world.edge.gates(id), world.edge.unwell_gates(id));
}

#[test]
fn requests_go_where_the_workload_is_well_and_back_once_it_is_again() {
    with_edge(2, |world| async move {
        let one = world.gate(1, 2, echo("one")).await;
        let two = world.gate(2, 2, echo("two")).await;
        for round in 0..2 {
            one.iter().for_each(|tunnel| tunnel.session.tell_health(1));
            settled(&world, 1, 1).await;
            for _ in 0..10 {
                assert_eq!(ask(&world, "shop.base.test").await, (200, "two GET /x ".into()), "{round}");
            }
            one.iter().for_each(|tunnel| tunnel.session.tell_health(0));
            two.iter().for_each(|tunnel| tunnel.session.tell_health(1));
            settled(&world, 1, 1).await;
            for _ in 0..10 {
                assert_eq!(ask(&world, "shop.base.test").await, (200, "one GET /x ".into()), "{round}");
            }
            two.iter().for_each(|tunnel| tunnel.session.tell_health(0));
            settled(&world, 2, 0).await;
        }
        let told = world.edge.metrics().text();
        assert!(told.lines().any(|line| line == "mezu_gate_health_changes_total 16"), "{told}");
    });
}

#[test]
fn one_tunnel_of_a_gate_that_is_not_well_is_reached_over_none_of_the_others() {
    with_edge(3, |world| async move {
        world.gate(1, 1, echo("well")).await;
        let ill = world.gate(2, 3, echo("ill")).await;
        ill.iter().for_each(|tunnel| tunnel.session.tell_health(u64::MAX));
        settled(&world, 1, 1).await;
        for _ in 0..12 {
            assert_eq!(ask(&world, "shop.base.test").await, (200, "well GET /x ".into()));
        }
    });
}

#[test]
fn where_no_gate_is_well_the_answer_says_so_at_once_and_requests_under_way_go_on() {
    with_edge(1, |world| async move {
        let tunnel = world.tunnel(1, echo("one")).await.unwrap();
        let mut slow = world.client().await;
        slow.send("POST /slow HTTP/1.1\r\nhost: shop.base.test\r\ncontent-length: 4\r\n\r\nab").await;
        // Its head is at the gate: another request on a connection made later has been answered.
        assert_eq!(ask(&world, "shop.base.test").await.0, 200);
        tunnel.session.tell_health(1);
        settled(&world, 0, 1).await;
        let began = std::time::Instant::now();
        let answer = world.ask("GET / HTTP/1.1\r\nhost: shop.base.test\r\naccept: application/json\r\n\r\n").await;
        assert!(answer.status == 503 && answer.text().contains("MEZU-2009"), "{}", answer.text());
        assert_eq!(answer.field("retry-after"), Some("5"));
        // It is not waited for as a gate is that left a moment ago.
        assert!(began.elapsed() < Duration::from_millis(900), "{:?}", began.elapsed());
        slow.send("cd").await;
        assert_eq!(slow.answer().await.text(), "one POST /slow abcd");
        tunnel.session.tell_health(0);
        settled(&world, 1, 0).await;
        assert_eq!(ask(&world, "shop.base.test").await.0, 200);
    });
}

#[test]
fn a_gate_that_goes_while_it_is_not_well_leaves_nothing_behind() {
    with_edge(2, |world| async move {
        let ill = world.gate(1, 2, echo("ill")).await;
        ill.iter().for_each(|tunnel| tunnel.session.tell_health(1));
        settled(&world, 0, 1).await;
        ill[0].session.drain();
        ill[0].session.closed().await;
        settled(&world, 0, 1).await;
        ill[1].session.close(&Refused::new(RefusedCode::Internal, "gone at once"));
        settled(&world, 0, 0).await;
        let (status, body) = ask(&world, "shop.base.test").await;
        assert!(status == 503 && body.contains("MEZU-2001"), "{body}");
        world.gate(1, 2, echo("well")).await;
        settled(&world, 1, 0).await;
        assert_eq!(ask(&world, "shop.base.test").await.0, 200);
    });
}

#[test]
fn a_preview_that_is_not_well_is_there_all_the_same() {
    with_edge(1, |world| async move {
        let preview = world.labelled(1, "pr-7", echo("preview")).await.unwrap();
        preview.session.tell_health(1);
        let ill = async {
            while !ask(&world, "pr-7--shop.base.test").await.1.contains("MEZU-2009") {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), ill).await.unwrap();
        preview.session.tell_health(0);
        let well = async {
            while ask(&world, "pr-7--shop.base.test").await.0 != 200 {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), well).await.unwrap();
    });
}
