//! Orgs, keys, enrolment and routes, as a Warpgate and the operator use them.

use super::*;

contract! {
    async fn opening_twice_migrates_once_and_keeps_everything(world: World) {
        world.enrol("shop").await.unwrap();
        let before = world.store.read_all().await.unwrap();
        world.store.close().await;
        for _ in 0..2 {
            let again = Store::open(&world.url).await.unwrap();
            assert_eq!(again.read_all().await.unwrap(), before);
            again.close().await;
        }
    }

    async fn a_database_of_a_newer_version_is_refused(world: World) {
        let sql = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                   VALUES (9999, 'future', TRUE, '', 0)";
        world.sql(sql).await.unwrap();
        world.store.close().await;
        let Err(error) = Store::open(&world.url).await else { panic!("it was taken for ours") };
        assert!(matches!(error, StoreError::Newer { found: 9999, .. }), "{error}");
    }

    async fn an_interrupted_write_leaves_nothing(world: World) {
        let before = world.store.read_all().await.unwrap();
        let mut write = world.store.db.write().await.unwrap();
        write.run("DELETE FROM keys", []).await.unwrap();
        drop(write);
        assert_eq!(world.store.read_all().await.unwrap(), before);
    }

    async fn enrolment_makes_workload_and_route_once(world: World) {
        assert_eq!(world.enrol("shop").await.unwrap().as_str(), "shop.base.test");
        let after_first = world.store.read_all().await.unwrap();
        assert_eq!((after_first.1.workloads.len(), after_first.1.routes.len()), (1, 1));
        assert_eq!(world.enrol("shop").await.unwrap().as_str(), "shop.base.test");
        // Nothing written: a reconnect must not make every edge compile a new snapshot.
        assert_eq!(world.store.read_all().await.unwrap(), after_first);
    }

    async fn a_removed_default_route_stays_away_until_a_person_brings_it_back(world: World) {
        world.enrol("shop").await.unwrap();
        world.add_route(world.org, "www.example.com", "/", "shop").await.unwrap();
        let default = world.store.routes().await.unwrap().into_iter().find(|r| r.host.as_str() == "shop.base.test");
        world.store.remove_route(default.unwrap().id, NOW).await.unwrap();
        assert_eq!(world.enrol("shop").await.unwrap().as_str(), "www.example.com");
        let last = world.store.routes().await.unwrap().remove(0);
        world.store.remove_route(last.id, NOW).await.unwrap();
        // No other leads there either: the gate hears where its place would be, and nothing is written.
        let before = world.store.read_all().await.unwrap();
        assert_eq!(world.enrol("shop").await.unwrap().as_str(), "shop.base.test");
        assert_eq!(world.store.read_all().await.unwrap(), before);
        assert!(world.store.routes().await.unwrap().is_empty());
        world.add_route(world.org, "shop.base.test", "/", "shop").await.unwrap();
        assert_eq!(world.enrol("shop").await.unwrap().as_str(), "shop.base.test");
        assert_eq!(world.store.routes().await.unwrap().len(), 1);
    }

    async fn a_removed_default_host_that_another_org_took_is_not_told_as_ours(world: World) {
        let (other, other_key) = org_with_key(&world.store, "other", 2).await;
        world.enrol("shop").await.unwrap();
        let default = world.store.routes().await.unwrap().remove(0);
        world.store.remove_route(default.id, NOW).await.unwrap();
        let early = world.enrol_as(other_key, other, "shop").await.unwrap_err();
        assert!(matches!(early, EnrolRefusal::HostQuarantined { .. }), "{early}");
        let later = after(QUARANTINE);
        world.store.enrol(other_key, other, &[label("shop")], &world.base, later).await.unwrap();
        let refusal = world.enrol("shop").await.unwrap_err();
        assert!(matches!(refusal, EnrolRefusal::HostOfOtherOrg { .. }), "{refusal}");
    }

    async fn a_new_base_domain_gives_a_new_default_route(world: World) {
        let mut world = world;
        world.enrol("shop").await.unwrap();
        world.base = "new.test".parse().unwrap();
        assert_eq!(world.enrol("shop").await.unwrap().as_str(), "shop.new.test");
        assert_eq!(world.store.routes().await.unwrap().len(), 2);
    }

    async fn two_orgs_never_share_a_hostname(world: World) {
        let (other, other_key) = org_with_key(&world.store, "other", 2).await;
        world.enrol("shop").await.unwrap();
        let refusal = world.enrol_as(other_key, other, "shop").await.unwrap_err();
        assert!(matches!(refusal, EnrolRefusal::HostOfOtherOrg { .. }), "{refusal}");
        // The refused enrolment left no workload behind.
        assert_eq!(world.store.workloads().await.unwrap().len(), 1);
        world.enrol_as(other_key, other, "mine").await.unwrap();
        let error = world.add_route(other, "shop.base.test", "/api", "mine").await.unwrap_err();
        assert!(matches!(error, StoreError::HostTaken { .. }), "{error}");
    }

    async fn racing_claims_have_exactly_one_winner(world: World) {
        let mut claims = Vec::new();
        for n in 10..20 {
            let (org, key) = org_with_key(&world.store, &format!("org-{n}"), n).await;
            claims.push((org, key));
        }
        let scope = mezu_runtime::Scope::new();
        let tasks: Vec<_> = claims
            .into_iter()
            .map(|(org, key)| {
                let (store, base) = (world.store.clone(), world.base.clone());
                let claim = async move { store.enrol(key, org, &[label("prize")], &base, NOW).await.is_ok() };
                mezu_runtime::spawn(&scope, "claim", claim)
            })
            .collect();
        let mut winners = 0;
        for task in tasks {
            winners += u32::from(task.await.unwrap());
        }
        assert_eq!(winners, 1);
    }

    async fn a_name_in_use_by_another_workload_is_refused(world: World) {
        world.enrol("shop").await.unwrap();
        world.add_route(world.org, "blog.base.test", "/", "shop").await.unwrap();
        let refusal = world.enrol("blog").await.unwrap_err();
        assert!(matches!(refusal, EnrolRefusal::HostInUse { .. }), "{refusal}");
    }

    async fn revoked_keys_enrol_nothing_and_vanish_from_the_snapshot(world: World) {
        let before = world.revision().await;
        world.store.revoke_key(world.key, NOW).await.unwrap();
        assert!(world.revision().await > before);
        assert!(matches!(world.enrol("shop").await, Err(EnrolRefusal::KeyRevoked)));
        assert!(world.store.read_all().await.unwrap().1.keys.is_empty());
        let listed = world.store.keys().await.unwrap();
        assert_eq!(listed[0].revoked_at, Some(NOW));
        // Again: the first time stands.
        world.store.revoke_key(world.key, Micros(NOW.0 + 1)).await.unwrap();
        assert_eq!(world.store.keys().await.unwrap()[0].revoked_at, Some(NOW));
        let unknown = world.store.revoke_key(KeyId::from_bytes([9; 16]), NOW).await;
        assert!(matches!(unknown, Err(StoreError::NoKey { .. })));
    }

    async fn a_key_name_is_free_again_once_revoked(world: World) {
        let again = |n: u8| NewKey {
            id: KeyId::from_bytes([n; 16]),
            org: world.org,
            name: label("first"),
            public: PublicKey([n; 32]),
        };
        let taken = world.store.create_key(again(5), NOW).await;
        assert!(matches!(taken, Err(StoreError::KeyNameTaken { .. })));
        world.store.revoke_key(world.key, NOW).await.unwrap();
        world.store.create_key(again(6), NOW).await.unwrap();
    }

    async fn routes_need_a_workload_and_a_free_place(world: World) {
        let error = world.add_route(world.org, "a.test", "/", "nobody").await.unwrap_err();
        assert!(matches!(error, StoreError::NoWorkload { .. }), "{error}");
        world.enrol("shop").await.unwrap();
        world.add_route(world.org, "a.test", "/", "shop").await.unwrap();
        let error = world.add_route(world.org, "a.test", "/", "shop").await.unwrap_err();
        assert!(matches!(error, StoreError::RouteTaken { .. }), "{error}");
        world.add_route(world.org, "a.test", "/api", "shop").await.unwrap();
        let gone = world.store.remove_route(RouteId::from_bytes([9; 16]), NOW).await;
        assert!(matches!(gone, Err(StoreError::NoRoute { .. })));
    }

    async fn what_the_store_tells_makes_a_whole_snapshot(world: World) {
        for name in ["a", "b", "c"] {
            world.enrol(name).await.unwrap();
        }
        let (revision, parts) = world.store.read_all().await.unwrap();
        mezu_snapshot::Snapshot::new(revision, world.base.clone(), parts).check().unwrap();
    }

    async fn a_key_makes_so_many_workloads_and_leaves_the_rest_to_others(world: World) {
        let (other, other_key) = org_with_key(&world.store, "other", 2).await;
        let names: Vec<Label> = (0..limits::WORKLOADS_PER_KEY).map(|n| label(&format!("w-{n}"))).collect();
        let made = world.store.enrol(world.key, world.org, &names, &world.base, NOW).await.unwrap();
        assert!(made.iter().all(|one| one.is_new));
        let refusal = world.enrol("more").await.unwrap_err();
        assert!(matches!(refusal, EnrolRefusal::TooManyOfKey { .. }), "{refusal}");
        // Those it has still come back, and nobody else is held up.
        let again = world.store.enrol(world.key, world.org, &names[..2], &world.base, NOW).await.unwrap();
        assert!(again.iter().all(|one| !one.is_new));
        world.enrol_as(other_key, other, "mine").await.unwrap();
    }

    async fn unreadable_rows_are_an_error_not_a_guess(world: World) {
        world.enrol("shop").await.unwrap();
        for sql in ["UPDATE routes SET path = 'no slash'", "UPDATE routes SET path = '/', pipeline = '{\"new\": 1}'"] {
            world.sql(sql).await.unwrap();
            assert!(matches!(world.store.read_all().await, Err(StoreError::Corrupt { .. })), "{sql}");
        }
    }
}
