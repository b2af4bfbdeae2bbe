//! The audit log: every change has its event, and whoever touches one is found out.

use super::*;

fn event(action: &'static str) -> NewEvent {
    NewEvent::done(action, "x")
}

contract! {
    async fn every_change_leaves_its_event_and_an_abandoned_one_leaves_nothing(world: World) {
        let before = world.events().await;
        world.enrol("shop").await.unwrap();
        world.enrol("shop").await.unwrap();
        let route = world.add_route(world.org, "a.test", "/", "shop").await.unwrap();
        world.store.remove_route(route, NOW).await.unwrap();
        world.store.revoke_key(world.key, NOW).await.unwrap();
        let mut abandoned = world.store.change(NOW).await.unwrap();
        abandoned.create_org(OrgId::from_bytes([7; 16]), &label("never")).await.unwrap();
        abandoned.log(&event("org.create")).await.unwrap();
        drop(abandoned);
        let events = world.events().await;
        let actions: Vec<&str> = events[before.len()..].iter().map(|event| event.action.as_str()).collect();
        assert_eq!(actions, ["workload.enrol", "route.create", "route.delete", "key.revoke"]);
        let enrolled = &events[before.len()];
        assert_eq!((enrolled.actor, enrolled.org), (Actor::Key(world.key), Some(world.org)));
        let deleted = &events[before.len() + 2];
        assert_eq!(deleted.before.as_ref().unwrap()["host"], "a.test");
        assert_eq!(world.whole().await, events.len());
    }

    async fn a_refusal_is_recorded_by_itself_and_no_edge_hears_of_it(world: World) {
        let revision = world.revision().await;
        let refused = NewEvent { outcome: Outcome::Refused, source: "192.0.2.1".into(), ..event("session.create") };
        let seq = world.store.record(refused.by(Actor::Anonymous), NOW).await.unwrap();
        let last = world.events().await.pop().unwrap();
        assert_eq!((last.seq, last.outcome, last.actor), (seq, Outcome::Refused, Actor::Anonymous));
        assert_eq!(world.revision().await, revision);
    }

    async fn the_database_refuses_to_change_or_delete_an_event(world: World) {
        for sql in ["UPDATE audit SET actor = 'system'", "DELETE FROM audit", "DELETE FROM audit WHERE seq = 1",
            "INSERT INTO audit SELECT seq + 5, at, org_id, actor, source, request_id, action, object, outcome, \
             state_before, state_after, prev, prev FROM audit WHERE seq = 1"]
        {
            let refused = world.sql(sql).await.unwrap_err();
            assert!(refused.to_string().contains("append-only"), "{sql}: {refused}");
        }
        world.whole().await;
    }

    async fn whoever_gets_around_that_breaks_the_chain(world: World) {
        for n in 0..5 {
            world.store.record(event("a.b").of(world.org), Micros(NOW.0 + n)).await.unwrap();
        }
        let whole = world.whole().await;
        assert!(whole >= 5);
        world.unguard().await;
        for (sql, undo) in [
            ("UPDATE audit SET actor = 'system' WHERE seq = 4", "UPDATE audit SET actor = 'operator' WHERE seq = 4"),
            ("UPDATE audit SET org_id = '' WHERE seq = 4 AND org_id IS NOT NULL", ""),
        ] {
            world.sql(sql).await.unwrap();
            let broken = world.store.verify_audit().await.unwrap();
            assert_eq!(broken, AuditCheck::Broken { seq: 4, fault: "it was changed" }, "{sql}");
            if !undo.is_empty() {
                world.sql(undo).await.unwrap();
                world.whole().await;
            }
        }
        world.sql("DELETE FROM audit WHERE seq = 3").await.unwrap();
        let broken = world.store.verify_audit().await.unwrap();
        assert_eq!(broken, AuditCheck::Broken { seq: 3, fault: "it is missing" });
        world.sql("DELETE FROM audit WHERE seq >= 3").await.unwrap();
        let broken = world.store.verify_audit().await.unwrap();
        assert_eq!(broken, AuditCheck::Broken { seq: 3, fault: "it is missing, and all after it" });
    }

    async fn events_are_found_by_who_what_and_when(world: World) {
        let (other, _) = org_with_key(&world.store, "other", 2).await;
        for n in 0..7 {
            let org = if n % 2 == 0 { world.org } else { other };
            world.store.record(event("a.b").of(org).by(Actor::System), Micros(NOW.0 + n)).await.unwrap();
        }
        let mut view = world.store.view().await.unwrap();
        let filter = EventFilter { org: Some(other), actor: Some(Actor::System), ..EventFilter::of(None) };
        let found = view.events(&filter, &Slice::default()).await.unwrap();
        assert_eq!(found.items.len(), 3);
        assert!(found.items.iter().all(|event| event.org == Some(other)));
        let filter = EventFilter { action: Some("a.b".into()), since: Some(Micros(NOW.0 + 2)),
            until: Some(Micros(NOW.0 + 5)), outcome: Some(Outcome::Done), object: Some("x".into()),
            ..EventFilter::of(None) };
        let first = view.events(&filter, &Slice::first(2)).await.unwrap();
        assert_eq!(first.items.iter().map(|event| event.at.0 - NOW.0).collect::<Vec<_>>(), [4, 3]);
        let rest = view.events(&filter, &Slice::after(first.next.unwrap(), 2)).await.unwrap();
        assert_eq!((rest.items.len(), rest.next), (1, None));
    }

    async fn what_is_said_cannot_harm_whoever_reads_it(world: World) {
        let nasty = NewEvent { source: "a\r\nb\0\u{1b}[2J".into(), object: "y".repeat(10_000), ..event("a.b") };
        world.store.record(nasty, NOW).await.unwrap();
        let last = world.events().await.pop().unwrap();
        assert!(!last.source.chars().any(char::is_control), "{:?}", last.source);
        assert_eq!(last.object.len(), 512);
        world.whole().await;
    }
}

impl World {
    /// All events, the oldest first.
    async fn events(&self) -> Vec<Event> {
        let mut all = Vec::new();
        let mut slice = Slice::default();
        let mut view = self.store.view().await.unwrap();
        loop {
            let page = view.events(&EventFilter::of(None), &slice).await.unwrap();
            all.extend(page.items);
            match page.next {
                Some(next) => slice = Slice::after(next, MOST),
                None => break,
            }
        }
        all.reverse();
        all
    }

    /// The number of events, all of which must fit.
    async fn whole(&self) -> usize {
        match self.store.verify_audit().await.unwrap() {
            AuditCheck::Whole { events, .. } => usize::try_from(events).unwrap(),
            broken => panic!("{broken:?}"),
        }
    }

    /// Takes the log's guards away, as only the owner of the database can.
    async fn unguard(&self) {
        let guards: &[&str] = match self.place {
            Place::File(_) => &["DROP TRIGGER audit_never_changes", "DROP TRIGGER audit_never_shrinks"],
            Place::Server(_) => &["ALTER TABLE audit DISABLE TRIGGER USER"],
        };
        for sql in guards {
            self.sql(sql).await.unwrap();
        }
    }
}
