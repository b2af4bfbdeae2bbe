//! Checks that are good and bad, and what several of them in a row come to.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};

use super::*;

#[test]
fn it_takes_several_answers_to_change_what_holds_and_one_to_begin() {
    let check = HealthCheck::new("/healthz").unwrap();
    let mut judge = Judge::default();
    let mut told = String::new();
    // At first bad ones change nothing: it is not well yet.
    for answer in "bbbgbbgbbbbgbggg".chars() {
        let changed = judge.hear(answer == 'g', &check);
        told.push(match (changed, judge.is_well) {
            (false, _) => '.',
            (true, true) => 'W',
            (true, false) => 'U',
        });
    }
    assert_eq!(told, "...W.....U....W.");
}

#[test]
fn checks_that_cannot_be_are_refused() {
    for path in ["", "healthz", "/a b", "/a#b", "/ä", "/a\r\nb"] {
        assert_eq!(HealthCheck::new(path), Err(InvalidHealthCheck::Path), "{path}");
    }
    let good = HealthCheck::new("/healthz?full=1").unwrap();
    let target: Target = "3000".parse().unwrap();
    assert_eq!(good.check(&target), Ok(()));
    let (ms, s) = (Duration::from_millis, Duration::from_secs);
    for (bad, why) in [
        (HealthCheck { interval: ms(99), ..good.clone() }, InvalidHealthCheck::Interval),
        (HealthCheck { interval: s(3601), ..good.clone() }, InvalidHealthCheck::Interval),
        (HealthCheck { timeout: Duration::ZERO, ..good.clone() }, InvalidHealthCheck::Timeout),
        (HealthCheck { unhealthy_after: 0, ..good.clone() }, InvalidHealthCheck::Count),
        (HealthCheck { healthy_after: 101, ..good.clone() }, InvalidHealthCheck::Count),
    ] {
        assert_eq!(bad.check(&target), Err(why));
    }
    assert_eq!(good.check(&Target::Folder("/srv".into())), Err(InvalidHealthCheck::Folder));
    for _ in 0..100 {
        assert!((ms(4500)..=ms(5500)).contains(&good.pause()));
    }
}

/// A workload that does with each connection what the test says.
async fn workload<F: Future<Output = ()>>(scheme: &str, does: impl Fn(TcpStream) -> F + 'static) -> Workload {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target: Target = format!("{scheme}://{}", listener.local_addr().unwrap()).parse().unwrap();
    mezu_runtime::spawn_local(&mezu_runtime::Scope::new(), "workload", async move {
        while let Ok((tcp, _)) = listener.accept().await {
            does(tcp).await;
        }
    });
    of(target)
}

fn of(target: Target) -> Workload {
    let limits = mezu_model::Limits::default();
    let dialer = crate::workload::dial::Dialer::new(target.clone(), None, limits.workload_connect);
    let shared = crate::workload::Shared::new(limits, Arc::default());
    Workload::new(target, crate::workload::request::Rewrite { host: Some("shop.test".into()) }, dialer, shared)
}

fn on_one_thread(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, test);
}

fn check() -> HealthCheck {
    HealthCheck { timeout: Duration::from_millis(500), ..HealthCheck::new("/up?x=1").unwrap() }
}

async fn answered(answer: &'static str) -> Result<(), String> {
    let workload = workload("http", move |mut tcp| async move {
        let mut asked = vec![0; 4096];
        let length = tcp.read(&mut asked).await.unwrap();
        let asked = String::from_utf8_lossy(&asked[..length]).into_owned();
        assert!(asked.starts_with("GET /up?x=1 HTTP/1.1\r\nhost: shop.test\r\n"), "{asked}");
        // In two pieces.
        let (one, two) = answer.split_at(answer.len().min(9));
        tcp.write_all(one.as_bytes()).await.unwrap();
        tokio::task::yield_now().await;
        let _ = tcp.write_all(two.as_bytes()).await;
    });
    ask(&workload.await, &check()).await.map_err(|bad| bad.to_string())
}

#[test]
fn a_status_decides_and_nothing_else_of_the_answer() {
    on_one_thread(async {
        for good in ["HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 204 \r\nx: y\r\n\r\n", "HTTP/1.0 302 Found\r\na: b\r\n\r\n"] {
            assert_eq!(answered(good).await, Ok(()), "{good}");
        }
        for (bad, why) in [
            ("HTTP/1.1 500 Oops\r\n\r\n", "its health check answered 500"),
            ("HTTP/1.1 404 No\r\na: b\r\n\r\n", "its health check answered 404"),
            ("HTTP/1.1 20", "its health check was not answered in HTTP"),
            ("SSH-2.0-OpenSSH\r\n", "its health check was not answered in HTTP"),
            ("", "its health check was not answered in HTTP"),
        ] {
            assert_eq!(answered(bad).await, Err(why.to_owned()), "{bad}");
        }
    });
}

#[test]
fn one_that_hangs_or_is_away_is_not_well() {
    on_one_thread(async {
        let hangs = workload("http", |tcp| async move {
            mezu_runtime::spawn_local(&mezu_runtime::Scope::new(), "workload", async move {
                sleep(Duration::from_secs(60)).await;
                drop(tcp);
            });
        });
        assert!(matches!(ask(&hangs.await, &check()).await, Err(Bad::Late)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let free = listener.local_addr().unwrap();
        drop(listener);
        assert!(matches!(ask(&of(format!("http://{free}").parse().unwrap()), &check()).await, Err(Bad::Unreachable)));
    });
}

#[test]
fn it_is_asked_over_http_2_where_it_speaks_that() {
    on_one_thread(async {
        for (status, good) in [(200, true), (503, false)] {
            let workload = workload("h2c", move |tcp| async move {
                let mut connection = h2::server::handshake(tcp).await.unwrap();
                while let Some(Ok((request, mut respond))) = connection.accept().await {
                    assert_eq!(request.uri(), "http://shop.test/up?x=1");
                    let answer = http::Response::builder().status(status).body(()).unwrap();
                    respond.send_response(answer, true).unwrap();
                }
            });
            assert_eq!(ask(&workload.await, &check()).await.is_ok(), good, "{status}");
        }
    });
}

#[test]
fn times_have_a_unit() {
    for (text, millis) in [("500ms", 500), ("5s", 5_000), ("2m", 120_000), ("1h", 3_600_000)] {
        assert_eq!(text.parse(), Ok(Span(Duration::from_millis(millis))));
    }
    for text in ["", "5", "s", "-5s", "1.5s", "5 s", "99999999999s"] {
        assert!(text.parse::<Span>().is_err(), "{text}");
    }
}
