//! The dry run and «why»: what they tell is what requests then meet.

use std::sync::Arc;

use mezu_model::RayId;
use mezu_snapshot::{Parts, Snapshot};
use serde_json::json;

use super::world::{HOST, ORG, World, echo, with_edge};
use crate::{Decision, Explanation, Outcome, Question, Unasked, Unmatched, Wanted};

/// Publishes the one route changed.
async fn change(world: &World, change: impl FnOnce(&mut Snapshot)) {
    let mut snapshot = (**world.snapshots.borrow()).clone();
    snapshot.generation += 1;
    change(&mut snapshot);
    let generation = snapshot.generation;
    world.snapshots.send_replace(Arc::new(snapshot));
    while world.edge.generation() < generation {
        tokio::task::yield_now().await;
    }
}

fn question(method: &str, url: &str) -> Question {
    Question {
        method: method.into(),
        url: url.into(),
        headers: Vec::new(),
        client: "127.0.0.1:9".parse().unwrap(),
        body: None,
    }
}

async fn explain(world: &World, method: &str, url: &str) -> Explanation {
    world.edge.explain(&question(method, url)).await.unwrap()
}

/// What became of the request that the answer is of.
async fn why(world: &World, answer: &super::world::Answer) -> Decision {
    let ray = answer.field("mezu-ray").unwrap().parse().unwrap();
    // The answer is out a moment before the request is written down.
    loop {
        if let Some(decision) = world.edge.why(ORG, ray).await {
            return decision;
        }
        tokio::task::yield_now().await;
    }
}

#[test]
fn the_dry_run_tells_the_gate_that_would_take_the_request() {
    with_edge(2, |world| async move {
        let url = format!("https://{HOST}/a/../b?q");
        let none = explain(&world, "GET", &url).await;
        assert!(matches!(none.outcome, Outcome::Refused { code: "MEZU-2001", stage: None, .. }), "{none:?}");
        world.gate(1, 2, echo("one")).await;
        let told = explain(&world, "GET", &url).await;
        assert_eq!((told.host.as_str(), told.path.as_str(), told.org), (HOST, "/b", Some(ORG)));
        assert_eq!(told.candidates.len(), 1);
        assert_eq!(told.route, Some(told.candidates[0].route));
        let Outcome::Forwarded { gates, .. } = told.outcome else { panic!("{:?}", told.outcome) };
        assert_eq!(
            gates.iter().map(|gate| (gate.worker, gate.in_flight, gate.is_free)).collect::<Vec<_>>(),
            [(0, 0, true), (1, 0, true)]
        );
        let unknown = explain(&world, "GET", "other.base.test").await;
        assert!(unknown.org.is_none() && unknown.candidates.is_empty());
        assert!(matches!(unknown.outcome, Outcome::Refused { code: "MEZU-1010", .. }), "{unknown:?}");
    });
}

#[test]
fn the_dry_run_and_the_request_meet_the_same_stage() {
    with_edge(2, |world| async move {
        world.gate(1, 2, echo("one")).await;
        change(&world, |snapshot| {
            let route = &mut snapshot.routes[0];
            route.pipeline = serde_json::from_value(json!({
                "ip_access": {
                    "rules": [{ "networks": ["127.0.0.0/8"], "then": "refuse" }], "otherwise": "pass_to_next_stages"
                },
                "body_limit": { "bytes": 10 }
            }))
            .unwrap();
        })
        .await;
        let told = explain(&world, "GET", HOST).await;
        assert_eq!(told.stages.iter().map(|one| (one.stage, one.passed)).collect::<Vec<_>>(), [("ip_access", false)]);
        let Outcome::Refused { stage: Some("ip_access"), code, status, .. } = told.outcome else {
            panic!("{:?}", told.outcome)
        };
        let answer = world.ask(&format!("GET / HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n")).await;
        assert_eq!((answer.status, answer.field("mezu-code")), (status, Some(code)));
        let decision = why(&world, &answer).await;
        assert_eq!((decision.status, decision.code), (status, Some(code)));
        assert_eq!((decision.generation, decision.route), (told.generation, told.route));
        assert_eq!(
            decision.stages.iter().map(|one| (one.stage, one.passed)).collect::<Vec<_>>(),
            [("ip_access", false)]
        );
        // Who asks counts: the address of the question, not ours.
        let elsewhere = Question { client: "192.0.2.7:1".parse().unwrap(), ..question("GET", HOST) };
        let told = world.edge.explain(&elsewhere).await.unwrap();
        assert!(told.stages.iter().all(|one| one.passed) && told.stages.len() == 2, "{told:?}");
    });
}

#[test]
fn the_candidates_tell_what_each_route_lacked() {
    with_edge(1, |world| async move {
        let one = world.snapshots.borrow().routes[0].clone();
        change(&world, |snapshot| {
            for (n, (path, matcher, enabled)) in [
                ("/u/{id}", json!({ "methods": ["POST"] }), true),
                ("/u/{id}", json!({ "headers": [{ "name": "x-beta" }] }), true),
                ("/u/{id}", json!({}), true),
                ("=/u", json!({}), true),
                ("/u/7", json!({}), false),
            ]
            .into_iter()
            .enumerate()
            {
                let mut route = one.clone();
                route.id = mezu_model::RouteId::from_bytes([u8::try_from(n).unwrap() + 100; 16]);
                (route.path, route.enabled) = (path.parse().unwrap(), enabled);
                route.matcher = serde_json::from_value(matcher).unwrap();
                snapshot.routes.push(route);
            }
        })
        .await;
        let told = explain(&world, "GET", &format!("{HOST}/u/7")).await;
        let listed: Vec<_> = told.candidates.iter().map(|one| (one.path.as_str(), one.unmatched.clone())).collect();
        assert_eq!(
            listed,
            [
                ("/u/{id}", Some(Unmatched::Method)),
                ("/u/{id}", Some(Unmatched::Header { name: "x-beta".into() })),
                ("/u/{id}", None),
                ("=/u", Some(Unmatched::Path)),
                ("/", Some(Unmatched::Later)),
                ("/u/7", Some(Unmatched::Off)),
            ]
        );
        assert_eq!(told.candidates[2].captures, [("id".to_owned(), "7".to_owned())]);
        let text = serde_json::to_value(&told).unwrap();
        assert_eq!(text["candidates"][1]["unmatched"], json!({ "why": "header", "name": "x-beta" }));
        assert_eq!(text["outcome"]["kind"], "refused");
    });
}

#[test]
fn why_tells_of_a_request_that_was_answered_by_its_workload() {
    with_edge(3, |world| async move {
        world.gate(1, 3, echo("one")).await;
        let answer = world.ask(&format!("GET /x HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n")).await;
        let decision = why(&world, &answer).await;
        assert_eq!((decision.status, decision.code, decision.gate.is_some()), (200, None, true));
        assert!(decision.workload_us.is_some() && decision.workload.is_some() && decision.stages.is_empty());
        assert_eq!(world.edge.why(ORG, RayId(7)).await, None);
    });
}

#[test]
fn what_could_not_come_is_not_explained() {
    with_edge(1, |world| async move {
        for (method, url, expected) in [
            ("GE T", HOST, Unasked::Method),
            ("CONNECT", HOST, Unasked::Method),
            ("GET", "", Unasked::Url),
            ("GET", "http://a b/", Unasked::Url),
            ("GET", "shop.base.test/a%2fb", Unasked::Unreadable("a slash is percent-encoded")),
        ] {
            assert_eq!(world.edge.explain(&question(method, url)).await, Err(expected), "{method} {url}");
        }
        let headers = vec![("bad name".to_owned(), String::new())];
        assert!(world.edge.explain(&Question { headers, ..question("GET", HOST) }).await.is_err());
    });
}

#[test]
fn what_only_some_routes_would_say_is_told_and_nothing_of_it_stays() {
    with_edge(1, |world| async move {
        world.gate(1, 1, echo("one")).await;
        let Parts { workloads, mut routes, .. } = world.snapshots.borrow().parts();
        let limit = json!({ "rate_limit": { "limits": [{ "requests": 1, "per": 60 }] } });
        routes[0].pipeline = serde_json::from_value(limit).unwrap();
        routes[0].path = "/new".parse().unwrap();
        let parts = Parts { workloads, routes, ..Parts::default() };
        for (url, passes) in [(format!("{HOST}/new"), true), (format!("{HOST}/new"), true), (HOST.to_owned(), false)] {
            let told = world.edge.explain_supposing(&question("GET", &url), parts.clone()).await.unwrap();
            assert_eq!(told.generation, world.edge.generation());
            assert_eq!(matches!(told.outcome, Outcome::Forwarded { .. }), passes, "{url}: {told:?}");
            let served = explain(&world, "GET", &url).await;
            assert!(matches!(served.outcome, Outcome::Forwarded { .. }) && served.stages.is_empty(), "{served:?}");
        }
        let mut broken = parts;
        broken.workloads.clear();
        let told = world.edge.explain_supposing(&question("GET", HOST), broken).await;
        assert!(matches!(told, Err(Unasked::Uncompilable(_))), "{told:?}");
    });
}

#[test]
fn an_org_sees_its_last_requests_also_those_that_no_route_took() {
    with_edge(2, |world| async move {
        world.gate(1, 2, echo("one")).await;
        change(&world, |snapshot| snapshot.routes[0].path = "/shop".parse().unwrap()).await;
        for (path, status) in [("/shop", 200), ("/none", 404)] {
            let answer = world.ask(&format!("GET {path} HTTP/1.1\r\nhost: {HOST}\r\nconnection: close\r\n\r\n")).await;
            assert_eq!(why(&world, &answer).await.status, status);
        }
        let all = Wanted { org: ORG, route: None, workload: None, statuses: 0..=999, before: None, most: 10 };
        let told = world.edge.recent(all.clone()).await.unwrap();
        assert_eq!(told.iter().map(|one| one.status).collect::<Vec<_>>(), [404, 200]);
        assert_eq!((told[0].org, told[0].route), (Some(ORG), None));
        let ray = told[0].ray.parse().unwrap();
        let older = world.edge.recent(Wanted { before: Some(ray), ..all.clone() }).await.unwrap();
        assert_eq!(older.iter().map(|one| &one.ray).collect::<Vec<_>>(), [&told[1].ray]);
        assert_eq!(world.edge.recent(Wanted { before: Some(RayId(7)), ..all.clone() }).await, None);
        let other = mezu_model::OrgId::from_bytes([9; 16]);
        assert_eq!(world.edge.recent(Wanted { org: other, ..all }).await.unwrap(), []);
        assert_eq!(world.edge.why(other, ray).await, None);
    });
}
