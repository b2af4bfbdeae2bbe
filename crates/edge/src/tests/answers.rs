//! Answers of gates and workloads that do not keep to the rules, and what is told of them.

use std::future::poll_fn;

use mezu_model::{ResponseHead, known};

use super::world::{HOST, World, script, with_edge};

const GET: &str = "GET /x HTTP/1.1\r\nhost: shop.base.test\r\n\r\n";

fn metric(world: &World, name: &str) -> u64 {
    let text = world.edge.metrics().text();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name} in {text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// Waits until a request was dealt with to its end, which is after its client has heard.
async fn until(mut is: impl FnMut() -> bool) {
    while !is() {
        tokio::task::yield_now().await;
    }
}

#[test]
fn an_answer_shorter_than_it_said_is_a_failure() {
    with_edge(1, |world| async move {
        world
            .gate(
                1,
                1,
                script(|mut asked| async move {
                    asked.head().await;
                    let mut head = ResponseHead::new(200);
                    head.headers.push_known(known::CONTENT_LENGTH, b"10");
                    asked.stream.send_response(&head, b"five!", true).unwrap();
                }),
            )
            .await;
        let mut client = world.client().await;
        client.send(GET).await;
        client.head().await;
        assert_eq!(client.take(5).await, b"five!");
        assert!(client.is_closed().await);
        until(|| metric(&world, "mezu_failures_total{code=\"MEZU-3004\"") == 1).await;
    });
}

#[test]
fn a_body_behind_an_answer_that_has_none_ends_it() {
    with_edge(1, |world| async move {
        world
            .gate(
                1,
                1,
                script(|mut asked| async move {
                    asked.head().await;
                    asked.stream.send_response(&ResponseHead::new(204), b"body", false).unwrap();
                    while asked.stream.send(b"and more", false).await.is_ok() {
                        tokio::task::yield_now().await;
                    }
                }),
            )
            .await;
        let mut client = world.client().await;
        for method in ["GET", "HEAD"] {
            client.send(&format!("{method} /x HTTP/1.1\r\nhost: {HOST}\r\n\r\n")).await;
            assert!(client.head().await.starts_with("HTTP/1.1 204"));
        }
    });
}

#[test]
fn interim_answers_may_not_speak_for_the_edge() {
    with_edge(1, |world| async move {
        world
            .gate(
                1,
                1,
                script(|mut asked| async move {
                    asked.head().await;
                    let mut hints = ResponseHead::new(103);
                    hints.headers.push(b"link", b"</a.css>").unwrap();
                    hints.headers.push(b"mezu-code", b"MEZU-4001").unwrap();
                    asked.stream.send_response(&hints, b"", false).unwrap();
                    asked.answer(200, b"").await;
                }),
            )
            .await;
        let mut client = world.client_h2().await;
        let request = http::Request::get(format!("https://{HOST}/x")).body(()).unwrap();
        let (mut response, _) = client.send_request(request, true).unwrap();
        let hints = poll_fn(|cx| response.poll_informational(cx)).await.unwrap().unwrap();
        assert_eq!(hints.headers()["link"], "</a.css>");
        assert!(!hints.headers().contains_key("mezu-code"));
        assert_eq!(response.await.unwrap().status(), 200);
    });
}

#[test]
fn what_was_not_sent_is_not_counted() {
    with_edge(1, |world| async move {
        let heard = std::rc::Rc::new(tokio::sync::Notify::new());
        let hearing = heard.clone();
        world
            .gate(
                1,
                1,
                script(move |mut asked| {
                    let heard = hearing.clone();
                    async move {
                        asked.head().await;
                        heard.notify_one();
                        std::future::pending().await
                    }
                }),
            )
            .await;
        let mut client = world.client().await;
        client.send(GET).await;
        heard.notified().await;
        drop(client);
        until(|| metric(&world, "mezu_failures_total{code=\"MEZU-1014\"") == 1).await;
        assert_eq!(metric(&world, "mezu_bytes_total{direction=\"out\"}"), 0);
    });
}
