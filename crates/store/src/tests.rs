//! The store's contract. Every test gets a database file of its own.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use mezu_model::{Hostname, KeyId, Label, OrgId, PublicKey, RouteId};
use mezu_policy::PipelineSpec;
use mezu_snapshot::limits;
use tempfile::TempDir;

use super::*;

const NOW: Micros = Micros(1_700_000_000_000_000);

struct World {
    dir: TempDir,
    store: Store,
    org: OrgId,
    key: KeyId,
    base: Hostname,
}

fn label(text: &str) -> Label {
    text.parse().unwrap()
}

async fn world() -> World {
    let dir = TempDir::new().unwrap();
    let store = Store::open(&dir.path().join("db")).await.unwrap();
    let (org, key) = org_with_key(&store, "default", 1).await;
    World { dir, store, org, key, base: "base.test".parse().unwrap() }
}

async fn org_with_key(store: &Store, name: &str, n: u8) -> (OrgId, KeyId) {
    let org = store.ensure_org(OrgId::from_bytes([n; 16]), &label(name), NOW).await.unwrap().id;
    let key = KeyId::from_bytes([n; 16]);
    let new = NewKey { id: key, org, name: label("first"), public: PublicKey([n; 32]) };
    store.create_key(new, NOW).await.unwrap();
    (org, key)
}

impl World {
    async fn enrol(&self, name: &str) -> Result<Hostname, EnrolRefusal> {
        self.enrol_as(self.key, self.org, name).await
    }

    async fn enrol_as(&self, key: KeyId, org: OrgId, name: &str) -> Result<Hostname, EnrolRefusal> {
        Ok(self.store.enrol(key, org, &[label(name)], &self.base, NOW).await?.remove(0).hostname)
    }

    async fn add_route(&self, org: OrgId, host: &str, path: &str, workload: &str) -> Result<RouteId, StoreError> {
        let new = NewRoute {
            id: mezu_runtime::id::new(),
            org,
            host: host.parse().unwrap(),
            path: path.parse().unwrap(),
            workload: label(workload),
            pipeline: PipelineSpec::default(),
        };
        Ok(self.store.add_route(new, NOW).await?.id)
    }

    async fn revision(&self) -> u64 {
        self.store.read_all().await.unwrap().0
    }
}

#[tokio::test]
async fn opening_twice_migrates_once_and_keeps_everything() {
    let world = world().await;
    world.enrol("shop").await.unwrap();
    let before = world.store.read_all().await.unwrap();
    world.store.close().await;
    for _ in 0..2 {
        let again = Store::open(&world.dir.path().join("db")).await.unwrap();
        assert_eq!(again.read_all().await.unwrap(), before);
        again.close().await;
    }
}

#[tokio::test]
async fn the_file_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let world = world().await;
    for file in std::fs::read_dir(world.dir.path()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("db");
    std::fs::write(&file, b"this is not a database, whatever its name says").unwrap();
    assert!(matches!(Store::open(&file).await, Err(StoreError::Open { .. } | StoreError::Migrate { .. })));
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_refused() {
    let world = world().await;
    let sql = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
               VALUES (9999, 'future', 1, x'00', 0)";
    let mut write = world.store.db.write().await.unwrap();
    sqlx::query(sql).execute(&mut *write).await.unwrap();
    write.commit().await.unwrap();
    world.store.close().await;
    assert!(matches!(Store::open(&world.dir.path().join("db")).await, Err(StoreError::Migrate { .. })));
}

#[tokio::test]
async fn an_interrupted_write_leaves_nothing() {
    let world = world().await;
    let before = world.store.read_all().await.unwrap();
    let mut write = world.store.db.write().await.unwrap();
    sqlx::query("DELETE FROM keys").execute(&mut *write).await.unwrap();
    drop(write);
    assert_eq!(world.store.read_all().await.unwrap(), before);
}

#[tokio::test]
async fn enrolment_makes_workload_and_route_once() {
    let world = world().await;
    assert_eq!(world.enrol("shop").await.unwrap().as_str(), "shop.base.test");
    let after_first = world.store.read_all().await.unwrap();
    assert_eq!((after_first.1.workloads.len(), after_first.1.routes.len()), (1, 1));
    assert_eq!(world.enrol("shop").await.unwrap().as_str(), "shop.base.test");
    // Nothing written: a reconnect must not make every edge compile a new snapshot.
    assert_eq!(world.store.read_all().await.unwrap(), after_first);
}

#[tokio::test]
async fn a_removed_default_route_stays_away_until_a_person_brings_it_back() {
    let world = world().await;
    world.enrol("shop").await.unwrap();
    world.add_route(world.org, "www.example.com", "/", "shop").await.unwrap();
    let default = world.store.routes().await.unwrap().into_iter().find(|r| r.host.as_str() == "shop.base.test");
    world.store.remove_route(default.unwrap().id).await.unwrap();
    assert_eq!(world.enrol("shop").await.unwrap().as_str(), "www.example.com");
    let last = world.store.routes().await.unwrap().remove(0);
    world.store.remove_route(last.id).await.unwrap();
    // No other leads there either: the gate hears where its place would be, and nothing is written.
    let before = world.store.read_all().await.unwrap();
    assert_eq!(world.enrol("shop").await.unwrap().as_str(), "shop.base.test");
    assert_eq!(world.store.read_all().await.unwrap(), before);
    assert!(world.store.routes().await.unwrap().is_empty());
    world.add_route(world.org, "shop.base.test", "/", "shop").await.unwrap();
    assert_eq!(world.enrol("shop").await.unwrap().as_str(), "shop.base.test");
    assert_eq!(world.store.routes().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_removed_default_host_that_another_org_took_is_not_told_as_ours() {
    let world = world().await;
    let (other, other_key) = org_with_key(&world.store, "other", 2).await;
    world.enrol("shop").await.unwrap();
    let default = world.store.routes().await.unwrap().remove(0);
    world.store.remove_route(default.id).await.unwrap();
    world.enrol_as(other_key, other, "shop").await.unwrap();
    let refusal = world.enrol("shop").await.unwrap_err();
    assert!(matches!(refusal, EnrolRefusal::HostOfOtherOrg { .. }), "{refusal}");
}

#[tokio::test]
async fn a_new_base_domain_gives_a_new_default_route() {
    let mut world = world().await;
    world.enrol("shop").await.unwrap();
    world.base = "new.test".parse().unwrap();
    assert_eq!(world.enrol("shop").await.unwrap().as_str(), "shop.new.test");
    assert_eq!(world.store.routes().await.unwrap().len(), 2);
}

#[tokio::test]
async fn two_orgs_never_share_a_hostname() {
    let world = world().await;
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

#[tokio::test]
async fn racing_claims_have_exactly_one_winner() {
    let world = world().await;
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

#[tokio::test]
async fn a_name_in_use_by_another_workload_is_refused() {
    let world = world().await;
    world.enrol("shop").await.unwrap();
    world.add_route(world.org, "blog.base.test", "/", "shop").await.unwrap();
    let refusal = world.enrol("blog").await.unwrap_err();
    assert!(matches!(refusal, EnrolRefusal::HostInUse { .. }), "{refusal}");
}

#[tokio::test]
async fn revoked_keys_enrol_nothing_and_vanish_from_the_snapshot() {
    let world = world().await;
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

#[tokio::test]
async fn a_key_name_is_free_again_once_revoked() {
    let world = world().await;
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

#[tokio::test]
async fn routes_need_a_workload_and_a_free_place() {
    let world = world().await;
    let error = world.add_route(world.org, "a.test", "/", "nobody").await.unwrap_err();
    assert!(matches!(error, StoreError::NoWorkload { .. }), "{error}");
    world.enrol("shop").await.unwrap();
    world.add_route(world.org, "a.test", "/", "shop").await.unwrap();
    let error = world.add_route(world.org, "a.test", "/", "shop").await.unwrap_err();
    assert!(matches!(error, StoreError::RouteTaken { .. }), "{error}");
    world.add_route(world.org, "a.test", "/api", "shop").await.unwrap();
    let gone = world.store.remove_route(RouteId::from_bytes([9; 16])).await;
    assert!(matches!(gone, Err(StoreError::NoRoute { .. })));
}

#[tokio::test]
async fn what_the_store_tells_makes_a_whole_snapshot() {
    let world = world().await;
    for name in ["a", "b", "c"] {
        world.enrol(name).await.unwrap();
    }
    let (revision, parts) = world.store.read_all().await.unwrap();
    mezu_snapshot::Snapshot::new(revision, world.base.clone(), parts).check().unwrap();
}

#[tokio::test]
async fn a_key_makes_so_many_workloads_and_leaves_the_rest_to_others() {
    let world = world().await;
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

#[tokio::test]
async fn unreadable_rows_are_an_error_not_a_guess() {
    let world = world().await;
    world.enrol("shop").await.unwrap();
    for sql in ["UPDATE routes SET path = 'no slash'", "UPDATE routes SET path = '/', pipeline = '{\"new\": 1}'"] {
        let mut write = world.store.db.write().await.unwrap();
        sqlx::query(sql).execute(&mut *write).await.unwrap();
        write.commit().await.unwrap();
        assert!(matches!(world.store.read_all().await, Err(StoreError::Corrupt { .. })), "{sql}");
    }
}

#[tokio::test]
async fn a_full_disk_refuses_the_write_and_nothing_else() {
    let world = world().await;
    let before = world.store.read_all().await.unwrap();
    // No page more than there are now: as a full disk is to SQLite.
    let mut write = world.store.db.write().await.unwrap();
    let pages: i64 = sqlx::query_scalar("PRAGMA page_count").fetch_one(&mut *write).await.unwrap();
    let limit = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
    sqlx::query(limit).execute(&mut *write).await.unwrap();
    write.commit().await.unwrap();
    let names: Vec<Label> = (0..2000).map(|n| label(&format!("workload-{n}"))).collect();
    let refusal = world.store.enrol(world.key, world.org, &names, &world.base, NOW).await.unwrap_err();
    assert!(matches!(refusal, EnrolRefusal::Store(StoreError::Full)), "{refusal}");
    assert_eq!(world.store.read_all().await.unwrap(), before);
    // There is room again.
    world.enrol("shop").await.unwrap();
}
