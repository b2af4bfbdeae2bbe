//! What was begun is ended, whoever waits for it; and what has had its time goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mezu_api::Code;
use mezu_model::{PublicKey, Role};
use mezu_store::{AccountSpec, KeySpec, Micros, NewEvent};
use serde_json::json;

use super::world::{As, World, on_both};

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

#[tokio::test]
async fn a_key_that_expires_is_revoked_and_the_edge_hears_of_it() {
    on_both(|world| async move {
        let org = world.org("acme").await;
        let now = world.control.now();
        let mut change = world.store.change(Micros(now.0 - 2_000_000)).await.unwrap();
        let account = mezu_runtime::id::new();
        let spec = AccountSpec { name: "ci".parse().unwrap(), workloads: None, cidrs: None };
        change.create_account(org, account, &spec).await.unwrap();
        let name = "ci".parse().unwrap();
        let public = PublicKey([7; 32]);
        let key = KeySpec { id: mezu_runtime::id::new(), name, public, expires_at: Some(Micros(now.0 - 1_000_000)) };
        let id = key.id;
        change.create_key(org, account, key).await.unwrap();
        change.commit(NewEvent::done("test.key", id)).await.unwrap();
        world.control.sweep_once().await;
        assert!(world.store.view().await.unwrap().key(org, id).await.unwrap().revoked_at.is_some());
        assert_eq!(world.edge.generation.load(Ordering::Relaxed), 1);
        world.control.sweep_once().await;
        assert_eq!(world.edge.generation.load(Ordering::Relaxed), 1, "nothing more to tell");
        assert_eq!(world.events(1).await[0].action, "key.expire");
        let (_, viewer) = world.member(org, "v@example.com", Role::Viewer).await;
        assert_eq!(world.ask(&viewer, "GET", "/orgs/acme", None).await.status, 200);
    })
    .await;
}
