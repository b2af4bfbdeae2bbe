//! Drafts, publishes and remembered answers; lists in parts; two stores on one database.

use std::time::Duration;

use mezu_model::{DraftId, PublishId};
use serde_json::json;

use super::*;

fn done() -> NewEvent {
    NewEvent::done("test", "x")
}

contract! {
    async fn drafts_are_written_edited_and_come_due(world: World) {
        let (other, _) = org_with_key(&world.store, "other", 2).await;
        let (one, two) = (DraftId::from_bytes([1; 16]), DraftId::from_bytes([2; 16]));
        let hour = after(Duration::from_secs(3600));
        let spec = |publish_at| DraftSpec { name: "spring sale".into(), ops: json!([{ "op": "x" }]), publish_at };
        let mut change = world.store.change(NOW).await.unwrap();
        change.create_draft(world.org, one, &spec(None), Actor::Operator).await.unwrap();
        change.create_draft(world.org, two, &spec(Some(hour)), Actor::System).await.unwrap();
        assert!(change.due_drafts(NOW).await.unwrap().is_empty());
        assert_eq!(change.due_drafts(hour).await.unwrap()[0].id, two);
        let edited = change.update_draft(world.org, one, &spec(Some(NOW)), Some(1)).await.unwrap();
        assert_eq!((edited.version, edited.created_by), (2, Actor::Operator));
        assert!(matches!(change.update_draft(world.org, one, &spec(None), Some(1)).await, Err(StoreError::Stale { .. })));
        assert!(matches!(change.draft(other, one).await, Err(StoreError::NotFound { .. })));
        assert!(matches!(change.delete_draft(other, one, None).await, Err(StoreError::NotFound { .. })));
        change.delete_draft(world.org, one, Some(2)).await.unwrap();
        assert_eq!(change.drafts(world.org, &Slice::default()).await.unwrap().items.len(), 1);
        change.commit(done()).await.unwrap();
    }

    async fn a_publish_is_taken_back_once(world: World) {
        let (other, _) = org_with_key(&world.store, "other", 2).await;
        let id = |n: u8| PublishId::from_bytes([n; 16]);
        let new = |n: u8, undo_of| NewPublish { id: id(n), actor: Actor::Operator, summary: "two routes".into(),
            ops: json!([{ "before": null, "after": { "a": 1 } }]), undo_of };
        let mut change = world.store.change(NOW).await.unwrap();
        change.create_publish(world.org, new(1, None)).await.unwrap();
        change.create_publish(world.org, new(2, None)).await.unwrap();
        let foreign = change.create_publish(other, new(9, Some(id(1)))).await.unwrap_err();
        assert!(matches!(foreign, StoreError::NotFound { .. }), "{foreign}");
        change.create_publish(world.org, new(3, Some(id(1)))).await.unwrap();
        assert_eq!(change.publish(world.org, id(1)).await.unwrap().undone_by, Some(id(3)));
        let page = change.publishes(world.org, &Slice::first(2)).await.unwrap();
        assert_eq!(page.items.iter().map(|one| one.id).collect::<Vec<_>>(), [id(3), id(2)]);
        let rest = change.publishes(world.org, &Slice::after(page.next.unwrap(), 2)).await.unwrap();
        assert_eq!((rest.items[0].id, rest.next), (id(1), None));
        change.commit(done()).await.unwrap();
        let mut change = world.store.change(NOW).await.unwrap();
        let twice = change.create_publish(world.org, new(4, Some(id(1)))).await.unwrap_err();
        assert!(matches!(twice, StoreError::Taken { .. }), "{twice}");
    }

    async fn a_publish_tells_the_generation_that_brought_it(world: World) {
        let new = |n: u8| NewPublish { id: PublishId::from_bytes([n; 16]), actor: Actor::Operator, summary: "s".into(),
            ops: json!([]), undo_of: None };
        let told = async |n: u8| {
            world.store.view().await.unwrap().publish(world.org, PublishId::from_bytes([n; 16])).await.unwrap().generation
        };
        let mut change = world.store.change(NOW).await.unwrap();
        change.create_workload(world.org, mezu_model::WorkloadId::from_bytes([1; 16]), &label("shop"), &Labels::new())
            .await.unwrap();
        change.create_publish(world.org, new(1)).await.unwrap();
        let committed = change.commit(done()).await.unwrap();
        assert_eq!((told(1).await, committed.publish), (Some(committed.revision), Some(PublishId::from_bytes([1; 16]))));
        // Nothing that edges hear of: no generation is raised for it.
        let mut change = world.store.change(NOW).await.unwrap();
        change.create_publish(world.org, new(2)).await.unwrap();
        assert_eq!(change.commit(done()).await.unwrap().revision, committed.revision);
        assert_eq!(told(2).await, Some(committed.revision));
        let before = world.store.read_all().await.unwrap();
        world.store.note_generation(PublishId::from_bytes([1; 16]), 99).await.unwrap();
        assert_eq!((told(1).await, told(2).await), (Some(99), Some(committed.revision)));
        assert_eq!(world.store.read_all().await.unwrap(), before);
    }

    async fn an_answer_is_remembered_for_a_day(world: World) {
        let answer = |n: u8| Remembered { request: [n; 32], status: 201, body: "{}".into() };
        let mut change = world.store.change(NOW).await.unwrap();
        change.remember("org/operator", "k", &answer(1)).await.unwrap();
        let twice = change.remember("org/operator", "k", &answer(2)).await.unwrap_err();
        assert!(matches!(twice, StoreError::Taken { .. }), "{twice}");
        assert_eq!(change.remembered("org/operator", "k", NOW).await.unwrap(), Some(answer(1)));
        assert_eq!(change.remembered("org/system", "k", NOW).await.unwrap(), None);
        change.commit(done()).await.unwrap();
        let mut late = world.store.change(after(KEPT)).await.unwrap();
        assert_eq!(late.remembered("org/operator", "k", after(KEPT)).await.unwrap(), None);
        late.remember("org/operator", "k", &answer(2)).await.unwrap();
        late.commit(done()).await.unwrap();
        world.store.sweep(after(KEPT * 2)).await.unwrap();
        let left = world.store.view().await.unwrap().remembered("org/operator", "k", NOW).await.unwrap();
        assert_eq!(left, None);
    }

    async fn lists_come_in_parts_without_a_gap_or_a_double(world: World) {
        for n in 2..9 {
            org_with_key(&world.store, &format!("org-{n}"), n).await;
        }
        let mut view = world.store.view().await.unwrap();
        let whole = view.orgs(&Slice::default()).await.unwrap();
        assert_eq!((whole.items.len(), &whole.next), (8, &None));
        for limit in [1, 3, 8] {
            let (mut found, mut slice) = (Vec::new(), Slice::first(limit));
            loop {
                let page = view.orgs(&slice).await.unwrap();
                assert!(page.items.len() <= usize::from(limit));
                found.extend(page.items);
                match page.next {
                    Some(next) => slice = Slice::after(next, limit),
                    None => break,
                }
            }
            assert_eq!(found, whole.items, "{limit}");
        }
        // A limit of nothing is one, so that whoever asks so gets on all the same.
        assert_eq!(view.orgs(&Slice::first(0)).await.unwrap().items.len(), 1);
    }

    async fn a_view_sees_one_moment_and_a_change_what_it_has_written(world: World) {
        let mut view = world.store.view().await.unwrap();
        let before = view.orgs(&Slice::default()).await.unwrap();
        let mut change = world.store.change(NOW).await.unwrap();
        change.create_org(OrgId::from_bytes([7; 16]), &label("seven")).await.unwrap();
        assert_eq!(change.orgs(&Slice::default()).await.unwrap().items.len(), before.items.len() + 1);
        change.commit(done()).await.unwrap();
        assert_eq!(view.orgs(&Slice::default()).await.unwrap(), before);
    }

    async fn two_stores_on_one_database_take_turns(world: World) {
        let second = Store::open(&world.url).await.unwrap();
        let scope = mezu_runtime::Scope::new();
        let writers = [world.store.clone(), second].map(|store| {
            mezu_runtime::spawn(&scope, "writer", async move {
                for _ in 0..20 {
                    store.change(NOW).await?.commit(done()).await?;
                }
                Ok::<_, StoreError>(())
            })
        });
        for writer in writers {
            writer.await.unwrap().unwrap();
        }
        assert!(matches!(world.store.verify_audit().await.unwrap(), AuditCheck::Whole { events, .. } if events >= 40));
    }

    async fn an_org_is_deleted_with_all_that_is_only_its_own(world: World) {
        let (other, key) = org_with_key(&world.store, "other", 2).await;
        let mut change = world.store.change(NOW).await.unwrap();
        let used = change.delete_org(other, None).await.unwrap_err();
        assert!(matches!(used, StoreError::InUse { by: "live keys", .. }), "{used}");
        change.revoke_key(other, key).await.unwrap();
        let id = PublishId::from_bytes;
        for (n, undo_of) in [(1, None), (2, Some(id([1; 16])))] {
            let new = NewPublish { id: id([n; 16]), actor: Actor::Operator, summary: "s".into(), ops: json!([]), undo_of };
            change.create_publish(other, new).await.unwrap();
        }
        let spec = DraftSpec { name: "d".into(), ops: json!([]), publish_at: None };
        change.create_draft(other, DraftId::from_bytes([1; 16]), &spec, Actor::Operator).await.unwrap();
        let host = "shop.example.com".parse().unwrap();
        change.claim_hostname(other, &host).await.unwrap();
        change.release_hostname(other, &host).await.unwrap();
        let kept = change.delete_org(other, None).await.unwrap_err();
        assert!(matches!(kept, StoreError::InUse { .. }), "a name in quarantine is still the org's: {kept}");
        change.commit(NewEvent::done("test", "x")).await.unwrap();

        let late = after(QUARANTINE + Duration::from_secs(1));
        world.store.sweep(late).await.unwrap();
        let mut change = world.store.change(late).await.unwrap();
        assert!(matches!(change.delete_org(other, Some(9)).await, Err(StoreError::Stale { .. })));
        change.delete_org(other, Some(1)).await.unwrap();
        assert!(matches!(change.delete_org(other, None).await, Err(StoreError::NotFound { .. })));
        let before = change.revision().await.unwrap();
        assert!(change.commit(NewEvent::done("test", "x")).await.unwrap().revision > before, "edges hear of it");
        assert!(world.store.read_all().await.unwrap().1.orgs.iter().all(|org| org.id != other));
    }
}
