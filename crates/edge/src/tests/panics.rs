//! A panic in one request, and everybody else on its worker.

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use mezu_model::{RequestHead, ResponseHead};
use tokio::sync::Semaphore;

use super::world::{HOST, Script, World, script, with_edge};

/// Traps that have sprung. Names are one per test: tests may share the process.
static SPRUNG: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());

/// A panic that waits in a request that carries `x-trap: NAME`.
pub(crate) struct Trap(Option<String>);

impl Trap {
    pub(crate) fn of(head: &RequestHead) -> Self {
        Self(head.headers.find_name(b"x-trap").map(|name| String::from_utf8_lossy(name).into_owned()))
    }

    /// Runs a request's work, which panics at its first turn after [`spring`].
    pub(crate) async fn around<F: Future>(self, work: F) -> F::Output {
        let mut work = pin!(work);
        poll_fn(|cx| {
            assert!(!self.is_sprung(), "a panic as the test wants it");
            work.as_mut().poll(cx)
        })
        .await
    }

    fn is_sprung(&self) -> bool {
        let sprung = SPRUNG.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.as_ref().is_some_and(|name| sprung.contains(name.as_str()))
    }
}

fn spring(name: &'static str) {
    SPRUNG.lock().unwrap_or_else(PoisonError::into_inner).insert(name);
}

fn failures(world: &World) -> u64 {
    let text = world.edge.metrics().text();
    let line = text.lines().find(|line| line.starts_with("mezu_failures_total{code=\"MEZU-4004\""));
    line.and_then(|line| line.rsplit(' ').next()).map_or(0, |count| count.parse().unwrap())
}

/// Half an answer at once, the other half with a permit.
fn halves(leave: Rc<Semaphore>) -> Script {
    script(move |mut asked| {
        let leave = leave.clone();
        async move {
            asked.head().await;
            asked.stream.send_response(&ResponseHead::new(200), b"half", false).unwrap();
            leave.acquire().await.unwrap().forget();
            // Who asked may have been cut off.
            let _ = asked.stream.send(b"half", true).await;
        }
    })
}

fn get(trap: &str) -> String {
    format!("GET /x HTTP/1.1\r\nhost: {HOST}\r\nx-trap: {trap}\r\n\r\n")
}

#[test]
fn a_panic_before_the_answer_is_a_500_and_touches_nobody_else() {
    with_edge(1, |world| async move {
        let leave = Rc::new(Semaphore::new(0));
        world.gate(1, 1, halves(leave.clone())).await;
        let mut other = world.client().await;
        other.send(&get("none")).await;
        other.head().await;
        assert_eq!(other.chunk().await.unwrap(), b"half");

        spring("at once");
        let mut unlucky = world.client().await;
        unlucky.send(&get("at once")).await;
        let answer = unlucky.answer().await;
        assert_eq!(answer.status, 500, "{}", answer.head);
        assert!(answer.text().contains("MEZU-4004"), "{}", answer.text());
        assert!(!answer.text().contains("as the test wants"), "what panicked is nobody's business outside");

        // The request that was under way ends well, and the connection of the one that panicked serves on.
        leave.add_permits(1);
        assert_eq!(other.chunk().await.unwrap(), b"half");
        assert_eq!(other.chunk().await, None);
        leave.add_permits(1);
        unlucky.send(&get("none")).await;
        assert_eq!(unlucky.answer().await.body, b"halfhalf");
        assert_eq!(failures(&world), 1);
    });
}

#[test]
fn a_panic_in_mid_answer_ends_that_answer_alone() {
    with_edge(1, |world| async move {
        let leave = Rc::new(Semaphore::new(0));
        world.gate(1, 1, halves(leave.clone())).await;
        let mut client = world.client_h2().await;
        let mut ask = |trap: &str| {
            let uri = format!("https://{HOST}/x");
            let request = http::Request::get(uri).header("x-trap", trap).body(()).unwrap();
            client.send_request(request, true).unwrap().0
        };
        // Both on one connection, and both half answered.
        let (unlucky, other) = (ask("half way"), ask("none"));
        let (mut unlucky, mut other) = (unlucky.await.unwrap().into_body(), other.await.unwrap().into_body());
        let half = Some(Bytes::from_static(b"half"));
        assert_eq!((next(&mut unlucky).await, next(&mut other).await), (half.clone(), half.clone()));

        spring("half way");
        leave.add_permits(2);
        assert!(unlucky.data().await.unwrap().unwrap_err().is_reset(), "a cut answer must not look whole");
        assert_eq!((next(&mut other).await, next(&mut other).await), (half, None));
        let again = ask("none");
        leave.add_permits(1);
        assert_eq!(again.await.unwrap().status(), 200);
        while failures(&world) == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(failures(&world), 1);
    });
}

async fn next(body: &mut h2::RecvStream) -> Option<Bytes> {
    loop {
        match body.data().await.map(Result::unwrap) {
            Some(data) if data.is_empty() => {}
            data => return data,
        }
    }
}
