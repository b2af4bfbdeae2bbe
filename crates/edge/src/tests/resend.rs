//! A gate fails and another one is there, or comes.

use std::cell::Cell;
use std::rc::Rc;

use mezu_model::ResponseHead;
use mezu_tunnel::proto::Reason;

use super::world::{HOST, Script, World, echo, script, with_edge};

const GET: &str = "GET /x HTTP/1.1\r\nhost: shop.base.test\r\n\r\n";

fn post(body: &str) -> String {
    format!("POST /x HTTP/1.1\r\nhost: {HOST}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

/// Counts what it delivers to its workload, then dies without an answer.
fn dies_after_delivery(delivered: &Rc<Cell<u32>>) -> Script {
    let delivered = Rc::clone(delivered);
    script(move |mut asked| {
        let delivered = Rc::clone(&delivered);
        async move {
            if asked.head().await.is_some() {
                delivered.set(delivered.get() + 1);
                asked.stream.session().close(&closing());
            }
        }
    })
}

fn closing() -> mezu_tunnel::proto::hello::Refused {
    mezu_tunnel::proto::hello::Refused {
        code: mezu_tunnel::proto::hello::RefusedCode::Internal,
        message: String::new(),
        retry_after_ms: None,
    }
}

/// Dies with the parked request in hand, before it says that it is ready.
fn dies_while_parked(seen: &Rc<Cell<u32>>) -> Script {
    let seen = Rc::clone(seen);
    script(move |mut asked| {
        let seen = Rc::clone(&seen);
        async move {
            if asked.parked_head().await.is_some_and(|(_, parked)| parked) {
                seen.set(seen.get() + 1);
                asked.stream.session().close(&closing());
            }
        }
    })
}

/// Sends requests until the bad gate has had one; all must be answered by the good one.
async fn until_seen(world: &World, seen: &Cell<u32>, request: &str, expected: &str) {
    while seen.get() == 0 {
        let answer = world.ask(request).await;
        assert_eq!((answer.status, answer.text()), (200, expected));
    }
}

#[test]
fn an_idempotent_request_survives_the_death_of_its_gate() {
    with_edge(1, |world| async move {
        let delivered = Rc::new(Cell::new(0));
        world.gate(1, 1, dies_after_delivery(&delivered)).await;
        world.gate(2, 1, echo("good")).await;
        until_seen(&world, &delivered, GET, "good GET /x ").await;
    });
}

#[test]
fn a_post_that_was_not_told_to_go_is_sent_elsewhere_with_its_body() {
    with_edge(1, |world| async move {
        let seen = Rc::new(Cell::new(0));
        world.gate(1, 1, dies_while_parked(&seen)).await;
        world.gate(2, 1, echo("good")).await;
        until_seen(&world, &seen, &post("hello"), "good POST /x hello").await;
    });
}

#[test]
fn a_post_that_was_told_to_go_is_never_sent_twice() {
    with_edge(1, |world| async move {
        let delivered = Rc::new(Cell::new(0));
        world.gate(1, 1, dies_after_delivery(&delivered)).await;
        world.gate(2, 1, echo("good")).await;
        while delivered.get() == 0 {
            let answer = world.ask(&post("hello")).await;
            assert_eq!(answer.status, if delivered.get() == 0 { 200 } else { 502 });
        }
        assert_eq!(delivered.get(), 1);
    });
}

#[test]
fn a_refusal_before_the_workload_saw_it_is_free() {
    with_edge(1, |world| async move {
        let refused = Rc::new(Cell::new(0));
        let counting = Rc::clone(&refused);
        world
            .gate(
                1,
                1,
                script(move |mut asked| {
                    let refused = Rc::clone(&counting);
                    async move {
                        if asked.head().await.is_some() {
                            refused.set(refused.get() + 1);
                            asked.stream.reset(Reason::WorkloadUnreachable);
                        }
                    }
                }),
            )
            .await;
        world.gate(2, 1, echo("good")).await;
        until_seen(&world, &refused, &post("hello"), "good POST /x hello").await;
        assert!(refused.get() > 0);
    });
}

#[test]
fn with_one_gate_an_unreachable_workload_is_told_at_once() {
    with_edge(1, |world| async move {
        world
            .gate(
                1,
                1,
                script(|mut asked| async move {
                    asked.head().await;
                    asked.stream.reset(Reason::WorkloadUnreachable);
                }),
            )
            .await;
        let answer = world.ask(GET).await;
        assert_eq!((answer.status, answer.field("mezu-code")), (502, Some("MEZU-3001")));
    });
}

#[test]
fn a_request_waits_for_a_gate_that_is_restarting() {
    with_edge(1, |world| async move {
        let tunnels = world.gate(1, 1, echo("old")).await;
        assert_eq!(world.ask(GET).await.text(), "old GET /x ");
        tunnels[0].session.close(&closing());
        tunnels[0].session.closed().await;
        let mut client = world.client().await;
        client.send(GET).await;
        client.send(GET).await;
        world.gate(2, 1, echo("new")).await;
        assert_eq!(client.answer().await.text(), "new GET /x ");
        assert_eq!(client.answer().await.text(), "new GET /x ");
    });
}

#[test]
fn a_begun_answer_is_not_asked_for_again() {
    with_edge(1, |world| async move {
        let delivered = Rc::new(Cell::new(0));
        for gate in [1, 2] {
            let counting = Rc::clone(&delivered);
            world
                .gate(
                    gate,
                    1,
                    script(move |mut asked| {
                        let delivered = Rc::clone(&counting);
                        async move {
                            asked.head().await;
                            delivered.set(delivered.get() + 1);
                            asked.stream.send_response(&ResponseHead::new(200), b"half", false).unwrap();
                            std::future::pending::<()>().await;
                        }
                    }),
                )
                .await;
        }
        let mut client = world.client().await;
        client.send(GET).await;
        client.head().await;
        assert_eq!(client.chunk().await.unwrap(), b"half");
        assert_eq!(delivered.get(), 1);
    });
}

#[test]
fn an_upgrade_whose_gate_dies_before_it_agreed_is_sent_elsewhere() {
    with_edge(1, |world| async move {
        let delivered = Rc::new(Cell::new(0));
        world.gate(1, 1, dies_after_delivery(&delivered)).await;
        let agrees = script(|mut asked| async move {
            asked.head().await;
            asked.stream.send_response(&ResponseHead::new(101), b"good", true).unwrap();
        });
        world.gate(2, 1, agrees).await;
        let upgrade = format!(
            "GET / HTTP/1.1\r\nhost: {HOST}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        while delivered.get() == 0 {
            let mut client = world.client().await;
            client.send(&upgrade).await;
            assert!(client.head().await.starts_with("HTTP/1.1 101"));
            assert_eq!(client.take(4).await, b"good");
        }
    });
}
