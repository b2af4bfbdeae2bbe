//! Orgs: an example of what every noun keeps to.

use mezu_model::Role;
use serde_json::json;

use super::world::{As, on_both};

#[tokio::test]
async fn orgs_are_made_listed_read_and_renamed() {
    on_both(|world| async move {
        let made = world.ask(&As::Operator, "POST", "/orgs", Some(json!({"name": "acme"}))).await;
        assert_eq!((made.status, made.header("etag"), made.header("mezu-generation")), (201, "\"1\"", "1"), "{made:?}");
        let other = world.org("other").await;
        let org = world.store.view().await.unwrap().org_by_name(&"acme".parse().unwrap()).await.unwrap().unwrap().id;
        let (_, owner) = world.member(org, "owner@example.com", Role::Owner).await;
        let (_, stranger) = world.member(other, "stranger@example.com", Role::Owner).await;

        let listed = world.ask(&owner, "GET", "/orgs", None).await;
        assert_eq!((&listed.body["items"][0]["name"], &listed.body["next"]), (&json!("acme"), &json!(null)));
        assert_eq!(world.ask(&As::Operator, "GET", "/orgs", None).await.body["items"].as_array().unwrap().len(), 2);
        assert_eq!(world.ask(&stranger, "GET", "/orgs/acme", None).await.code(), "not_found");
        assert_eq!(world.ask(&owner, "GET", "/orgs/none", None).await.code(), "not_found");

        let new = Some(json!({"name": "apex"}));
        let renamed = world.ask_with(&owner, "PATCH", "/orgs/acme", new.clone(), &[("if-match", "\"1\"")]).await;
        assert_eq!((renamed.status, renamed.header("etag"), renamed.header("mezu-generation")), (200, "\"2\"", "2"));
        let stale = world.ask_with(&owner, "PATCH", "/orgs/apex", new, &[("if-match", "\"1\"")]).await;
        assert_eq!((stale.status, stale.code()), (412, "stale"));
        let taken = world.ask(&As::Operator, "POST", "/orgs", Some(json!({"name": "apex"}))).await;
        assert_eq!((taken.status, taken.code()), (409, "taken"));

        let events = world.events(1).await;
        assert_eq!((events[0].action.as_str(), events[0].outcome.as_str()), ("org.create", "refused"));
        assert!(!taken.header("mezu-request-id").is_empty());
        assert_eq!(taken.body["request_id"], taken.header("mezu-request-id"));
        assert_eq!(events[0].request_id, taken.header("mezu-request-id"));
    })
    .await;
}

#[tokio::test]
async fn a_repeated_request_does_nothing_again() {
    on_both(|world| async move {
        let key = [("idempotency-key", "one")];
        let acme = Some(json!({"name": "acme"}));
        let first = world.ask_with(&As::Operator, "POST", "/orgs", acme.clone(), &key).await;
        let again = world.ask_with(&As::Operator, "POST", "/orgs", acme.clone(), &key).await;
        assert_eq!((first.status, again.status), (201, 201));
        assert_eq!(first.body, again.body);
        let other = world.ask_with(&As::Operator, "POST", "/orgs", Some(json!({"name": "b"})), &key).await;
        assert_eq!((other.status, other.code()), (422, "idempotency_mismatch"));
        let fresh = world.ask_with(&As::Operator, "POST", "/orgs", acme, &[("idempotency-key", "two")]).await;
        assert_eq!(fresh.code(), "taken");
        let odd =
            world.ask_with(&As::Operator, "POST", "/orgs", Some(json!({"name": "c"})), &[("idempotency-key", "a b")]);
        assert_eq!(odd.await.code(), "malformed");

        let twins = [0; 8].map(|_| async {
            world
                .ask_with(&As::Operator, "POST", "/orgs", Some(json!({"name": "twin"})), &[("idempotency-key", "t")])
                .await
        });
        let [a, b, c, d, e, f, g, h] = twins;
        let all = tokio::join!(a, b, c, d, e, f, g, h);
        let all = [all.0, all.1, all.2, all.3, all.4, all.5, all.6, all.7];
        assert!(all.iter().all(|one| one.status == 201 && one.body == all[0].body), "{all:?}");
        assert!(matches!(world.store.verify_audit().await.unwrap(), mezu_store::AuditCheck::Whole { .. }));
    })
    .await;
}

#[tokio::test]
async fn what_is_late_is_told() {
    let world = super::world::World::sqlite().await;
    world.edge.late.store(true, std::sync::atomic::Ordering::Relaxed);
    let made = world.ask(&As::Operator, "POST", "/orgs", Some(json!({"name": "acme"}))).await;
    assert_eq!((made.status, made.header("mezu-late")), (202, "the edge compiles"));
}

#[tokio::test]
async fn an_org_goes_when_nothing_needs_it() {
    on_both(|world| async move {
        let org = world.org("acme").await;
        let (member, owner) = world.member(org, "owner@example.com", Role::Owner).await;
        let token = world.token(org, member, Role::Owner).await;
        let mut change = world.store.change(world.control.now()).await.unwrap();
        let id = mezu_runtime::id::new();
        change.create_workload(org, id, &"shop".parse().unwrap(), &mezu_store::Labels::default()).await.unwrap();
        change.commit(mezu_store::NewEvent::done("test.workload", id)).await.unwrap();
        let used = world.ask(&owner, "DELETE", "/orgs/acme", None).await;
        assert_eq!((used.status, used.code()), (409, "in_use"));
        let mut change = world.store.change(world.control.now()).await.unwrap();
        change.delete_workload(org, id, false, None).await.unwrap();
        change.commit(mezu_store::NewEvent::done("test.workload", id)).await.unwrap();
        let stale = world.ask_with(&owner, "DELETE", "/orgs/acme", None, &[("if-match", "\"7\"")]).await;
        assert_eq!(stale.code(), "stale");
        assert_eq!(world.ask(&owner, "DELETE", "/orgs/acme", None).await.status, 204);
        assert_eq!(world.ask(&owner, "GET", "/orgs/acme", None).await.code(), "not_found");
        assert_eq!(world.ask(&token, "GET", "/me", None).await.code(), "unauthenticated");
        assert_eq!(world.ask(&As::Operator, "POST", "/orgs", Some(json!({"name": "acme"}))).await.status, 201);
        assert!(matches!(world.store.verify_audit().await.unwrap(), mezu_store::AuditCheck::Whole { .. }));
    })
    .await;
}
