//! What was begun is ended, whoever waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mezu_api::Code;
use serde_json::json;

use super::world::{As, World};

#[tokio::test]
async fn a_request_is_done_to_its_end_though_its_asker_has_gone() {
    let world = World::sqlite().await;
    let ask = world.ask(&As::Operator, "POST", "/orgs", Some(json!({"name": "acme"})));
    // Polled once, then dropped: the asker hangs up as soon as the request is out.
    let gone = tokio::time::timeout(std::time::Duration::ZERO, ask).await;
    assert!(gone.is_err());
    world.scope.finished().await;
    let mut view = world.store.view().await.unwrap();
    assert!(view.org_by_name(&"acme".parse().unwrap()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_panic_is_one_requests_and_a_stop_is_told() {
    let world = World::sqlite().await;
    let refused = world.control.see_through::<()>(async { panic!("a test") }).await.unwrap_err();
    assert!(refused.is(Code::Internal));
    assert_eq!(world.control.see_through(async { 7 }).await, Ok(7));
    let ended = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&ended);
    world.scope.stop();
    let late = world.control.see_through(async move {
        std::future::pending::<()>().await;
        told.store(true, Ordering::Relaxed);
    });
    assert!(late.await.unwrap_err().is(Code::Busy) && !ended.load(Ordering::Relaxed));
}
