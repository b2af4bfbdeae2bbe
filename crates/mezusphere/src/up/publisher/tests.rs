#![allow(clippy::unwrap_used, clippy::panic)]

use mezu_model::{KeyId, Label, OrgId, PublicKey};
use mezu_store::{Micros, NewKey};
use tempfile::TempDir;

use super::*;

struct World {
    dir: TempDir,
    scope: Scope,
    slot: StoreSlot,
    last_good: LastGood,
}

fn base() -> Hostname {
    "base.test".parse().unwrap()
}

async fn world() -> World {
    let dir = TempDir::new().unwrap();
    let slot = StoreSlot::default();
    slot.set(Store::open(&dir.path().join("db")).await.unwrap()).ok().unwrap();
    let last_good = LastGood::open(dir.path().join("snapshots")).unwrap();
    World { dir, scope: Scope::new(), slot, last_good }
}

impl World {
    async fn publisher(&self) -> Publisher {
        let known = self.last_good.load();
        Publisher::start(&self.scope, self.slot.clone(), base(), self.last_good.clone(), known).await
    }

    async fn add_org(&self, n: u8) -> OrgId {
        let name: Label = format!("org-{n}").parse().unwrap();
        self.slot.get().unwrap().ensure_org(OrgId::from_bytes([n; 16]), &name, Micros(0)).await.unwrap().id
    }
}

#[tokio::test]
async fn what_the_store_holds_is_published_with_growing_generations() {
    let world = world().await;
    let publisher = world.publisher().await;
    let first = publisher.current();
    assert!(first.generation > 0 && first.orgs.is_empty());
    world.add_org(1).await;
    publisher.publish().await.unwrap();
    let second = publisher.current();
    assert!(second.generation > first.generation);
    assert_eq!(second.orgs.len(), 1);
    // No news, no generation: edges have nothing to compile.
    publisher.publish().await.unwrap();
    assert!(Arc::ptr_eq(&publisher.current(), &second));
}

#[tokio::test]
async fn many_callers_share_passes_and_each_sees_its_own_change() {
    let world = Arc::new(world().await);
    let publisher = world.publisher().await;
    let tasks: Vec<_> = (1..=20)
        .map(|n| {
            let (world, publisher) = (Arc::clone(&world), publisher.clone());
            mezu_runtime::spawn(&Scope::new(), "change", async move {
                let org = world.add_org(n).await;
                publisher.publish().await.unwrap();
                publisher.current().orgs.iter().any(|one| one.id == org)
            })
        })
        .collect();
    for task in tasks {
        assert!(task.await.unwrap());
    }
}

#[tokio::test]
async fn a_restart_keeps_the_generation_and_an_older_store_does_not_lower_it() {
    let world = world().await;
    for n in 1..=5 {
        world.add_org(n).await;
    }
    let before = world.publisher().await.current();
    assert_eq!(*world.publisher().await.current(), *before);
    // A back-up is put in place of the store: less content, lower revision.
    let older = World { slot: StoreSlot::default(), ..world };
    older.slot.set(Store::open(&older.dir.path().join("older")).await.unwrap()).ok().unwrap();
    let after = older.publisher().await.current();
    assert!(after.generation > before.generation && after.orgs.is_empty());
}

impl World {
    async fn add_key(&self, org: OrgId, n: u8) -> KeyId {
        let id = KeyId::from_bytes([n; 16]);
        let new = NewKey { id, org, name: format!("key-{n}").parse().unwrap(), public: PublicKey([n; 32]) };
        self.slot.get().unwrap().create_key(new, Micros(0)).await.unwrap().id
    }

    async fn revoke(&self, key: KeyId) {
        self.slot.get().unwrap().revoke_key(key, Micros(0)).await.unwrap();
    }
}

#[tokio::test]
async fn a_revocation_is_on_disk_before_it_is_answered() {
    let world = world().await;
    let org = world.add_org(1).await;
    let publisher = world.publisher().await;
    for n in 1..=20 {
        let key = world.add_key(org, n).await;
        publisher.publish().await.unwrap();
        world.revoke(key).await;
        publisher.publish().await.unwrap();
        assert!(world.last_good.load().unwrap().keys.is_empty());
    }
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_saved_is_told_and_saved_later() {
    let world = world().await;
    let org = world.add_org(1).await;
    let key = world.add_key(org, 1).await;
    let publisher = world.publisher().await;
    // A file where the directory was: nothing can be written, whoever runs this.
    let (directory, aside) = (world.dir.path().join("snapshots"), world.dir.path().join("aside"));
    std::fs::rename(&directory, &aside).unwrap();
    std::fs::write(&directory, b"").unwrap();
    world.revoke(key).await;
    publisher.publish().await.unwrap();
    assert!(publisher.current().keys.is_empty(), "it holds all the same");
    assert!(publisher.unsaved().is_some());
    std::fs::remove_file(&directory).unwrap();
    std::fs::rename(&aside, &directory).unwrap();
    assert!(!world.last_good.load().unwrap().keys.is_empty());
    // The next pass has no news, and yet something to do.
    publisher.publish().await.unwrap();
    publisher.publish().await.unwrap();
    assert_eq!(publisher.unsaved(), None);
    assert!(world.last_good.load().unwrap().keys.is_empty());
}

#[tokio::test]
async fn a_fault_keeps_the_last_good_snapshot_and_is_told() {
    let world = world().await;
    let org = world.add_org(1).await;
    let publisher = world.publisher().await;
    let good = publisher.current();
    let key = NewKey { id: KeyId::from_bytes([1; 16]), org, name: "one".parse().unwrap(), public: PublicKey([1; 32]) };
    world.slot.get().unwrap().create_key(key, Micros(0)).await.unwrap();
    world.slot.get().unwrap().close().await;
    let fault = publisher.publish().await.unwrap_err();
    assert!(!fault.is_empty());
    assert_eq!(publisher.fault(), Some(fault));
    assert!(Arc::ptr_eq(&publisher.current(), &good));
}

#[tokio::test]
async fn without_a_store_the_snapshot_on_disk_is_served_until_there_is_one() {
    let world = world().await;
    world.add_org(1).await;
    let saved = world.publisher().await.current();
    world.scope.stop();
    world.scope.finished().await;
    let later = World { slot: StoreSlot::default(), scope: Scope::new(), ..world };
    let publisher = later.publisher().await;
    assert_eq!(*publisher.current(), *saved);
    assert!(publisher.publish().await.is_err());
    later.slot.set(Store::open(&later.dir.path().join("db")).await.unwrap()).ok().unwrap();
    later.add_org(2).await;
    publisher.publish().await.unwrap();
    assert_eq!(publisher.current().orgs.len(), 2);
}
