//! Reading only what has changed comes to the same as reading everything.

use mezu_model::RouteId;
use mezu_policy::PipelineSpec;
use mezu_snapshot::Parts;

use super::*;

fn done() -> NewEvent {
    NewEvent::done("test", "x")
}

fn host(text: &str) -> Hostname {
    text.parse().unwrap()
}

/// Reads what is new, and everything, which must be the same.
async fn catch_up(store: &Store, known: &mut (u64, Parts)) -> bool {
    let news = store.read_after(known.0, || known.1.clone()).await.unwrap();
    let is_new = news.is_some();
    *known = news.unwrap_or_else(|| known.clone());
    assert_eq!(*known, store.read_all().await.unwrap());
    is_new
}

contract! {
    async fn what_is_new_is_read_and_comes_to_the_whole(world: World) {
        let id = world.workload("shop").await;
        let mut known = world.store.read_all().await.unwrap();
        assert!(!catch_up(&world.store, &mut known).await);
        let route = |n: u8| RouteId::from_bytes([n; 16]);
        let spec = |path: &str| RouteSpec::new(host("a.test"), path.parse().unwrap(), id, PipelineSpec::default());
        // In the middle, at the front and at the end; changed; taken away; several at once; none.
        for (n, path) in [(0x50, "/m"), (0x10, "/f"), (0xF0, "/e")] {
            let mut change = world.store.change(NOW).await.unwrap();
            change.create_route(world.org, route(n), spec(path)).await.unwrap();
            change.commit(done()).await.unwrap();
            assert!(catch_up(&world.store, &mut known).await);
        }
        let mut change = world.store.change(NOW).await.unwrap();
        change.update_route(world.org, route(0x50), RouteSpec { enabled: false, ..spec("/n") }, None).await.unwrap();
        change.delete_route(world.org, route(0x10), None).await.unwrap();
        change.create_route(world.org, route(0x60), spec("/g")).await.unwrap();
        change.delete_route(world.org, route(0x60), None).await.unwrap();
        change.commit(done()).await.unwrap();
        // A change that edges need not hear of, and one that was given up.
        world.store.record(done(), NOW).await.unwrap();
        let mut dropped = world.store.change(NOW).await.unwrap();
        dropped.delete_route(world.org, route(0xF0), None).await.unwrap();
        drop(dropped);
        assert!(catch_up(&world.store, &mut known).await);
        let mut change = world.store.change(NOW).await.unwrap();
        change.delete_workload(world.org, id, true, None).await.unwrap();
        change.commit(done()).await.unwrap();
        org_with_key(&world.store, "other", 2).await;
        assert!(catch_up(&world.store, &mut known).await);
        assert!(!catch_up(&world.store, &mut known).await);
    }

    async fn what_another_process_or_too_many_have_changed_is_read_whole(world: World) {
        let id = world.workload("shop").await;
        let mut known = world.store.read_all().await.unwrap();
        let other = Store::open(world.url.clone()).await.unwrap();
        let spec = |n: usize| RouteSpec::new(host("a.test"), format!("/{n}").parse().unwrap(), id, PipelineSpec::default());
        for n in 0..300 {
            let store = if n % 100 == 7 { &other } else { &world.store };
            let mut change = store.change(NOW).await.unwrap();
            change.create_route(world.org, mezu_runtime::id::new(), spec(n)).await.unwrap();
            change.commit(done()).await.unwrap();
            if n % 50 == 9 {
                assert!(catch_up(&world.store, &mut known).await);
            }
        }
        assert!(catch_up(&world.store, &mut known).await);
        let mut change = world.store.change(NOW).await.unwrap();
        for n in 1000..2100 {
            change.create_route(world.org, mezu_runtime::id::new(), spec(n)).await.unwrap();
        }
        change.commit(done()).await.unwrap();
        assert!(catch_up(&world.store, &mut known).await);
    }
}
