//! People: the first run, signing in and out, second factors, invitations, roles and tokens.

use mezu_model::Role;
use serde_json::{Value, json};

use super::world::{As, Got, World, on_both};
use crate::auth::totp;
use crate::ops::setup;

pub(super) const PASSWORD: &str = "plum tractor violin seven";

/// The session in an answer's cookie.
fn session(got: &Got) -> As {
    let cookie = got.header("set-cookie");
    let attributes = "; Path=/; Secure; HttpOnly; SameSite=Strict";
    let secret = cookie.strip_prefix("__Host-mezu-console=").and_then(|rest| rest.strip_suffix(attributes));
    As::Session(secret.unwrap_or_else(|| panic!("{got:?}")).to_string())
}

/// A world whose first owner has come in.
pub(super) async fn set_up(world: &World) -> As {
    world.org("acme").await;
    let token = setup::make_token();
    assert!(setup::open(&world.store, &token, world.control.now()).await.unwrap());
    let asked = json!({"token": token, "email": "Owner@example.com", "name": "Owner", "password": PASSWORD});
    let got = world.ask(&As::Nobody, "POST", "/setup", Some(asked)).await;
    assert_eq!(got.status, 201, "{got:?}");
    session(&got)
}

pub(super) fn sign_in(email: &str, password: &str, code: Option<String>) -> Option<Value> {
    let mut asked = json!({"email": email, "password": password});
    if let Some(code) = code {
        asked["code"] = code.into();
    }
    Some(asked)
}

#[tokio::test]
async fn the_first_owner_is_made_once() {
    on_both(|world| async move {
        assert_eq!(world.ask(&As::Nobody, "GET", "/setup", None).await.body, json!({"is_open": false}));
        let owner = set_up(&world).await;
        assert_eq!(world.ask(&As::Nobody, "GET", "/setup", None).await.body, json!({"is_open": false}));
        let token = setup::make_token();
        assert!(!setup::open(&world.store, &token, world.control.now()).await.unwrap(), "it stays shut");
        let asked = json!({"token": token, "email": "b@example.com", "name": "B", "password": PASSWORD});
        let again = world.ask(&As::Nobody, "POST", "/setup", Some(asked)).await;
        assert_eq!((again.status, again.code()), (409, "setup_closed"));
        let me = world.ask(&owner, "GET", "/me", None).await;
        assert_eq!((me.body["kind"].as_str(), me.body["email"].as_str()), (Some("member"), Some("owner@example.com")));
        let org = world.ask(&owner, "GET", "/orgs/acme", None).await;
        assert_eq!(org.body["role"], "owner");
    })
    .await;
}

#[tokio::test]
async fn a_wrong_setup_token_makes_nobody() {
    let world = World::sqlite().await;
    world.org("acme").await;
    setup::open(&world.store, &setup::make_token(), world.control.now()).await.unwrap();
    let asked = json!({"token": setup::make_token(), "email": "b@example.com", "name": "B", "password": PASSWORD});
    let wrong = world.ask(&As::Nobody, "POST", "/setup", Some(asked.clone())).await;
    assert_eq!((wrong.status, wrong.code()), (401, "wrong_credentials"));
    let mut weak = asked;
    weak["password"] = "password1".into();
    let weak = world.ask(&As::Nobody, "POST", "/setup", Some(weak)).await;
    assert_eq!((weak.code(), weak.body["pointer"].as_str()), ("invalid", Some("/password")));
    assert!(!world.store.view().await.unwrap().has_members().await.unwrap());
    assert_eq!(world.ask(&As::Nobody, "GET", "/setup", None).await.body, json!({"is_open": true}));
}

#[tokio::test]
async fn members_sign_in_and_out() {
    on_both(|world| async move {
        let first = set_up(&world).await;
        let got = world.ask(&As::Nobody, "POST", "/session", sign_in("OWNER@example.com", PASSWORD, None)).await;
        let second = session(&got);
        let listed = world.ask(&second, "GET", "/sessions", None).await;
        let items = listed.body["items"].as_array().unwrap();
        assert_eq!(items.iter().filter(|one| one["is_this"] == true).count(), 1, "{items:?}");
        assert_eq!(items.len(), 2);
        let other = items.iter().find(|one| one["is_this"] == false).unwrap()["id"].as_str().unwrap();
        assert_eq!(world.ask(&second, "DELETE", &format!("/sessions/{other}"), None).await.status, 204);
        assert_eq!(world.ask(&first, "GET", "/me", None).await.code(), "unauthenticated");
        let out = world.ask(&second, "DELETE", "/session", None).await;
        assert!(out.status == 204 && out.header("set-cookie").contains("Max-Age=0"), "{out:?}");
        assert_eq!(world.ask(&second, "GET", "/me", None).await.status, 401);

        let again = || world.ask(&As::Nobody, "POST", "/session", sign_in("owner@example.com", PASSWORD, None));
        let (a, b) = (session(&again().await), session(&again().await));
        assert_eq!(world.ask(&a, "DELETE", "/sessions", None).await.status, 204);
        assert_eq!(world.ask(&a, "GET", "/me", None).await.status, 401);
        assert_eq!(world.ask(&b, "GET", "/me", None).await.status, 401);
    })
    .await;
}

#[tokio::test]
async fn wrong_passwords_and_unknown_accounts_look_alike_and_slow_down() {
    let world = World::sqlite().await;
    set_up(&world).await;
    let strip = |mut got: Got| {
        got.headers.remove("mezu-request-id");
        got.body["request_id"] = Value::Null;
        (got.status, got.headers, got.body)
    };
    let known = world.ask(&As::Nobody, "POST", "/session", sign_in("owner@example.com", "wrong", None)).await;
    let unknown = world.ask(&As::Nobody, "POST", "/session", sign_in("nobody@example.com", "wrong", None)).await;
    assert_eq!(known.code(), "wrong_credentials");
    assert_eq!(strip(known), strip(unknown));
    let event = &world.events(1).await[0];
    assert_eq!((event.action.as_str(), event.object.as_str()), ("session.create", "nobody@example.com"));
    for _ in 0..4 {
        let got = world.ask(&As::Nobody, "POST", "/session", sign_in("owner@example.com", "wrong", None)).await;
        assert_eq!(got.code(), "wrong_credentials");
    }
    let slow = world.ask(&As::Nobody, "POST", "/session", sign_in("owner@example.com", PASSWORD, None)).await;
    assert_eq!((slow.status, slow.code()), (429, "too_many_attempts"));
    let wait: u64 = slow.header("retry-after").parse().unwrap();
    assert!((1..=12).contains(&wait), "a delay, no lock: {wait}");
}

#[tokio::test]
async fn a_second_factor_is_asked_for_and_each_code_works_once() {
    on_both(|world| async move {
        let owner = set_up(&world).await;
        let wrong = world.ask(&owner, "POST", "/me/totp", Some(json!({"password": "wrong"}))).await;
        assert_eq!((wrong.status, wrong.body["pointer"].as_str()), (422, Some("/password")));
        let begun = world.ask(&owner, "POST", "/me/totp", Some(json!({"password": PASSWORD}))).await;
        let secret = unbase32(begun.body["secret"].as_str().unwrap());
        let step = world.control.now().0 / 30_000_000;
        let bad = world.ask(&owner, "POST", "/me/totp/confirm", Some(json!({"code": "000000x"}))).await;
        assert_eq!(bad.code(), "wrong_code");
        let code = |step| Some(totp::at(&secret, step));
        let confirm = Some(json!({"code": code(step - 1)}));
        assert_eq!(world.ask(&owner, "POST", "/me/totp/confirm", confirm).await.status, 200);

        let ask = |code| world.ask(&As::Nobody, "POST", "/session", sign_in("owner@example.com", PASSWORD, code));
        assert_eq!(ask(None).await.code(), "code_required");
        assert_eq!(ask(code(step - 1)).await.code(), "wrong_code", "it was used to confirm");
        let came = ask(code(step)).await;
        assert_eq!(came.status, 201, "{came:?}");
        assert_eq!(ask(code(step)).await.code(), "wrong_code", "it was used to sign in");
        let id = came.body["member"].as_str().unwrap().parse().unwrap();
        let kept = world.store.view().await.unwrap().credentials(id).await;
        assert!(kept.unwrap().totp_secret.unwrap().starts_with("v1:"), "sealed");
        let again = Some(json!({"password": PASSWORD}));
        assert_eq!(world.ask(&owner, "POST", "/me/totp", again.clone()).await.code(), "conflict");
        assert_eq!(world.ask(&owner, "POST", "/me/totp/remove", again).await.status, 204);
        assert_eq!(ask(None).await.status, 201);
    })
    .await;
}

pub(super) fn unbase32(text: &str) -> Vec<u8> {
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: String = text.chars().map(|c| format!("{:05b}", digits.find(c).unwrap())).collect();
    (0..bits.len() / 8).map(|at| u8::from_str_radix(&bits[at * 8..at * 8 + 8], 2).unwrap()).collect()
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions() {
    let world = World::sqlite().await;
    let first = set_up(&world).await;
    let got = world.ask(&As::Nobody, "POST", "/session", sign_in("owner@example.com", PASSWORD, None)).await;
    let second = session(&got);
    let new = "quiet harbour fennel bicycle";
    let asked = json!({"current": "wrong", "new": new});
    assert_eq!(world.ask(&first, "PUT", "/me/password", Some(asked)).await.body["pointer"], "/current");
    let asked = json!({"current": PASSWORD, "new": "owner@example.com"});
    assert_eq!(world.ask(&first, "PUT", "/me/password", Some(asked)).await.body["pointer"], "/new");
    let asked = json!({"current": PASSWORD, "new": new});
    assert_eq!(world.ask(&first, "PUT", "/me/password", Some(asked)).await.status, 204);
    assert_eq!(world.ask(&first, "GET", "/me", None).await.status, 200);
    assert_eq!(world.ask(&second, "GET", "/me", None).await.status, 401);
    let old = world.ask(&As::Nobody, "POST", "/session", sign_in("owner@example.com", PASSWORD, None)).await;
    assert_eq!(old.code(), "wrong_credentials");
    let got = world.ask(&As::Nobody, "POST", "/session", sign_in("owner@example.com", new, None)).await;
    assert_eq!(got.status, 201);
}

#[tokio::test]
async fn a_session_ends_when_it_is_not_used() {
    let world = World::sqlite().await;
    let org = world.org("acme").await;
    let (member, fresh) = world.member(org, "a@example.com", Role::Viewer).await;
    assert_eq!(world.ask(&fresh, "GET", "/me", None).await.status, 200);
    let (secret, now) = (crate::auth::secret::SESSION.make(), world.control.now());
    let since = |minutes: i64| mezu_store::Micros(now.0 - minutes * 60_000_000);
    let mut change = world.store.change(since(31)).await.unwrap();
    let hash = crate::auth::secret::hash(secret.as_bytes());
    let expires_at = mezu_store::Micros(now.0 + 60_000_000);
    let new = mezu_store::NewSession { hash, member, expires_at, source: "t".into(), agent: "t".into() };
    change.create_session(new).await.unwrap();
    change.commit(mezu_store::NewEvent::done("test.session", member)).await.unwrap();
    assert_eq!(world.ask(&As::Session(secret.clone()), "GET", "/me", None).await.status, 401);
    world.store.touch_session(&hash, since(29)).await.unwrap();
    assert_eq!(world.ask(&As::Session(secret.clone()), "GET", "/me", None).await.status, 200);
    let seen = world.store.view().await.unwrap().signed_in(&hash, now).await.unwrap().unwrap().0.seen_at;
    assert!(seen > since(1), "its use was noted");
}

#[tokio::test]
async fn people_come_by_invitation() {
    on_both(|world| async move {
        let owner = set_up(&world).await;
        let asked = Some(json!({"email": "new@example.com", "role": "admin"}));
        let key = [("idempotency-key", "one")];
        let made = world.ask_with(&owner, "POST", "/orgs/acme/invitations", asked.clone(), &key).await;
        let secret = made.body["secret"].as_str().unwrap().to_string();
        let again = world.ask_with(&owner, "POST", "/orgs/acme/invitations", asked, &key).await;
        assert_eq!((again.status, &again.body["id"]), (201, &made.body["id"]));
        assert!(again.body["secret"].is_null(), "a secret is told once");

        for _ in 0..2 {
            let seen = world.ask(&As::Nobody, "POST", "/invitations/look", Some(json!({"secret": secret}))).await;
            assert_eq!(seen.body["email"], "new@example.com", "{seen:?}");
            assert_eq!(seen.body["has_account"], false);
        }
        let accept = |name: Value| Some(json!({"secret": secret, "password": PASSWORD, "name": name}));
        let nameless = world.ask(&As::Nobody, "POST", "/invitations/accept", accept(Value::Null)).await;
        assert_eq!(nameless.body["pointer"], "/name");
        let came = world.ask(&As::Nobody, "POST", "/invitations/accept", accept("New".into())).await;
        let admin = session(&came);
        let twice = world.ask(&As::Nobody, "POST", "/invitations/accept", accept("New".into())).await;
        assert_eq!((twice.status, twice.code()), (404, "not_found"));
        assert_eq!(world.ask(&admin, "GET", "/orgs/acme", None).await.body["role"], "admin");

        // Nobody gives or takes what is above the own role.
        let asked = Some(json!({"email": "x@example.com", "role": "owner"}));
        assert_eq!(world.ask(&admin, "POST", "/orgs/acme/invitations", asked).await.code(), "forbidden");
        let members = world.ask(&admin, "GET", "/orgs/acme/members", None).await;
        let id = |email: &str| {
            let all = members.body["items"].as_array().unwrap();
            all.iter().find(|one| one["email"] == email).unwrap()["id"].as_str().unwrap().to_string()
        };
        let (owner_path, admin_path) = (
            format!("/orgs/acme/members/{}", id("owner@example.com")),
            format!("/orgs/acme/members/{}", id("new@example.com")),
        );
        assert_eq!(world.ask(&admin, "PATCH", &owner_path, Some(json!({"role": "viewer"}))).await.code(), "forbidden");
        assert_eq!(world.ask(&admin, "DELETE", &owner_path, None).await.code(), "forbidden");
        assert_eq!(world.ask(&owner, "PATCH", &owner_path, Some(json!({"role": "viewer"}))).await.code(), "last_owner");
        assert_eq!(world.ask(&owner, "DELETE", &owner_path, None).await.code(), "last_owner");

        // An invitation is worth what its inviter is worth when it is used.
        let asked = Some(json!({"email": "late@example.com", "role": "viewer"}));
        let late = world.ask(&admin, "POST", "/orgs/acme/invitations", asked).await.body["secret"].clone();
        let lowered =
            world.ask_with(&owner, "PATCH", &admin_path, Some(json!({"role": "viewer"})), &[("if-match", "\"1\"")]);
        assert_eq!(lowered.await.status, 200);
        assert_eq!(world.ask(&admin, "GET", "/orgs/acme/audit", None).await.code(), "forbidden", "at once");
        let accept = Some(json!({"secret": late, "password": PASSWORD, "name": "Late"}));
        assert_eq!(world.ask(&As::Nobody, "POST", "/invitations/accept", accept).await.code(), "conflict");
        assert_eq!(world.ask(&owner, "DELETE", &admin_path, None).await.status, 204);
        assert_eq!(world.ask(&admin, "GET", "/orgs/acme", None).await.code(), "not_found");
    })
    .await;
}

#[tokio::test]
async fn who_has_an_account_joins_with_its_password() {
    let world = World::sqlite().await;
    set_up(&world).await;
    world.org("other").await;
    let asked = Some(json!({"email": "owner@example.com", "role": "viewer"}));
    let made = world.ask(&As::Operator, "POST", "/orgs/other/invitations", asked.clone()).await;
    let accept = |password: &str| Some(json!({"secret": made.body["secret"], "password": password}));
    let wrong = world.ask(&As::Nobody, "POST", "/invitations/accept", accept("wrong")).await;
    assert_eq!(wrong.code(), "wrong_credentials");
    let came = world.ask(&As::Nobody, "POST", "/invitations/accept", accept(PASSWORD)).await;
    let orgs = world.ask(&session(&came), "GET", "/orgs?limit=1", None).await;
    assert_eq!((orgs.body["items"].as_array().unwrap().len(), orgs.body["next"].is_string()), (1, true));
    let next = format!("/orgs?limit=1&cursor={}", orgs.body["next"].as_str().unwrap());
    assert_eq!(world.ask(&session(&came), "GET", &next, None).await.body["next"], Value::Null);
    let gone = world.ask(&As::Operator, "POST", "/orgs/other/invitations", asked).await;
    let path = format!("/orgs/other/invitations/{}", gone.body["id"].as_str().unwrap());
    assert_eq!(world.ask(&As::Operator, "DELETE", &path, None).await.status, 204);
    let look = world.ask(&As::Nobody, "POST", "/invitations/look", Some(json!({"secret": gone.body["secret"]}))).await;
    assert_eq!(look.status, 404);
}

#[tokio::test]
async fn tokens_are_shown_once_and_bounded() {
    on_both(|world| async move {
        let org = world.org("acme").await;
        let (_, editor) = world.member(org, "editor@example.com", Role::Editor).await;
        let (_, admin) = world.member(org, "admin@example.com", Role::Admin).await;
        let new = |role: &str| Some(json!({"name": "ci", "role": role}));
        assert_eq!(world.ask(&editor, "POST", "/orgs/acme/tokens", new("admin")).await.code(), "forbidden");
        let past = Some(json!({"name": "ci", "role": "viewer", "expires_at": "2020-01-01T00:00:00Z"}));
        assert_eq!(world.ask(&editor, "POST", "/orgs/acme/tokens", past).await.body["pointer"], "/expires_at");
        let nameless = Some(json!({"name": " ", "role": "viewer"}));
        assert_eq!(world.ask(&editor, "POST", "/orgs/acme/tokens", nameless).await.body["pointer"], "/name");
        let made = world.ask(&editor, "POST", "/orgs/acme/tokens", new("editor")).await;
        let token = As::Token(made.body["secret"].as_str().unwrap().to_string());
        assert_eq!(world.ask(&token, "GET", "/orgs/acme", None).await.body["role"], "editor");
        assert_eq!(world.ask(&token, "POST", "/orgs/acme/tokens", new("viewer")).await.code(), "forbidden");
        assert_eq!(world.ask(&token, "GET", "/orgs", None).await.body["items"].as_array().unwrap().len(), 1);
        let listed = world.ask(&editor, "GET", "/orgs/acme/tokens", None).await;
        assert!(listed.body["items"][0].get("secret").is_none(), "{listed:?}");

        world.ask(&admin, "POST", "/orgs/acme/tokens", new("admin")).await;
        assert_eq!(
            world.ask(&admin, "GET", "/orgs/acme/tokens", None).await.body["items"].as_array().unwrap().len(),
            2
        );
        let listed = world.ask(&editor, "GET", "/orgs/acme/tokens", None).await;
        assert_eq!(listed.body["items"].as_array().unwrap().len(), 1, "one's own only");
        let path = format!("/orgs/acme/tokens/{}", made.body["id"].as_str().unwrap());
        assert_eq!(world.ask(&admin, "DELETE", &path, None).await.status, 204);
        assert_eq!(world.ask(&token, "GET", "/orgs/acme", None).await.status, 401);
    })
    .await;
}

#[tokio::test]
async fn the_audit_log_is_read_filtered_and_proven() {
    on_both(|world| async move {
        let owner = set_up(&world).await;
        world.ask(&owner, "PATCH", "/orgs/acme", Some(json!({"name": "apex"}))).await;
        let all = world.ask(&owner, "GET", "/orgs/apex/audit", None).await;
        assert_eq!(all.body["items"][0]["action"], "org.update", "{all:?}");
        assert_eq!(all.body["items"][0]["before"]["name"], "acme");
        assert_eq!(all.body["items"][0]["source"], "192.0.2.7");
        let some = world.ask(&owner, "GET", "/orgs/apex/audit?action=setup.complete&outcome=done&limit=1", None).await;
        assert_eq!(some.body["items"].as_array().unwrap().len(), 1);
        let none = world.ask(&owner, "GET", "/orgs/apex/audit?actor=operator&until=2020-01-01T00:00:00Z", None).await;
        assert_eq!(none.body["items"], json!([]));
        for query in ["?outcome=x", "?actor=root", "?since=today", "?cursor=x", "?object=%00"] {
            let odd = world.ask(&owner, "GET", &format!("/orgs/apex/audit{query}"), None).await;
            assert_eq!((odd.status, odd.code()), (422, "invalid"), "{query}");
        }
        let proven = world.ask(&As::Operator, "GET", "/audit/verify", None).await;
        assert_eq!(proven.body["is_whole"], true);
        assert_eq!(
            world.ask(&As::Operator, "GET", "/audit?limit=1", None).await.body["items"].as_array().unwrap().len(),
            1
        );
    })
    .await;
}

#[tokio::test]
async fn the_operator_lets_in_who_has_lost_everything_and_keeps_others_out() {
    on_both(|world| async move {
        let owner = set_up(&world).await;
        let me = world.ask(&owner, "GET", "/me", None).await.body["member"].as_str().unwrap().to_string();
        world.ask(&owner, "POST", "/me/totp", Some(json!({"password": PASSWORD}))).await;
        let path = format!("/members/{me}/reset");
        let reset = world.ask_with(&As::Operator, "POST", &path, None, &[("idempotency-key", "k")]).await;
        let again = world.ask_with(&As::Operator, "POST", &path, None, &[("idempotency-key", "k")]).await;
        assert_eq!((again.status, &again.body["password"]), (200, &Value::Null));
        assert_eq!(world.ask(&owner, "GET", "/me", None).await.status, 401, "its sessions are over");
        let new = reset.body["password"].as_str().unwrap();
        let got = world.ask(&As::Nobody, "POST", "/session", sign_in("owner@example.com", new, None)).await;
        let owner = session(&got);
        let disable = format!("/members/{me}/disable");
        assert_eq!(world.ask(&As::Operator, "POST", &disable, None).await.code(), "last_owner");
        let org = world.store.view().await.unwrap().org_by_name(&"acme".parse().unwrap()).await.unwrap().unwrap().id;
        let (_, other) = world.member(org, "other@example.com", Role::Owner).await;
        assert_eq!(world.ask(&As::Operator, "POST", &disable, None).await.status, 204);
        assert_eq!(world.ask(&owner, "GET", "/me", None).await.status, 401);
        let asked = sign_in("owner@example.com", new, None);
        assert_eq!(world.ask(&As::Nobody, "POST", "/session", asked.clone()).await.code(), "wrong_credentials");
        assert_eq!(world.ask(&As::Operator, "POST", &format!("/members/{me}/enable"), None).await.status, 204);
        assert_eq!(world.ask(&As::Nobody, "POST", "/session", asked).await.status, 201);
        assert_eq!(world.ask(&other, "POST", &disable, None).await.code(), "forbidden");
        let nobody = "/members/01939b1e-0000-7000-8000-000000000000/disable";
        assert_eq!(world.ask(&As::Operator, "POST", nobody, None).await.code(), "not_found");
    })
    .await;
}
