//! Service accounts and their keys, workloads, hostnames and routes.

use std::time::Duration;

use mezu_model::{AccountId, WorkloadId};
use serde_json::json;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn done() -> NewEvent {
    NewEvent::done("test", "x")
}

fn host(text: &str) -> Hostname {
    text.parse().unwrap()
}

fn key_spec(n: u8, name: &str) -> KeySpec {
    KeySpec { id: KeyId::from_bytes([n; 16]), name: label(name), public: PublicKey([n; 32]), expires_at: None }
}

impl World {
    async fn account(&self, name: &str, workloads: Option<Vec<Label>>) -> AccountId {
        let id = AccountId::from_bytes([42; 16]);
        let spec = AccountSpec { name: label(name), workloads, cidrs: Some(vec!["192.0.2.0/24".into()]) };
        let mut change = self.store.change(NOW).await.unwrap();
        change.create_account(self.org, id, &spec).await.unwrap();
        change.commit(done()).await.unwrap();
        id
    }

    pub(super) async fn workload(&self, name: &str) -> WorkloadId {
        self.enrol(name).await.unwrap();
        self.store.view().await.unwrap().workload_by_name(self.org, &label(name)).await.unwrap().unwrap().id
    }
}

contract! {
    async fn an_account_has_two_live_keys_at_most(world: World) {
        let account = world.account("ci", None).await;
        let mut change = world.store.change(NOW).await.unwrap();
        change.create_key(world.org, account, key_spec(10, "old")).await.unwrap();
        change.create_key(world.org, account, KeySpec { expires_at: Some(after(HOUR)), ..key_spec(11, "new") })
            .await.unwrap();
        let third = change.create_key(world.org, account, key_spec(12, "third")).await.unwrap_err();
        assert!(matches!(third, StoreError::TooMany { most: 2, .. }), "{third}");
        let same = change.create_key(world.org, account, key_spec(12, "old")).await.unwrap_err();
        assert!(matches!(same, StoreError::KeyNameTaken { .. }), "{same}");
        change.revoke_key(world.org, KeyId::from_bytes([10; 16])).await.unwrap();
        change.create_key(world.org, account, key_spec(12, "old")).await.unwrap();
        let keys = change.keys(world.org, Some(account), &Slice::default()).await.unwrap().items;
        assert_eq!(keys.iter().filter(|key| key.is_live(NOW)).count(), 2);
        assert_eq!(keys.iter().filter(|key| key.is_live(after(HOUR))).count(), 1);
        change.commit(done()).await.unwrap();
        // One that has expired leaves its place.
        let mut later = world.store.change(after(HOUR)).await.unwrap();
        later.create_key(world.org, account, key_spec(13, "third")).await.unwrap();
    }

    async fn edges_hear_what_a_key_may_be_used_for(world: World) {
        let account = world.account("ci", Some(vec![label("shop")])).await;
        let mut change = world.store.change(NOW).await.unwrap();
        change.create_key(world.org, account, key_spec(10, "ci")).await.unwrap();
        change.commit(done()).await.unwrap();
        let scope = async || {
            let keys = world.store.read_all().await.unwrap().1.keys;
            keys.into_iter().find(|key| key.id == KeyId::from_bytes([10; 16])).unwrap().scope.clone()
        };
        let told = scope().await;
        assert!(told.allows_workload(&label("shop")) && !told.allows_workload(&label("blog")));
        assert!(told.allows_address(Some("192.0.2.9".parse().unwrap())));
        assert!(!told.allows_address(Some("198.51.100.1".parse().unwrap())) && !told.allows_address(None));
        let mut change = world.store.change(NOW).await.unwrap();
        let any = AccountSpec { name: label("ci"), workloads: None, cidrs: None };
        change.update_account(world.org, account, &any, None).await.unwrap();
        change.commit(done()).await.unwrap();
        assert_eq!(scope().await, mezu_snapshot::KeyScope::default());
    }

    async fn a_key_that_has_expired_is_revoked_by_itself_and_edges_hear_of_it(world: World) {
        let account = world.account("ci", None).await;
        let mut change = world.store.change(NOW).await.unwrap();
        let expiring = KeySpec { expires_at: Some(after(HOUR)), ..key_spec(10, "short") };
        change.create_key(world.org, account, expiring).await.unwrap();
        change.commit(done()).await.unwrap();
        let key = KeyId::from_bytes([10; 16]);
        assert_eq!(world.store.sweep(NOW).await.unwrap(), 0);
        let before = world.revision().await;
        let late = world.store.enrol(key, world.org, &[label("shop")], &world.base, after(HOUR)).await.unwrap_err();
        assert!(matches!(late, EnrolRefusal::KeyRevoked), "{late}");
        assert_eq!(world.store.sweep(after(HOUR)).await.unwrap(), 1);
        assert_eq!(world.store.sweep(after(HOUR)).await.unwrap(), 0);
        assert!(world.revision().await > before);
        assert!(world.store.read_all().await.unwrap().1.keys.iter().all(|one| one.id != key));
        let filter = EventFilter { action: Some("key.expire".into()), ..EventFilter::of(None) };
        let events = world.store.view().await.unwrap().events(&filter, &Slice::default()).await.unwrap();
        assert_eq!(events.items.len(), 1);
        world.store.touch_keys(&[(key, NOW), (world.key, NOW)]).await.unwrap();
        assert!(world.store.keys().await.unwrap().iter().all(|key| key.used_at == Some(NOW)));
    }

    async fn a_key_serves_only_what_its_account_may(world: World) {
        let account = world.account("ci", Some(vec![label("shop")])).await;
        let mut change = world.store.change(NOW).await.unwrap();
        change.create_key(world.org, account, key_spec(10, "one")).await.unwrap();
        change.commit(done()).await.unwrap();
        let key = KeyId::from_bytes([10; 16]);
        let refusal = world.enrol_as(key, world.org, "blog").await.unwrap_err();
        assert!(matches!(refusal, EnrolRefusal::NotAllowed { .. }), "{refusal}");
        world.enrol_as(key, world.org, "shop").await.unwrap();
        let mut change = world.store.change(NOW).await.unwrap();
        let before = change.account(world.org, account).await.unwrap();
        let spec = AccountSpec { workloads: Some(vec![label("blog")]), ..before.spec.clone() };
        let after = change.update_account(world.org, account, &spec, Some(before.version)).await.unwrap();
        assert_eq!((after.version, &after.spec), (2, &spec));
        change.commit(done()).await.unwrap();
        let refusal = world.enrol_as(key, world.org, "shop").await.unwrap_err();
        assert!(matches!(refusal, EnrolRefusal::NotAllowed { .. }), "{refusal}");
        let mut change = world.store.change(NOW).await.unwrap();
        change.delete_account(world.org, account, Some(2)).await.unwrap();
        assert_eq!(change.key(world.org, key).await.unwrap().revoked_at, Some(NOW));
        assert!(matches!(change.account(world.org, account).await, Err(StoreError::NotFound { .. })));
        // The name is free again.
        change.create_account(world.org, AccountId::from_bytes([43; 16]), &spec).await.unwrap();
        change.commit(done()).await.unwrap();
    }

    async fn a_workload_changes_its_name_and_goes_with_its_routes(world: World) {
        let id = world.workload("shop").await;
        let mut change = world.store.change(NOW).await.unwrap();
        let labels = Labels::from([(label("stage"), "prod".to_owned())]);
        let renamed = change.update_workload(world.org, id, &label("store"), &labels, Some(1)).await.unwrap();
        assert_eq!((renamed.version, &renamed.labels, renamed.name.as_str()), (2, &labels, "store"));
        let stale = change.update_workload(world.org, id, &label("x"), &labels, Some(1)).await.unwrap_err();
        assert!(matches!(stale, StoreError::Stale { current: 2, .. }), "{stale}");
        let used = change.delete_workload(world.org, id, false, None).await.unwrap_err();
        assert!(matches!(used, StoreError::InUse { .. }), "{used}");
        change.delete_workload(world.org, id, true, Some(2)).await.unwrap();
        assert!(matches!(change.workload(world.org, id).await, Err(StoreError::NotFound { .. })));
        let released = change.hostname(world.org, &host("shop.base.test")).await.unwrap();
        assert_eq!(released.state, HostState::Released);
        change.create_workload(world.org, WorkloadId::from_bytes([9; 16]), &label("store"), &labels).await.unwrap();
        change.commit(done()).await.unwrap();
        assert_eq!(world.store.read_all().await.unwrap().1.workloads.len(), 1);
    }

    async fn a_released_name_is_kept_for_whoever_had_it(world: World) {
        let (other, _) = org_with_key(&world.store, "other", 2).await;
        let name = host("www.example.com");
        let mut change = world.store.change(NOW).await.unwrap();
        assert_eq!(change.claim_hostname(world.org, &name).await.unwrap().state, HostState::Held);
        let taken = change.claim_hostname(other, &name).await.unwrap_err();
        assert!(matches!(taken, StoreError::HostTaken { .. }), "{taken}");
        assert!(matches!(change.release_hostname(other, &name).await, Err(StoreError::NotFound { .. })));
        change.release_hostname(world.org, &name).await.unwrap();
        let until = after(QUARANTINE);
        match change.claim_hostname(other, &name).await.unwrap_err() {
            StoreError::HostQuarantined { until: told, .. } => assert_eq!(told, until),
            error => panic!("{error}"),
        }
        // Its last owner can have it back at once, and give it up again.
        change.claim_hostname(world.org, &name).await.unwrap();
        change.release_hostname(world.org, &name).await.unwrap();
        change.commit(done()).await.unwrap();
        let mut early = world.store.change(Micros(until.0 - 1)).await.unwrap();
        let kept = early.claim_hostname(other, &name).await.unwrap_err();
        assert!(matches!(kept, StoreError::HostQuarantined { .. }), "{kept}");
        drop(early);
        world.store.sweep(Micros(until.0 - 1)).await.unwrap();
        assert_eq!(world.store.view().await.unwrap().hostnames(world.org, &Slice::default()).await.unwrap().items.len(), 1);
        let mut free = world.store.change(until).await.unwrap();
        assert_eq!(free.claim_hostname(other, &name).await.unwrap().org, other);
        free.commit(done()).await.unwrap();
        world.store.sweep(until).await.unwrap();
        assert!(world.store.view().await.unwrap().hostname(other, &name).await.is_ok());
    }

    async fn a_name_claimed_by_a_person_outlives_its_routes(world: World) {
        let id = world.workload("shop").await;
        let name = host("www.example.com");
        let mut change = world.store.change(NOW).await.unwrap();
        change.claim_hostname(world.org, &name).await.unwrap();
        let spec = RouteSpec::new(name.clone(), "/".parse().unwrap(), id, PipelineSpec::default());
        let route = change.create_route(world.org, RouteId::from_bytes([5; 16]), spec).await.unwrap();
        let used = change.release_hostname(world.org, &name).await.unwrap_err();
        assert!(matches!(used, StoreError::InUse { .. }), "{used}");
        change.delete_route(world.org, route.id, Some(1)).await.unwrap();
        assert_eq!(change.hostname(world.org, &name).await.unwrap().state, HostState::Held);
    }

    async fn of_two_orgs_that_claim_one_name_at_once_one_gets_it(world: World) {
        let (other, _) = org_with_key(&world.store, "other", 2).await;
        let scope = mezu_runtime::Scope::new();
        for n in 0..50 {
            let name = host(&format!("prize-{n}.example.com"));
            let claims = [world.org, other].map(|org| {
                let (store, name) = (world.store.clone(), name.clone());
                let claim = async move {
                    let mut change = store.change(NOW).await?;
                    change.claim_hostname(org, &name).await?;
                    change.commit(done()).await
                };
                mezu_runtime::spawn(&scope, "claim", claim)
            });
            let mut won = 0;
            for claim in claims {
                match claim.await.unwrap() {
                    Ok(_) => won += 1,
                    Err(error) => assert!(matches!(error, StoreError::HostTaken { .. }), "{error}"),
                }
            }
            assert_eq!(won, 1, "{name}");
        }
    }

    async fn a_route_is_edited_with_its_version_and_moves_its_name(world: World) {
        let id = world.workload("shop").await;
        let (other, _) = org_with_key(&world.store, "other", 2).await;
        let route = RouteId::from_bytes([5; 16]);
        let path = |text: &str| text.parse::<mezu_snapshot::PathRule>().unwrap();
        let spec = RouteSpec::new(host("a.test"), path("/"), id, PipelineSpec::default());
        let mut change = world.store.change(NOW).await.unwrap();
        let foreign = change.create_route(other, route, spec.clone()).await.unwrap_err();
        assert!(matches!(foreign, StoreError::NotFound { .. }), "{foreign}");
        let made = change.create_route(world.org, route, spec.clone()).await.unwrap();
        assert_eq!((made.version, made.spec()), (1, spec.clone()));
        assert!(matches!(change.route(other, route).await, Err(StoreError::NoRoute { .. })));
        assert!(matches!(change.delete_route(other, route, None).await, Err(StoreError::NoRoute { .. })));
        let moved = RouteSpec { host: host("b.test"), rank: Some(7), ..spec.clone() };
        assert!(matches!(
            change.update_route(other, route, moved.clone(), None).await,
            Err(StoreError::NoRoute { .. })
        ));
        let edited = change.update_route(world.org, route, moved.clone(), Some(1)).await.unwrap();
        assert_eq!((edited.version, edited.spec()), (2, moved.clone()));
        assert_eq!(change.hostname(world.org, &host("a.test")).await.unwrap().state, HostState::Released);
        let stale = change.update_route(world.org, route, spec, Some(1)).await.unwrap_err();
        assert!(matches!(stale, StoreError::Stale { current: 2, .. }), "{stale}");
        // The same place for other methods is another route, and the same in all is not.
        let get = RouteSpec { matcher: serde_json::from_value(json!({ "methods": ["GET"] })).unwrap(), ..moved.clone() };
        change.create_route(world.org, RouteId::from_bytes([6; 16]), get).await.unwrap();
        let filter = RouteFilter { host: Some(host("b.test")), workload: Some(id) };
        let page = change.routes(world.org, &filter, &Slice::first(1)).await.unwrap();
        let rest = change.routes(world.org, &filter, &Slice::after(page.next.unwrap(), 1)).await.unwrap();
        assert_eq!((rest.items[0].id, rest.next), (RouteId::from_bytes([6; 16]), None));
        change.commit(done()).await.unwrap();
        let mut change = world.store.change(NOW).await.unwrap();
        let twice = change.create_route(world.org, RouteId::from_bytes([7; 16]), moved).await.unwrap_err();
        assert!(matches!(twice, StoreError::RouteTaken { .. }), "{twice}");
    }

    async fn a_route_that_is_off_is_kept_and_not_served(world: World) {
        let id = world.workload("shop").await;
        let mut change = world.store.change(NOW).await.unwrap();
        let page = change.routes(world.org, &RouteFilter::default(), &Slice::default()).await.unwrap();
        let route = &page.items[0];
        let spec = RouteSpec { enabled: false, ..route.spec() };
        change.update_route(world.org, route.id, spec, None).await.unwrap();
        change.commit(done()).await.unwrap();
        let told = world.store.read_all().await.unwrap().1.routes;
        assert_eq!(told.iter().map(|one| one.enabled).collect::<Vec<_>>(), [false]);
        assert_eq!(world.store.routes().await.unwrap()[0].workload, id);
    }

    async fn the_use_of_many_keys_is_noted_and_is_no_change(world: World) {
        let before = world.store.read_all().await.unwrap();
        let events = world.store.verify_audit().await.unwrap();
        // Far more than are noted at once, nearly all of them of no key that there is.
        let mut used: Vec<(KeyId, Micros)> =
            (0..1200_u64).map(|n| (KeyId::from_bytes((u128::from(n) << 64).to_be_bytes()), NOW)).collect();
        used.push((world.key, NOW));
        let at = async || world.store.view().await.unwrap().key(world.org, world.key).await.unwrap().used_at;
        assert_eq!(at().await, None);
        world.store.touch_keys(&used).await.unwrap();
        assert_eq!(at().await, Some(NOW));
        // What is told late moves nothing back.
        world.store.touch_keys(&[(world.key, Micros(NOW.0 - 1))]).await.unwrap();
        assert_eq!(at().await, Some(NOW));
        world.store.touch_keys(&[(world.key, Micros(NOW.0 + 1))]).await.unwrap();
        assert_eq!(at().await, Some(Micros(NOW.0 + 1)));
        assert_eq!(world.store.read_all().await.unwrap(), before);
        assert_eq!(world.store.verify_audit().await.unwrap(), events);
    }
}
