//! Workloads, service accounts, keys and hostnames.

use mezu_model::Role;
use serde_json::{Value, json};

use super::world::{As, on_both};

#[tokio::test]
async fn workloads_are_made_found_by_label_renamed_and_deleted() {
    on_both(|world| async move {
        let org = world.org("acme").await;
        let (_, editor) = world.member(org, "e@example.com", Role::Editor).await;
        let new = json!({"name": "shop", "labels": {"tier": "front"}});
        let made = world.ask(&editor, "POST", "/orgs/acme/workloads", Some(new.clone())).await;
        assert_eq!((made.status, made.header("etag"), made.header("mezu-generation")), (201, "\"1\"", "1"), "{made:?}");
        assert_eq!(world.ask(&editor, "POST", "/orgs/acme/workloads", Some(new)).await.code(), "taken");
        for name in ["a", "b", "c"] {
            let new = Some(json!({"name": name, "labels": {"tier": "back"}}));
            assert_eq!(world.ask(&editor, "POST", "/orgs/acme/workloads", new).await.status, 201);
        }
        let id = made.body["id"].as_str().unwrap();
        world.edge.gates.lock().unwrap().push(id.parse().unwrap());
        let read = world.ask(&editor, "GET", &format!("/orgs/acme/workloads/{id}"), None).await;
        assert_eq!((read.status, &read.body["gates"], read.header("etag")), (200, &json!(1), "\"1\""));

        let part = world.ask(&editor, "GET", "/orgs/acme/workloads?labels=tier=back&limit=2", None).await;
        let names = |part: &Value| -> Vec<Value> {
            part["items"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect()
        };
        assert_eq!(names(&part.body), ["a", "b"]);
        let next = part.body["next"].as_str().unwrap();
        let path = format!("/orgs/acme/workloads?labels=tier=back&limit=2&cursor={next}");
        let rest = world.ask(&editor, "GET", &path, None).await;
        assert_eq!((names(&rest.body), &rest.body["next"]), (vec![json!("c")], &Value::Null));
        assert_eq!(world.ask(&editor, "GET", "/orgs/acme/workloads?labels=tier", None).await.code(), "invalid");

        let path = format!("/orgs/acme/workloads/{id}");
        let patch = Some(json!({"name": "store"}));
        let renamed = world.ask_with(&editor, "PATCH", &path, patch.clone(), &[("if-match", "\"1\"")]).await;
        assert_eq!((renamed.status, &renamed.body["labels"]["tier"]), (200, &json!("front")));
        let stale = world.ask_with(&editor, "PATCH", &path, patch, &[("if-match", "\"1\"")]).await;
        assert_eq!((stale.status, stale.code()), (412, "stale"));
        let long = Some(json!({"labels": {"tier": "x".repeat(64)}}));
        let long = world.ask(&editor, "PATCH", &path, long).await;
        assert_eq!((long.code(), &long.body["pointer"]), ("invalid", &json!("/labels/tier")));

        let route = Some(json!({"host": "shop.edge.test", "workload": "store"}));
        assert_eq!(world.ask(&editor, "POST", "/orgs/acme/routes", route).await.status, 201);
        let read = world.ask(&editor, "GET", &path, None).await;
        assert_eq!(read.body["urls"], json!(["https://shop.edge.test/"]));
        assert_eq!(world.ask(&editor, "DELETE", &path, None).await.code(), "in_use");
        assert_eq!(world.ask(&editor, "DELETE", &format!("{path}?with_routes=true"), None).await.status, 204);
        assert_eq!(world.ask(&editor, "GET", &path, None).await.code(), "not_found");
        let routes = world.ask(&editor, "GET", "/orgs/acme/routes", None).await;
        assert_eq!(routes.body["items"], json!([]));
    })
    .await;
}

#[tokio::test]
async fn accounts_have_a_scope_and_two_live_keys_at_most() {
    on_both(|world| async move {
        let (org, other) = (world.org("acme").await, world.org("other").await);
        let (_, admin) = world.member(org, "a@example.com", Role::Admin).await;
        let (_, stranger) = world.member(other, "s@example.com", Role::Owner).await;
        let spec = json!({"name": "ci", "workloads": ["shop"], "cidrs": ["192.0.2.0/24"]});
        let made = world.ask(&admin, "POST", "/orgs/acme/accounts", Some(spec)).await;
        assert_eq!((made.status, made.header("etag")), (201, "\"1\""), "{made:?}");
        let id = made.body["id"].as_str().unwrap().to_string();
        let odd = json!({"name": "x", "cidrs": ["192.0.2.0/24", "192.0.2.1/24"]});
        let odd = world.ask(&admin, "POST", "/orgs/acme/accounts", Some(odd)).await;
        assert_eq!((odd.status, &odd.body["pointer"]), (422, &json!("/cidrs/1")));

        let key = async |body: Value| world.ask(&admin, "POST", "/orgs/acme/keys", Some(body)).await;
        let first = key(json!({"name": "one", "account": id})).await;
        let secret = first.body["secret"].as_str().unwrap();
        assert!(mezu_model::Seed::parse(secret).is_ok() && first.status == 201, "{first:?}");
        let days = |got: &super::world::Got| {
            let micros = |field: &str| got.body[field].as_str().unwrap().parse::<mezu_api::Time>().unwrap().0;
            (micros("expires_at") - micros("created_at")).div_euclid(86_400_000_000)
        };
        assert!((89..=90).contains(&days(&first)));
        let public = "ab".repeat(32);
        let second = key(json!({"name": "two", "account": id, "public_key": public, "never_expires": true})).await;
        assert_eq!(
            (second.status, &second.body["secret"], &second.body["expires_at"]),
            (201, &Value::Null, &Value::Null)
        );
        assert_eq!(key(json!({"name": "three", "account": id})).await.code(), "limit_reached");
        assert_eq!(key(json!({"name": "x", "public_key": "zz"})).await.body["pointer"], "/public_key");
        assert_eq!(
            key(json!({"name": "x", "expires_at": "2001-01-01T00:00:00Z"})).await.body["pointer"],
            "/expires_at"
        );
        assert_eq!(key(json!({"name": "x", "public_key": public})).await.code(), "taken");
        let own = key(json!({"name": "laptop"})).await;
        let path = format!("/orgs/acme/accounts/{}", own.body["account"].as_str().unwrap());
        assert_eq!(world.ask(&admin, "GET", &path, None).await.body["name"], "laptop");

        // A repeated request gets the same key, and never its secret again.
        let again = [("idempotency-key", "k")];
        let body = Some(json!({"name": "again"}));
        let once = world.ask_with(&admin, "POST", "/orgs/acme/keys", body.clone(), &again).await;
        let twice = world.ask_with(&admin, "POST", "/orgs/acme/keys", body, &again).await;
        assert!(once.body["secret"].is_string() && twice.body["secret"].is_null(), "{twice:?}");
        assert_eq!(once.body["id"], twice.body["id"]);

        let path = format!("/orgs/acme/keys/{}", first.body["id"].as_str().unwrap());
        let theirs = path.replace("acme", "other");
        assert_eq!(world.ask(&stranger, "DELETE", &theirs, None).await.code(), "not_found");
        let revoked = world.ask(&admin, "DELETE", &path, None).await;
        assert_eq!(revoked.status, 204);
        assert!(!revoked.header("mezu-generation").is_empty());
        assert!(world.ask(&admin, "GET", &path, None).await.body["revoked_at"].is_string());
        assert_eq!(key(json!({"name": "three", "account": id})).await.status, 201);
        let of_account = world.ask(&admin, "GET", &format!("/orgs/acme/keys?account={id}"), None).await;
        assert_eq!(of_account.body["items"].as_array().unwrap().len(), 3);
        assert_eq!(world.ask(&admin, "DELETE", &format!("/orgs/acme/accounts/{id}"), None).await.status, 204);
        assert!(world.store.read_all().await.unwrap().1.keys.len() == 2);
    })
    .await;
}

#[tokio::test]
async fn a_key_that_expires_is_taken_away_by_the_clock() {
    on_both(|world| async move {
        world.org("acme").await;
        let make = async |name: &str, lives: i64| {
            let expires = mezu_api::Time(world.control.now().0 + lives);
            let body = Some(json!({"name": name, "expires_at": expires}));
            let key = world.ask(&As::Operator, "POST", "/orgs/acme/keys", body).await;
            assert_eq!(key.status, 201, "{key:?}");
            expires
        };
        make("long", 3_600_000_000).await;
        assert_eq!(crate::rounds::sweep(&world.control).await.unwrap(), 0);
        let expires = make("short", 2_000_000).await;
        while world.control.now().0 <= expires.0 {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let before = world.edge.generation.load(std::sync::atomic::Ordering::Relaxed);
        assert_eq!(crate::rounds::sweep(&world.control).await.unwrap(), 1);
        assert_eq!(world.edge.generation.load(std::sync::atomic::Ordering::Relaxed), before + 1);
        assert_eq!(world.store.read_all().await.unwrap().1.keys.len(), 1);
        assert_eq!(world.events(1).await[0].action, "key.expire");
    })
    .await;
}

#[tokio::test]
async fn hostnames_are_claimed_released_and_kept_back() {
    on_both(|world| async move {
        let (org, other) = (world.org("acme").await, world.org("other").await);
        let (_, editor) = world.member(org, "e@example.com", Role::Editor).await;
        let (_, rival) = world.member(other, "r@example.com", Role::Editor).await;
        let claim = async |who: &As, org: &str, name: &str| {
            world.ask(who, "POST", &format!("/orgs/{org}/hostnames"), Some(json!({"name": name}))).await
        };
        let held = claim(&editor, "acme", "Shop.example").await;
        assert_eq!(
            (held.status, &held.body["name"], &held.body["state"]),
            (201, &json!("shop.example"), &json!("held"))
        );
        assert!(held.body["warning"].as_str().unwrap().contains("certificate"));
        assert_eq!(claim(&rival, "other", "shop.example").await.code(), "host_taken");
        for name in ["edge.test", "api.edge.test", "c0nsole.edge.test", "x.ns1.edge.test", "_acme-challenge.edge.test"]
        {
            let refused = claim(&editor, "acme", name).await;
            assert_eq!((refused.status, &refused.body["pointer"]), (422, &json!("/name")), "{name}");
        }
        let path = "/orgs/acme/hostnames/shop.example";
        assert_eq!(world.ask(&rival, "GET", "/orgs/other/hostnames/shop.example", None).await.code(), "not_found");
        assert_eq!(world.ask(&editor, "DELETE", path, None).await.status, 204);
        assert_eq!(world.ask(&editor, "GET", path, None).await.body["state"], "released");
        assert_eq!(claim(&rival, "other", "shop.example").await.code(), "host_quarantined");
        assert_eq!(claim(&editor, "acme", "shop.example").await.status, 201);
    })
    .await;
}
