//! Machines that ask to be let in, and who may decide about them.

use std::time::Instant;

use mezu_model::{PublicKey, Role};
use mezu_store::Outcome;
use serde_json::{Value, json};

use super::world::{As, World, on_both};
use crate::{Claim, Grant, MachineTold, Verdict, Waiting};

fn claim(key: u8) -> Claim {
    let (host, user, agent) = ("laptop".into(), "eve".into(), "warpgate/1".into());
    Claim { key: PublicKey([key; 32]), address: "203.0.113.9".parse().unwrap(), org: None, host, user, agent }
}

fn asks(world: &World, claim: Claim) -> Waiting {
    match world.control.machines().ask(claim, Instant::now(), world.control.now()) {
        Ok(MachineTold::Waits(waiting)) => waiting,
        other => panic!("{other:?}"),
    }
}

fn path(org: &str, waiting: &Waiting) -> String {
    format!("/orgs/{org}/machines/{}", waiting.code)
}

fn approval(key: u8, name: &str) -> Value {
    json!({"name": name, "fingerprint": PublicKey([key; 32]).fingerprint()})
}

#[tokio::test]
async fn who_knows_the_code_lets_the_machine_in_once() {
    on_both(|world| async move {
        let org = world.org("acme").await;
        let (_, admin) = world.member(org, "a@example.com", Role::Admin).await;
        let waiting = asks(&world, claim(7));
        let path = path("acme", &waiting);
        let seen = world.ask(&admin, "GET", &path.to_lowercase().replace('-', ""), None).await;
        assert_eq!(seen.status, 200, "{seen:?}");
        assert_eq!(seen.body["claims"], json!({"host": "laptop", "user": "eve", "program": "warpgate/1"}));
        assert_eq!((&seen.body["address"], &seen.body["code"]), (&json!("203.0.113.9"), &json!(waiting.code)));

        let mut wish = approval(7, "laptop");
        wish["workloads"] = json!(["shop"]);
        wish["cidrs"] = json!(["203.0.113.0/24"]);
        let made = world.ask(&admin, "POST", &path, Some(wish.clone())).await;
        assert_eq!(made.status, 201, "{made:?}");
        assert!(!made.header("mezu-generation").is_empty() && made.body["secret"].is_null(), "{made:?}");
        let account = format!("/orgs/acme/accounts/{}", made.body["account"].as_str().unwrap());
        let account = world.ask(&admin, "GET", &account, None).await.body;
        assert_eq!((&account["name"], &account["workloads"]), (&json!("laptop"), &json!(["shop"])));
        assert_eq!(account["cidrs"], json!(["203.0.113.0/24"]));
        let stored = world.store.read_all().await.unwrap().1.keys;
        assert!(stored.iter().any(|key| key.public == PublicKey([7; 32])));

        let events = world.events(2).await;
        assert_eq!((events[0].action.as_str(), events[1].action.as_str()), ("machine.approve", "account.create"));
        let verdict = waiting.verdict().await;
        let Verdict::LetIn(Grant { org, account, expires_at: Some(_) }) = verdict else { panic!("{verdict:?}") };
        assert_eq!((org.as_str(), account.as_str()), ("acme", "laptop"));
        for (method, body) in [("GET", None), ("POST", Some(wish)), ("DELETE", None)] {
            assert_eq!(
                world.ask(&admin, method, &path, body).await.code(),
                "not_found",
                "{method}: the code is used up"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_decision_that_may_not_be_leaves_the_machine_waiting() {
    let world = World::sqlite().await;
    world.org("acme").await;
    let waiting = asks(&world, claim(7));
    let path = path("acme", &waiting);
    let post = async |body: Value| world.ask(&As::Operator, "POST", &path, Some(body)).await;
    let other = post(approval(8, "laptop")).await;
    assert_eq!((other.status, other.code()), (409, "conflict"), "what was looked at was another key");
    let known = json!({"name": "laptop", "workloads": ["shop"]});
    assert_eq!(world.ask(&As::Operator, "POST", "/orgs/acme/accounts", Some(known)).await.status, 201);
    for (field, value, pointer) in [
        ("workloads", json!(["other"]), "/workloads"),
        ("cidrs", json!(["192.0.2.0/24"]), "/cidrs"),
        ("expires_at", json!("2001-01-01T00:00:00Z"), "/expires_at"),
    ] {
        let mut wish = approval(7, "laptop");
        wish[field] = value;
        let refused = post(wish).await;
        assert_eq!((refused.status, &refused.body["pointer"]), (422, &json!(pointer)), "{refused:?}");
    }
    assert_eq!(post(json!({"name": "laptop"})).await.status, 422, "nobody approves what they have not looked at");
    assert_eq!(post(approval(7, "laptop")).await.status, 201, "an account that is there keeps its scope");
    assert!(matches!(waiting.verdict().await, Verdict::LetIn(_)));
}

#[tokio::test]
async fn a_machine_is_turned_away_and_that_is_recorded() {
    on_both(|world| async move {
        let org = world.org("acme").await;
        let (_, admin) = world.member(org, "a@example.com", Role::Admin).await;
        let (_, editor) = world.member(org, "e@example.com", Role::Editor).await;
        let waiting = asks(&world, claim(7));
        let path = path("acme", &waiting);
        assert_eq!(world.ask(&editor, "DELETE", &path, None).await.code(), "forbidden");
        let refused = world.ask(&admin, "DELETE", &path, None).await;
        assert_eq!(refused.status, 204, "{refused:?}");
        assert_eq!(waiting.verdict().await, Verdict::Refused);
        let event = world.events(1).await.remove(0);
        assert_eq!((event.action.as_str(), event.outcome, event.org), ("machine.refuse", Outcome::Done, Some(org)));
        assert!(world.store.read_all().await.unwrap().1.keys.is_empty());
    })
    .await;
}

#[tokio::test]
async fn another_org_does_not_take_a_machine_that_names_its_own() {
    let world = World::sqlite().await;
    let (_, other) = (world.org("acme").await, world.org("other").await);
    let (_, stranger) = world.member(other, "s@example.com", Role::Owner).await;
    let waiting = asks(&world, Claim { org: Some("acme".parse().unwrap()), ..claim(7) });
    for (method, body) in [("GET", None), ("POST", Some(approval(7, "x"))), ("DELETE", None)] {
        for (org, code) in [("other", "not_found"), ("acme", "not_found")] {
            let got = world.ask(&stranger, method, &path(org, &waiting), body.clone()).await;
            assert_eq!(got.code(), code, "{method} {org}");
        }
    }
    assert_eq!(world.ask(&As::Operator, "POST", &path("acme", &waiting), Some(approval(7, "x"))).await.status, 201);
}

#[tokio::test]
async fn codes_cannot_be_guessed() {
    let world = World::sqlite().await;
    let org = world.org("acme").await;
    let (_, guesser) = world.member(org, "g@example.com", Role::Admin).await;
    let (_, admin) = world.member(org, "a@example.com", Role::Admin).await;
    let waiting = asks(&world, claim(7));
    for _ in 0..10 {
        assert_eq!(world.ask(&guesser, "GET", "/orgs/acme/machines/AAAA-AAAA", None).await.code(), "not_found");
    }
    let slowed = world.ask(&guesser, "GET", "/orgs/acme/machines/AAAA-AAAA", None).await;
    assert_eq!(slowed.status, 429, "{slowed:?}");
    assert!(slowed.header("retry-after").parse::<u64>().unwrap() > 30, "{slowed:?}");
    assert_eq!(world.events(1).await[0].outcome, Outcome::Refused, "and that is recorded");
    let right = world.ask(&guesser, "POST", &path("acme", &waiting), Some(approval(7, "x"))).await;
    assert_eq!(right.status, 429, "the right one comes too late");
    assert_eq!(world.ask(&admin, "GET", &path("acme", &waiting), None).await.status, 200, "others are not slowed");
    let odd = world.ask(&admin, "GET", "/orgs/acme/machines/nonsense", None).await;
    assert_eq!(odd.code(), "not_found");
}

#[tokio::test]
async fn a_key_is_given_up_by_who_holds_it() {
    on_both(|world| async move {
        let org = world.org("acme").await;
        let waiting = asks(&world, claim(7));
        let made = world.ask(&As::Operator, "POST", &path("acme", &waiting), Some(approval(7, "laptop"))).await;
        let key = made.body["id"].as_str().unwrap().parse().unwrap();
        let address = "203.0.113.9".parse().unwrap();
        crate::ops::machine::give_up(&world.control, org, key, address).await.unwrap();
        assert!(world.store.read_all().await.unwrap().1.keys.is_empty());
        let event = world.events(1).await.remove(0);
        assert_eq!((event.action.as_str(), event.source.as_str()), ("key.give_up", "203.0.113.9"));
    })
    .await;
}
