#![allow(clippy::unwrap_used)]

use super::*;
use crate::Pipeline;
use crate::case::pipeline;

#[test]
fn the_algorithm() {
    let second = Duration::from_secs(1);
    // Ten in a second, three of them at once.
    let quota = Quota::new(10, second, 3);
    let mut due = 0;
    // Rows: milliseconds, granted, left, milliseconds to wait.
    let table = [
        (0, true, 2, 100),
        (0, true, 1, 200),
        (0, true, 0, 300),
        (0, false, 0, 100),
        (50, false, 0, 50),
        (100, true, 0, 300),
        (1000, true, 2, 100),
        (1000, true, 1, 200),
    ];
    for (at, granted, left, wait) in table {
        let taken = match quota.next(due, at * 1_000_000) {
            Ok((next, taken)) => {
                due = next;
                taken
            }
            Err(refused) => refused,
        };
        let expected = Taken { granted, left, wait: Duration::from_millis(wait) };
        assert_eq!(taken, expected, "{at}");
    }
}

#[test]
fn in_the_long_run_no_more_pass_than_are_allowed() {
    let quota = Quota::new(100, Duration::from_secs(60), 100);
    let live = Live::new(Instant::now(), RandomState::new());
    let route = live.of(RouteId::from_bytes([1; 16]), &limited());
    let start = Instant::now();
    let granted =
        (0..600_000).filter(|ms| route.take(&"key", start + Duration::from_millis(*ms), quota, false).granted).count();
    // Ten minutes: a hundred at once, and a hundred a minute.
    assert!((1099..=1100).contains(&granted), "{granted}");
}

#[test]
fn a_route_keeps_its_state_from_snapshot_to_snapshot() {
    let live = Live::new(Instant::now(), RandomState::new());
    let (one, two) = (RouteId::from_bytes([1; 16]), RouteId::from_bytes([2; 16]));
    let first = live.of(one, &limited());
    assert!(Arc::ptr_eq(&first, &live.of(one, &limited())));
    assert!(!Arc::ptr_eq(&first, &live.of(two, &limited())));
    live.tidy();
    assert!(live.routes.lock().unwrap().contains_key(&one) && !live.routes.lock().unwrap().contains_key(&two));
    drop(first);
    live.tidy();
    assert!(live.routes.lock().unwrap().is_empty());
    // Routes that keep nothing share what they do not use, and are not remembered.
    assert!(Arc::ptr_eq(&live.of(one, &Pipeline::default()), &live.of(two, &Pipeline::default())));
    assert!(live.routes.lock().unwrap().is_empty());
}

#[test]
fn places_are_given_back() {
    let live = Live::new(Instant::now(), RandomState::new());
    let route = live.of(RouteId::from_bytes([1; 16]), &limited());
    let first = route.enter(2).unwrap();
    let second = route.enter(2).unwrap();
    assert!(route.enter(2).is_none() && route.enter(2).is_none());
    assert_eq!(route.in_flight(), 2);
    drop(first);
    assert!(route.enter(2).is_some());
    drop(second);
    assert_eq!(route.in_flight(), 0);
}

fn limited() -> Pipeline {
    pipeline(serde_json::json!({ "concurrency": { "requests": 1 } }))
}
