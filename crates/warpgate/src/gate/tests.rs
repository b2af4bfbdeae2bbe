#![allow(clippy::unwrap_used)]
//! How a Warpgate leaves, in virtual time.

use tokio::{
    task::LocalSet,
    time::{sleep, sleep_until},
};

use super::*;
use crate::WorkloadConfig;

/// A gate that has no connection, as `prepare` makes it.
fn gate() -> Rc<Gate> {
    let config = Config {
        edge: "localhost:1".parse().unwrap(),
        seed: Seed::from_bytes([7; 32]),
        ca: None,
        proxy: None,
        connections: 1,
        workloads: vec![WorkloadConfig::new("web".parse().unwrap(), "127.0.0.1:1".parse().unwrap())],
        limits: mezu_model::Limits::default(),
    };
    let (status, _) = watch::channel(Status::default());
    Rc::new(prepare(config, Arc::default(), status, Scope::new()).unwrap())
}

fn in_virtual_time<F: Future<Output = ()>>(test: impl FnOnce(Rc<Gate>) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    LocalSet::new().block_on(&runtime, async { test(gate()).await });
}

/// How a drain ends, and after how long.
async fn drained(gate: &Rc<Gate>) -> (Ended, Duration) {
    let began = Instant::now();
    (drain(gate).await, began.elapsed())
}

#[test]
fn a_drain_waits_for_what_is_in_flight() {
    in_virtual_time(|gate| async move {
        spawn_local(&gate.requests, "request", sleep(Duration::from_secs(7)));
        assert_eq!(drained(&gate).await, (Ended::Drained, Duration::from_secs(7)));
    });
}

#[test]
fn a_drain_ends_in_its_time_however_busy_and_idle_it_is_by_turns() {
    in_virtual_time(|gate| async move {
        // One request that never ends, and others that come and go all the while, as a hostile edge may send them.
        spawn_local(&gate.requests, "endless", std::future::pending::<()>());
        let (busy, end) = (gate.clone(), Instant::now() + 3 * DRAIN);
        spawn_local(&Scope::new(), "edge", async move {
            while Instant::now() < end {
                spawn_local(&busy.requests, "request", sleep(Duration::from_millis(300)));
                sleep(Duration::from_millis(700)).await;
            }
        });
        spawn_local(&gate.drivers, "farewell", sleep_until(end));
        let (ended, took) = drained(&gate).await;
        assert_eq!(ended, Ended::Cut);
        assert!((DRAIN..=DRAIN + FAREWELL + Duration::from_millis(10)).contains(&took), "{took:?}");
    });
}
