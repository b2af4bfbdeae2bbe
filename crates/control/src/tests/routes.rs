//! Routes, drafts and publishes.

use mezu_model::Role;
use serde_json::{Value, json};

use super::world::{As, Got, World, on_both};

/// An org with a workload `shop` and an editor.
async fn shop(world: &World) -> As {
    let org = world.org("acme").await;
    let (_, editor) = world.member(org, "e@example.com", Role::Editor).await;
    let made = world.ask(&editor, "POST", "/orgs/acme/workloads", Some(json!({"name": "shop"}))).await;
    assert_eq!(made.status, 201);
    editor
}

async fn route(world: &World, who: &As, body: Value) -> Got {
    world.ask(who, "POST", "/orgs/acme/routes", Some(body)).await
}

fn id(got: &Got) -> String {
    got.body["id"].as_str().unwrap_or_else(|| panic!("{got:?}")).to_string()
}

#[tokio::test]
async fn routes_are_made_placed_replaced_and_taken_away() {
    on_both(|world| async move {
        let editor = shop(&world).await;
        let root = route(&world, &editor, json!({"host": "a.example", "workload": "shop"})).await;
        assert_eq!((root.status, root.header("etag"), root.header("mezu-generation")), (201, "\"1\"", "2"), "{root:?}");
        let same = route(&world, &editor, json!({"host": "a.example", "workload": "shop"})).await;
        assert_eq!((same.status, same.code()), (409, "route_taken"));
        for (path, rank) in [("/users/{id}", None), ("=/login", None), ("/users/me", None), ("/z", Some(1))] {
            let body = json!({"host": "a.example", "path": path, "workload": "shop", "rank": rank});
            assert_eq!(route(&world, &editor, body).await.status, 201, "{path}");
        }
        let body = json!({"host": "a.example", "workload": "shop", "matcher": {"methods": ["POST"]}});
        assert_eq!(route(&world, &editor, body).await.status, 201);
        let listed = world.ask(&editor, "GET", "/orgs/acme/routes?host=a.example", None).await;
        let items = listed.body["items"].as_array().unwrap();
        let shown: Vec<_> =
            items.iter().map(|one| (one["path"].as_str().unwrap(), one["place"].as_u64().unwrap())).collect();
        assert_eq!(shown, [("/z", 1), ("=/login", 2), ("/users/me", 3), ("/users/{id}", 4), ("/", 5), ("/", 6)]);
        assert_eq!(items[0]["reason"], "rank 1, given by hand");
        assert!(items[3]["reason"].as_str().unwrap().starts_with("/users/me is more specific"), "{}", items[3]);
        assert_eq!(items[5]["reason"], "it takes more methods than the one before");
        let first = world.ask(&editor, "GET", "/orgs/acme/routes?limit=4", None).await;
        let next = first.body["next"].as_str().unwrap();
        let rest = world.ask(&editor, "GET", &format!("/orgs/acme/routes?limit=4&cursor={next}"), None).await;
        assert_eq!((rest.body["items"].as_array().unwrap().len(), &rest.body["next"]), (2, &Value::Null));

        let path = format!("/orgs/acme/routes/{}", id(&root));
        let new = json!({"host": "b.example", "workload": "shop", "enabled": false,
            "pipeline": {"body_limit": {"bytes": 1}}});
        let replaced = world.ask_with(&editor, "PUT", &path, Some(new.clone()), &[("if-match", "\"1\"")]).await;
        assert_eq!(
            (replaced.status, replaced.header("etag"), &replaced.body["url"]),
            (200, "\"2\"", &json!("https://b.example/"))
        );
        let stale = world.ask_with(&editor, "PUT", &path, Some(new), &[("if-match", "\"1\"")]).await;
        assert_eq!((stale.status, stale.code()), (412, "stale"));
        assert_eq!(world.ask(&editor, "DELETE", &path, None).await.status, 204);
        assert_eq!(world.ask(&editor, "GET", &path, None).await.code(), "not_found");
        let event = world.events(1).await.remove(0);
        assert_eq!((event.action.as_str(), event.after.is_none()), ("route.delete", true));
        assert_eq!(event.before.unwrap()["route"]["host"], "b.example");
    })
    .await;
}

#[tokio::test]
async fn a_fault_in_a_route_is_told_with_its_place() {
    on_both(|world| async move {
        let editor = shop(&world).await;
        let other = world.org("other").await;
        let (_, rival) = world.member(other, "r@example.com", Role::Editor).await;
        for (field, value, pointer) in [
            ("host", json!("api.edge.test"), "/host"),
            ("host", json!("a_b"), "/host"),
            ("path", json!("api"), "/path"),
            ("workload", json!("none"), "/workload"),
            ("matcher", json!({"methods": ["GET", "G T"]}), "/matcher/methods/1"),
            ("matcher", json!({"headers": [{"name": "X-Big"}]}), "/matcher/headers/0"),
            ("pipeline", json!({"body_limit": {"bytes": "1"}}), "/pipeline/body_limit/bytes"),
            ("pipeline", json!({"redirect": {"to": "nowhere at all"}}), "/pipeline/redirect/to"),
            ("nonsense", json!(1), "/nonsense"),
        ] {
            let mut body = json!({"host": "a.example", "workload": "shop"});
            body[field] = value;
            let got = route(&world, &editor, body).await;
            assert_eq!((got.status, got.code(), &got.body["pointer"]), (422, "invalid", &json!(pointer)), "{got:?}");
        }
        // A workload of another org is not there.
        let theirs = json!({"host": "a.example", "workload": "shop"});
        let got = world.ask(&rival, "POST", "/orgs/other/routes", Some(theirs.clone())).await;
        assert_eq!((got.status, &got.body["pointer"]), (422, &json!("/workload")));
        let made = route(&world, &editor, theirs).await;
        let path = format!("/orgs/other/routes/{}", id(&made));
        for method in ["GET", "DELETE"] {
            assert_eq!(world.ask(&rival, method, &path, None).await.code(), "not_found");
        }
    })
    .await;
}

#[tokio::test]
async fn a_split_names_workloads_of_its_own_org_alone_and_keeps_them() {
    on_both(|world| async move {
        let editor = shop(&world).await;
        let other = world.org("other").await;
        let (_, rival) = world.member(other, "r@example.com", Role::Editor).await;
        let theirs = world.ask(&rival, "POST", "/orgs/other/workloads", Some(json!({"name": "theirs"}))).await;
        let canary = world.ask(&editor, "POST", "/orgs/acme/workloads", Some(json!({"name": "canary"}))).await;
        let split = |workload: &str| {
            let to = json!([{"workload": workload, "weight": 1}]);
            json!({"host": "a.example", "workload": "shop", "pipeline": {"split": {"to": to}}})
        };
        let refused = route(&world, &editor, split(&id(&theirs))).await;
        assert_eq!((refused.status, &refused.body["pointer"]), (422, &json!("/pipeline")), "{refused:?}");
        assert_eq!(route(&world, &editor, split(&id(&canary))).await.status, 201);
        let path = format!("/orgs/acme/workloads/{}?with_routes=true", id(&canary));
        assert_eq!(world.ask(&editor, "DELETE", &path, None).await.code(), "in_use");
    })
    .await;
}

#[tokio::test]
async fn a_draft_is_shown_published_and_undone() {
    on_both(|world| async move {
        let editor = shop(&world).await;
        let old = route(&world, &editor, json!({"host": "old.example", "workload": "shop"})).await;
        let kept = route(&world, &editor, json!({"host": "kept.example", "workload": "shop"})).await;
        let put = json!({"host": "kept.example", "workload": "shop", "pipeline": {"body_limit": {"bytes": 9}}});
        let ops = json!([
            {"delete": {"id": id(&old)}},
            {"put": {"id": id(&kept), "route": put, "version": 1}},
            {"put": {"route": {"host": "old.example", "path": "/new", "workload": "shop"}}},
        ]);
        let draft = world.ask(&editor, "POST", "/orgs/acme/drafts", Some(json!({"name": "spring", "ops": ops}))).await;
        assert_eq!((draft.status, draft.header("etag")), (201, "\"1\""), "{draft:?}");
        let path = format!("/orgs/acme/drafts/{}", id(&draft));
        let diff = world.ask(&editor, "GET", &format!("{path}/diff"), None).await;
        let changes = &diff.body["changes"];
        assert_eq!(
            (changes[0]["before"]["host"].as_str(), changes[0].get("after")),
            (Some("old.example"), None),
            "{diff:?}"
        );
        assert_eq!(changes[1]["after"]["pipeline"]["body_limit"]["bytes"], 9);
        assert_eq!((changes[2].get("id"), changes[2].get("before")), (None, None));
        let untouched = world.ask(&editor, "GET", &format!("/orgs/acme/routes/{}", id(&old)), None).await;
        assert_eq!(untouched.status, 200, "a diff changes nothing");

        let published = world.ask(&editor, "POST", &format!("{path}/publish"), None).await;
        assert_eq!((published.status, &published.body["summary"]), (201, &json!("spring")), "{published:?}");
        assert!(!published.header("mezu-generation").is_empty());
        assert_eq!(world.ask(&editor, "GET", &path, None).await.code(), "not_found");
        let hosts = async || -> Vec<String> {
            let listed = world.ask(&editor, "GET", "/orgs/acme/routes", None).await;
            let text = |one: &Value| format!("{}{}", one["host"].as_str().unwrap(), one["path"].as_str().unwrap());
            listed.body["items"].as_array().unwrap().iter().map(text).collect()
        };
        assert_eq!(hosts().await, ["kept.example/", "old.example/new"]);
        let actions: Vec<_> = world.events(4).await.into_iter().map(|event| event.action).collect();
        assert_eq!(actions, ["draft.publish", "route.create", "route.update", "route.delete"]);

        let undo = format!("/orgs/acme/publishes/{}/undo", id(&published));
        let undone = world.ask(&editor, "POST", &undo, None).await;
        assert_eq!((undone.status, &undone.body["undo_of"]), (201, &published.body["id"]), "{undone:?}");
        assert_eq!(hosts().await, ["kept.example/", "old.example/"]);
        let back = world.ask(&editor, "GET", &format!("/orgs/acme/routes/{}", id(&old)), None).await;
        assert_eq!(back.status, 200, "the same route is back under its id");
        assert_eq!(world.ask(&editor, "POST", &undo, None).await.code(), "conflict");
        // An undo is a publish, and can be taken back too.
        let again = format!("/orgs/acme/publishes/{}/undo", id(&undone));
        assert_eq!(world.ask(&editor, "POST", &again, None).await.status, 201);
        assert_eq!(hosts().await, ["kept.example/", "old.example/new"]);
        let listed = world.ask(&editor, "GET", "/orgs/acme/publishes", None).await;
        assert_eq!(listed.body["items"].as_array().unwrap().len(), 5);
        assert_eq!(listed.body["items"][0]["summary"], "undo: undo: spring");
        // Each tells the generation that its answer told, although the edge here counts for itself.
        let told: Vec<String> =
            listed.body["items"].as_array().unwrap().iter().map(|one| one["generation"].to_string()).collect();
        let answered = [&undone, &published, &kept, &old].map(|got| got.header("mezu-generation").to_owned());
        assert_eq!(told[1..], answered);
        let one = world.ask(&editor, "GET", &format!("/orgs/acme/publishes/{}", id(&undone)), None).await;
        assert_eq!(one.body["generation"].to_string(), answered[0]);
        assert!(matches!(world.store.verify_audit().await.unwrap(), mezu_store::AuditCheck::Whole { .. }));
    })
    .await;
}

#[tokio::test]
async fn an_undo_over_later_changes_is_refused_and_names_them() {
    on_both(|world| async move {
        let editor = shop(&world).await;
        let made = route(&world, &editor, json!({"host": "a.example", "workload": "shop"})).await;
        let publishes = world.ask(&editor, "GET", "/orgs/acme/publishes", None).await;
        let undo = format!("/orgs/acme/publishes/{}/undo", publishes.body["items"][0]["id"].as_str().unwrap());
        let body = json!({"host": "a.example", "workload": "shop", "rank": 7});
        let path = format!("/orgs/acme/routes/{}", id(&made));
        assert_eq!(world.ask(&editor, "PUT", &path, Some(body)).await.status, 200);
        let refused = world.ask(&editor, "POST", &undo, None).await;
        assert_eq!((refused.status, refused.code()), (409, "conflict"));
        let detail = refused.body["detail"].as_str().unwrap();
        assert!(detail.contains(&id(&made)) && detail.contains("a.example/"), "{detail}");
    })
    .await;
}

#[tokio::test]
async fn a_draft_is_published_whole_or_not_at_all() {
    on_both(|world| async move {
        let editor = shop(&world).await;
        let taken = route(&world, &editor, json!({"host": "a.example", "workload": "shop"})).await;
        let ops = json!([
            {"put": {"route": {"host": "b.example", "workload": "shop"}}},
            {"put": {"route": {"host": "a.example", "workload": "shop"}}},
        ]);
        let draft = world.ask(&editor, "POST", "/orgs/acme/drafts", Some(json!({"name": "x", "ops": ops}))).await;
        let path = format!("/orgs/acme/drafts/{}/publish", id(&draft));
        let refused = world.ask(&editor, "POST", &path, None).await;
        assert_eq!((refused.code(), &refused.body["pointer"]), ("route_taken", &json!("/ops/1/put")), "{refused:?}");
        let listed = world.ask(&editor, "GET", "/orgs/acme/routes", None).await;
        assert_eq!(listed.body["items"].as_array().unwrap().len(), 1);
        assert_eq!(world.ask(&editor, "DELETE", &format!("/orgs/acme/routes/{}", id(&taken)), None).await.status, 204);
        assert_eq!(world.ask(&editor, "POST", &path, None).await.status, 201);
        for (op, pointer) in [
            (json!({}), "/ops/0"),
            (json!({"put": {"route": {"host": "a.example", "workload": "none"}}}), "/ops/0/put/route/workload"),
            (
                json!({"put": {"route": {"host": "a.example", "path": "x", "workload": "shop"}}}),
                "/ops/0/put/route/path",
            ),
        ] {
            let odd = world.ask(&editor, "POST", "/orgs/acme/drafts", Some(json!({"name": "x", "ops": [op]}))).await;
            assert_eq!((odd.status, &odd.body["pointer"]), (422, &json!(pointer)), "{odd:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_draft_is_published_at_its_time() {
    on_both(|world| async move {
        let editor = shop(&world).await;
        let at = |micros: i64| mezu_api::Time(world.control.now().0 + micros);
        let draft = async |host: &str, micros: i64| {
            let ops = json!([{"put": {"route": {"host": host, "workload": "shop"}}}]);
            let body = json!({"name": host, "ops": ops, "publish_at": at(micros)});
            world.ask(&editor, "POST", "/orgs/acme/drafts", Some(body)).await
        };
        let (soon, later) = (draft("soon.example", 0).await, draft("later.example", 3_600_000_000).await);
        assert_eq!((soon.status, later.status), (201, 201), "{soon:?}");
        assert_eq!(crate::ops::draft::publish_due(&world.control).await.unwrap(), 1);
        assert_eq!(crate::ops::draft::publish_due(&world.control).await.unwrap(), 0);
        let listed = world.ask(&editor, "GET", "/orgs/acme/routes", None).await;
        assert_eq!(listed.body["items"][0]["host"], "soon.example");
        assert_eq!(world.events(1).await[0].actor, mezu_store::Actor::System);

        // One that cannot be published is not tried for ever, and the log says why.
        let twin = draft("soon.example", 0).await;
        assert_eq!(crate::ops::draft::publish_due(&world.control).await.unwrap(), 0);
        let event = world.events(1).await.remove(0);
        assert_eq!((event.outcome.as_str(), event.after.unwrap()["code"].as_str()), ("refused", Some("route_taken")));
        let kept = world.ask(&editor, "GET", &format!("/orgs/acme/drafts/{}", id(&twin)), None).await;
        assert_eq!((kept.status, &kept.body["publish_at"]), (200, &Value::Null));
    })
    .await;
}
