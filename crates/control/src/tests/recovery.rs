//! Recovery codes, hashes of passwords that are made anew, and members who leave.

use mezu_model::{MemberId, Role};
use serde_json::{Value, json};

use super::people::{PASSWORD, set_up, sign_in, unbase32};
use super::world::{As, Got, World, on_both};
use crate::auth::{older_hash, totp};

fn codes(got: &Got) -> Vec<String> {
    assert_eq!(got.status, 200, "{got:?}");
    got.body["codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect()
}

fn again() -> Option<Value> {
    Some(json!({"password": PASSWORD}))
}

/// Gives the owner a second factor; the recovery codes.
async fn second_factor(world: &World, owner: &As) -> Vec<String> {
    let begun = world.ask(owner, "POST", "/me/totp", again()).await;
    let secret = unbase32(begun.body["secret"].as_str().unwrap());
    let code = totp::at(&secret, world.control.now().0 / 30_000_000);
    codes(&world.ask(owner, "POST", "/me/totp/confirm", Some(json!({ "code": code }))).await)
}

#[tokio::test]
async fn a_recovery_code_stands_in_for_a_lost_second_factor_once() {
    on_both(|world| async move {
        let owner = set_up(&world).await;
        let early = world.ask(&owner, "POST", "/me/totp/recovery-codes", again()).await;
        assert_eq!(early.code(), "conflict", "there is nothing to stand in for");
        let first = second_factor(&world, &owner).await;
        let left = async || world.ask(&owner, "GET", "/me", None).await.body["recovery_codes"].clone();
        assert_eq!((first.len(), left().await), (10, json!(10)));

        let ask = |code: &str| {
            let code = Some(code.to_owned());
            world.ask(&As::Nobody, "POST", "/session", sign_in("owner@example.com", PASSWORD, code))
        };
        let came = ask(&first[0].to_uppercase()).await;
        assert_eq!((came.status, left().await), (201, json!(9)), "{came:?}");
        let events = world.events(2).await;
        assert_eq!([&events[0].action, &events[1].action], ["session.create", "me.use_recovery_code"]);
        assert_eq!(events[1].after, Some(json!({"recovery_codes": 9})));
        assert_eq!(events[0].actor, events[1].actor);
        assert_eq!(ask(&first[0]).await.code(), "wrong_code", "it was used");
        assert_eq!(ask("aaaa-aaaa-aaaa-aaaa").await.code(), "wrong_code");
        assert_eq!(left().await, json!(9));

        let wrong = Some(json!({"password": "wrong"}));
        assert_eq!(world.ask(&owner, "POST", "/me/totp/recovery-codes", wrong).await.body["pointer"], "/password");
        let second = codes(&world.ask(&owner, "POST", "/me/totp/recovery-codes", again()).await);
        assert_eq!(world.events(1).await[0].action, "me.renew_recovery_codes");
        assert_eq!(ask(&first[1]).await.code(), "wrong_code", "new ones take the place of all");
        assert_eq!(ask(&second[0]).await.status, 201);
        assert_eq!(world.ask(&owner, "POST", "/me/totp/remove", again()).await.status, 204);
        assert_eq!(left().await, json!(0), "they go with what they stand in for");
    })
    .await;
}

#[tokio::test]
async fn of_two_who_show_one_recovery_code_at_once_one_comes_in() {
    on_both(|world| async move {
        let owner = set_up(&world).await;
        let codes = second_factor(&world, &owner).await;
        let ask = || {
            world.ask(&As::Nobody, "POST", "/session", sign_in("owner@example.com", PASSWORD, codes.first().cloned()))
        };
        let (a, b) = tokio::join!(ask(), ask());
        let mut came = [a.status, b.status];
        came.sort_unstable();
        assert_eq!(came, [201, 401], "{a:?} {b:?}");
    })
    .await;
}

#[tokio::test]
async fn who_signs_in_with_an_old_hash_gets_one_of_today() {
    on_both(|world| async move {
        set_up(&world).await;
        let id: MemberId = {
            let email = "owner@example.com".parse().unwrap();
            world.store.view().await.unwrap().member_by_email(&email).await.unwrap().unwrap().id
        };
        let mut change = world.store.change(world.control.now()).await.unwrap();
        let old = older_hash(PASSWORD.as_bytes());
        change.set_password(id, Some(old.clone())).await.unwrap();
        change.commit(mezu_store::NewEvent::done("test", id)).await.unwrap();
        let kept = async || world.store.view().await.unwrap().credentials(id).await.unwrap().password.unwrap();
        let version = async || world.store.view().await.unwrap().member(id).await.unwrap().version;
        let before = version().await;
        let ask = |password| world.ask(&As::Nobody, "POST", "/session", sign_in("owner@example.com", password, None));
        assert_eq!(ask("another seven words").await.code(), "wrong_credentials");
        assert_eq!(kept().await, old);
        assert_eq!(ask(PASSWORD).await.status, 201);
        let new = kept().await;
        assert!(new.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{new}");
        assert_eq!(ask(PASSWORD).await.status, 201);
        assert_eq!((kept().await, version().await), (new, before));
    })
    .await;
}

#[tokio::test]
async fn a_member_leaves_an_org_but_the_last_owner() {
    on_both(|world| async move {
        let org = world.org("acme").await;
        let (_, owner) = world.member(org, "owner@example.com", Role::Owner).await;
        let (viewer_id, viewer) = world.member(org, "viewer@example.com", Role::Viewer).await;
        let token = world.token(org, viewer_id, Role::Viewer).await;
        let leave = async |who: &As| world.ask(who, "DELETE", "/orgs/acme/members/me", None).await;
        assert_eq!(leave(&As::Nobody).await.code(), "unauthenticated");
        assert_eq!(leave(&token).await.code(), "forbidden", "a token cannot take its member out");
        assert_eq!(leave(&As::Operator).await.code(), "forbidden");
        assert_eq!(leave(&owner).await.code(), "last_owner");
        assert_eq!(leave(&viewer).await.status, 204);
        let event = &world.events(1).await[0];
        assert_eq!((event.action.as_str(), event.object.clone()), ("member.leave", viewer_id.to_string()));
        for who in [&viewer, &token] {
            assert!([401, 404].contains(&world.ask(who, "GET", "/orgs/acme", None).await.status));
        }
        assert_eq!(leave(&viewer).await.code(), "not_found");
        // The session goes on: there may be other orgs.
        assert_eq!(world.ask(&viewer, "GET", "/me", None).await.status, 200);
    })
    .await;
}
