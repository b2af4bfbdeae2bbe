//! Lists in parts: nothing twice, nothing left out, whatever the size of a part; and what a single route says of itself is
//! what the list says of it.

use mezu_model::Role;
use serde_json::{Value, json};

use super::world::{As, World, on_both};

/// Routes that stand in each other's way, spread unevenly over hosts.
const ROUTES: &[(&str, &str, &str, Option<i64>)] = &[
    ("a.example", "/", "shop", None),
    ("b.example", "/users", "shop", None),
    ("b.example", "/users/{id}", "shop", None),
    ("b.example", "/users/{name}", "blog", None),
    ("b.example", "=/users/new", "blog", None),
    ("b.example", "/", "shop", None),
    ("c.example", "/{page}", "blog", None),
    ("c.example", "/", "shop", None),
    ("d.example", "/z", "shop", Some(2)),
    ("d.example", "/z/y", "blog", Some(3)),
    ("d.example", "/z/{any}", "blog", None),
    ("d.example", "=/z", "blog", None),
    ("e.example", "/files/{rest...}", "shop", None),
    ("e.example", "/files", "blog", None),
    ("f.example", "/", "blog", None),
];

async fn fill(world: &World) -> As {
    let org = world.org("acme").await;
    let other = world.org("other").await;
    let (_, editor) = world.member(org, "e@example.com", Role::Editor).await;
    world.member(other, "e@example.com", Role::Editor).await;
    for of in ["acme", "other"] {
        for name in ["shop", "blog"] {
            let made =
                world.ask(&editor, "POST", &format!("/orgs/{of}/workloads"), Some(json!({ "name": name }))).await;
            assert_eq!(made.status, 201);
        }
    }
    for (host, path, workload, rank) in ROUTES {
        // Two of the same paths are two routes only if they take different requests.
        let matcher = if *path == "/users/{name}" { json!({"methods": ["GET"]}) } else { json!({}) };
        let body = json!({"host": host, "path": path, "workload": workload, "rank": rank, "matcher": matcher});
        let made = world.ask(&editor, "POST", "/orgs/acme/routes", Some(body)).await;
        assert_eq!(made.status, 201, "{host}{path}: {made:?}");
    }
    let foreign = json!({"host": "bb.example", "workload": "shop"});
    assert_eq!(world.ask(&editor, "POST", "/orgs/other/routes", Some(foreign)).await.status, 201);
    editor
}

/// All of a list, in parts of a size.
async fn walk(world: &World, who: &As, path: &str, limit: usize) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let part = world.ask(who, "GET", &format!("{path}limit={limit}{cursor}"), None).await;
        assert_eq!(part.status, 200, "{part:?}");
        let items = part.body["items"].as_array().unwrap();
        assert!(items.len() <= limit);
        all.extend(items.iter().cloned());
        match part.body["next"].as_str() {
            Some(next) => {
                assert_eq!(items.len(), limit, "a part is full if another follows");
                cursor = format!("&cursor={next}");
            }
            None => return all,
        }
    }
}

#[tokio::test]
async fn routes_in_parts_are_all_routes_in_their_order() {
    on_both(|world| async move {
        let editor = fill(&world).await;
        let whole = walk(&world, &editor, "/orgs/acme/routes?", 200).await;
        assert_eq!(whole.len(), ROUTES.len());
        let hosts: Vec<&str> = whole.iter().map(|one| one["host"].as_str().unwrap()).collect();
        assert!(hosts.is_sorted(), "{hosts:?}");
        assert!(whole.iter().filter(|one| one["shadowed_by"].is_string()).count() >= 2, "{whole:#?}");
        for limit in 1..=ROUTES.len() {
            assert_eq!(walk(&world, &editor, "/orgs/acme/routes?", limit).await, whole, "{limit}");
        }
        let workload = &whole[0]["workload_id"];
        let path = format!("/orgs/acme/routes?workload={}&", workload.as_str().unwrap());
        let mut of_shop = whole.clone();
        of_shop.retain(|one| one["workload_id"] == *workload);
        for limit in [1, 2, 3, 200] {
            assert_eq!(walk(&world, &editor, &path, limit).await, of_shop, "{limit}");
        }
        for limit in [1, 4, 200] {
            let of_host = walk(&world, &editor, "/orgs/acme/routes?host=d.example&", limit).await;
            assert_eq!(of_host, whole[8..12], "{limit}");
        }
        assert!(walk(&world, &editor, "/orgs/acme/routes?host=bb.example&", 200).await.is_empty(), "another org's");
        for one in &whole {
            let path = format!("/orgs/acme/routes/{}", one["id"].as_str().unwrap());
            let alone = world.ask(&editor, "GET", &path, None).await;
            assert_eq!(alone.body.get("shadowed_by"), one.get("shadowed_by"), "{}{}", one["host"], one["path"]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_list_that_was_left_at_a_route_which_is_gone_begins_again() {
    on_both(|world| async move {
        let editor = fill(&world).await;
        let first = world.ask(&editor, "GET", "/orgs/acme/routes?limit=3", None).await;
        let next = format!("/orgs/acme/routes?limit=3&cursor={}", first.body["next"].as_str().unwrap());
        let left = format!("/orgs/acme/routes/{}", first.body["items"][2]["id"].as_str().unwrap());
        assert_eq!(world.ask(&editor, "DELETE", &left, None).await.status, 204);
        assert_eq!(world.ask(&editor, "GET", &next, None).await.code(), "invalid");
        for odd in ["x", "a.example", "a.example/x", "/", "zzz.example/01010101-0101-0101-0101-010101010101"] {
            let got = world.ask(&editor, "GET", &format!("/orgs/acme/routes?cursor={odd}"), None).await;
            assert_eq!(got.code(), "invalid", "{odd}");
        }
    })
    .await;
}

#[tokio::test]
async fn workloads_in_parts_tell_where_each_is_reached() {
    on_both(|world| async move {
        let editor = fill(&world).await;
        let whole = walk(&world, &editor, "/orgs/acme/workloads?", 200).await;
        assert_eq!(walk(&world, &editor, "/orgs/acme/workloads?", 1).await, whole);
        for one in &whole {
            let urls = one["urls"].as_array().unwrap().len();
            assert_eq!(urls, ROUTES.iter().filter(|route| route.2 == one["name"]).count());
            let path = format!("/orgs/acme/workloads/{}", one["id"].as_str().unwrap());
            assert_eq!(world.ask(&editor, "GET", &path, None).await.body, *one);
        }
    })
    .await;
}
