//! The dry run and what became of requests, over an edge that says whatever the tests need.

use mezu_api::Time;
use mezu_api::request::Recorded;
use mezu_model::{OrgId, Role};
use serde_json::json;

use super::world::{As, World, on_both};

/// A workload, and its id.
async fn workload(world: &World, who: &As, name: &str) -> String {
    let made = world.ask(who, "POST", "/orgs/acme/workloads", Some(json!({ "name": name }))).await;
    made.body["id"].as_str().unwrap().to_string()
}

fn past(ray: u128, status: u16) -> Recorded {
    Recorded {
        ray: format!("{ray:032x}"),
        at: Time(7),
        generation: 3,
        route: None,
        place: None,
        workload_id: None,
        workload: None,
        stages: Vec::new(),
        gate: None,
        status,
        code: None,
        title: None,
        duration_us: 9,
        workload_us: None,
    }
}

/// As it is handed on to the tests' own edge.
fn set_host(world: &World, host: Option<(&'static str, OrgId)>) {
    *world.edge.host.lock().unwrap() = host;
}

#[tokio::test]
async fn a_request_is_tried_for_hosts_of_the_own_org_alone() {
    on_both(|world| async move {
        let (acme, other) = (world.org("acme").await, world.org("other").await);
        let (_, viewer) = world.member(acme, "viewer@example.com", Role::Viewer).await;
        set_host(&world, Some(("shop.example.com", acme)));
        let trial = |url: &str| Some(json!({ "url": url }));
        let told = world.ask(&viewer, "POST", "/orgs/acme/try", trial("shop.example.com/a")).await;
        assert_eq!((told.status, told.body["host_known"].as_bool()), (200, Some(true)), "{told:?}");
        assert_eq!((told.body["method"].as_str(), told.header("mezu-generation")), (Some("GET"), ""));
        assert_eq!(told.body["path"], "/a from 192.0.2.7", "the asker's own address, where none is told");
        let from = Some(json!({ "url": "shop.example.com/a", "client": "2001:db8::1" }));
        let told = world.ask(&As::Operator, "POST", "/orgs/acme/try", from).await;
        assert_eq!(told.body["path"], "/a from 2001:db8::1");
        let unknown = world.ask(&viewer, "POST", "/orgs/acme/try", trial("none.example.com/")).await;
        assert_eq!((unknown.status, unknown.body["host_known"].as_bool()), (200, Some(false)));
        let address = world.ask(&viewer, "POST", "/orgs/acme/try", trial("[::1]/")).await;
        assert_eq!(address.status, 200, "{address:?}");

        let before = world.events(1).await[0].seq;
        set_host(&world, Some(("shop.example.com", other)));
        let foreign = world.ask(&viewer, "POST", "/orgs/acme/try", trial("shop.example.com/")).await;
        assert_eq!((foreign.status, foreign.code()), (404, "not_found"), "{foreign:?}");
        for (body, pointer) in [
            (json!({ "url": "a.example.com", "method": "odd" }), "/method"),
            (json!({ "url": "a.example.com", "client": "here" }), "/client"),
            (json!({ "url": "a.example.com", "body": i64::MAX.unsigned_abs() + 1 }), "/body"),
            (json!({ "url": "a.example.com", "nonsense": 1 }), "/nonsense"),
            (json!({}), ""),
        ] {
            let odd = world.ask(&viewer, "POST", "/orgs/acme/try", Some(body)).await;
            assert_eq!((odd.code(), odd.body["pointer"].as_str()), ("invalid", Some(pointer)), "{odd:?}");
        }
        assert_eq!(world.events(1).await[0].seq, before, "a question leaves nothing in the audit log");
    })
    .await;
}

#[tokio::test]
async fn a_draft_is_tried_and_not_made() {
    on_both(|world| async move {
        let acme = world.org("acme").await;
        let (_, editor) = world.member(acme, "editor@example.com", Role::Editor).await;
        let (_, viewer) = world.member(acme, "viewer@example.com", Role::Viewer).await;
        workload(&world, &editor, "old").await;
        let new = workload(&world, &editor, "new").await;
        let route = |workload: &str, path: &str, rank: i64| {
            json!({ "host": "a.example.com", "path": path, "workload": workload, "rank": rank })
        };
        let made = world.ask(&editor, "POST", "/orgs/acme/routes", Some(route("old", "/a", 2))).await;
        let put = json!({ "put": { "route": route("new", "/", 1) } });
        let draft = world.ask(&editor, "POST", "/orgs/acme/drafts", Some(json!({ "name": "d", "ops": [put] }))).await;
        let trial = json!({ "url": "a.example.com/", "draft": draft.body["id"] });
        let told = world.ask(&viewer, "POST", "/orgs/acme/try", Some(trial)).await;
        assert_eq!((told.status, &told.body["draft"]), (200, &draft.body["id"]), "{told:?}");
        let seen = told.body["candidates"].as_array().unwrap();
        let find = |name: &str| seen.iter().find(|one| one["workload"] == name).unwrap();
        assert_eq!((seen.len(), &find("new")["workload_id"]), (2, &json!(new)));
        assert_eq!(find("old")["route"], made.body["id"]);
        assert_eq!(find("old")["shadowed_by"], find("new")["route"]);
        let routes = world.ask(&viewer, "GET", "/orgs/acme/routes", None).await;
        assert_eq!(routes.body["items"].as_array().unwrap().len(), 1, "nothing was made");

        let gone = json!({ "url": "a.example.com/", "draft": "01939b1e-0000-7000-8000-000000000000" });
        let gone = world.ask(&viewer, "POST", "/orgs/acme/try", Some(gone)).await;
        assert_eq!(gone.status, 404);
    })
    .await;
}

#[tokio::test]
async fn what_became_of_requests_is_told_to_their_org_alone() {
    on_both(|world| async move {
        let (acme, other) = (world.org("acme").await, world.org("other").await);
        let (_, viewer) = world.member(acme, "viewer@example.com", Role::Viewer).await;
        let (_, stranger) = world.member(other, "stranger@example.com", Role::Owner).await;
        let id = workload(&world, &As::Operator, "shop").await;
        let route = json!({ "host": "a.example.com", "path": "/api", "workload": "shop" });
        let route = world.ask(&As::Operator, "POST", "/orgs/acme/routes", Some(route)).await;
        let mut known = past(1, 200);
        known.route = route.body["id"].as_str().unwrap().parse().ok();
        known.workload_id = id.parse().ok();
        let all = [(acme, known), (acme, past(2, 404)), (other, past(3, 200)), (acme, past(4, 502))];
        *world.edge.past.lock().unwrap() = all.into();

        let one = world.ask(&viewer, "GET", &format!("/orgs/acme/requests/{:032X}", 1), None).await;
        assert_eq!(
            (one.body["place"].as_str(), one.body["workload"].as_str()),
            (Some("a.example.com/api"), Some("shop"))
        );
        for (who, org, ray) in [(&viewer, "acme", 3), (&stranger, "other", 1), (&viewer, "acme", 9)] {
            let gone = world.ask(who, "GET", &format!("/orgs/{org}/requests/{ray:032x}"), None).await;
            assert_eq!((gone.status, gone.code()), (404, "not_found"), "{ray}");
        }
        let list = async |query: &str| {
            let got = world.ask(&viewer, "GET", &format!("/orgs/acme/requests{query}"), None).await;
            assert_eq!(got.status, 200, "{got:?}");
            let statuses = got.body["items"].as_array().unwrap().iter().map(|one| one["status"].as_u64().unwrap());
            (statuses.collect::<Vec<_>>(), got.body["next"].as_str().map(str::to_string))
        };
        assert_eq!(list("").await, (vec![502, 404, 200], None));
        assert_eq!(list("?status=4xx").await, (vec![404], None));
        let (first, next) = list("?limit=2").await;
        assert_eq!(first, [502, 404]);
        assert_eq!(list(&format!("?limit=2&cursor={}", next.unwrap())).await, (vec![200], None));
        for query in ["?cursor=x", "?cursor=000000000000000000000000000000ff", "?status=abc", "?route=1"] {
            let odd = world.ask(&viewer, "GET", &format!("/orgs/acme/requests{query}"), None).await;
            assert_eq!((odd.status, odd.code()), (422, "invalid"), "{query}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_route_that_is_never_reached_says_so() {
    let world = World::sqlite().await;
    world.org("acme").await;
    workload(&world, &As::Operator, "shop").await;
    let route = |path: &str| json!({ "host": "a.edge.test", "path": path, "workload": "shop" });
    let first = world.ask(&As::Operator, "POST", "/orgs/acme/routes", Some(route("/a/{x}"))).await;
    assert_eq!((first.status, &first.body["shadowed_by"], &first.body["warning"]), (201, &json!(null), &json!(null)));
    let second = world.ask(&As::Operator, "POST", "/orgs/acme/routes", Some(route("/a/{y}"))).await;
    assert_eq!((second.status, &second.body["shadowed_by"]), (201, &first.body["id"]), "{second:?}");
    assert!(second.body["warning"].as_str().unwrap().contains("never reached"));
    let path = format!("/orgs/acme/routes/{}", second.body["id"].as_str().unwrap());
    assert_eq!(world.ask(&As::Operator, "GET", &path, None).await.body["shadowed_by"], first.body["id"]);
    let list = world.ask(&As::Operator, "GET", "/orgs/acme/routes", None).await;
    assert_eq!(list.body["items"][1]["shadowed_by"], first.body["id"]);
    let changed = world.ask(&As::Operator, "PUT", &path, Some(route("/b"))).await;
    assert_eq!((changed.status, &changed.body["shadowed_by"]), (200, &json!(null)));
}
