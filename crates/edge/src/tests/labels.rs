//! Gates that wear labels: hosts of their own, by the rules of the workload's host, and shares of a split.

use std::sync::Arc;
use std::time::Duration;

use mezu_policy::PipelineSpec;
use mezu_tunnel::ConnectError;
use mezu_tunnel::proto::hello::RefusedCode;
use serde_json::json;

use super::world::{World, echo, with_edge};
use crate::explain::{Outcome, Question};

const PREVIEW: &str = "pr-7--shop.base.test";

async fn ask(world: &World, host: &str) -> (u16, String) {
    let answer = world.ask(&format!("GET /x HTTP/1.1\r\nhost: {host}\r\naccept: application/json\r\n\r\n")).await;
    (answer.status, answer.text().to_owned())
}

/// Puts a pipeline on the one route.
async fn set_pipeline(world: &World, spec: serde_json::Value) {
    let mut snapshot = world.snapshots.borrow().as_ref().clone();
    let mut parts = snapshot.parts();
    let mut route = parts.routes[0].clone();
    route.pipeline = serde_json::from_value::<PipelineSpec>(spec).unwrap();
    parts.routes = vec![route];
    snapshot = mezu_snapshot::Snapshot::new(snapshot.generation + 1, snapshot.base_domain, parts);
    let generation = snapshot.generation;
    world.snapshots.send_replace(Arc::new(snapshot));
    while world.edge.generation() < generation {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn a_preview_has_a_host_of_its_own_and_takes_nothing_else() {
    with_edge(3, |world| async move {
        world.gate(1, 3, echo("main")).await;
        let (status, body) = ask(&world, PREVIEW).await;
        assert!(status == 404 && body.contains("MEZU-1019"), "{status} {body}");
        let preview = world.labelled(2, "pr-7", echo("preview")).await.unwrap();
        let url = &preview.welcome.workloads[0].url;
        assert!(url.starts_with(&format!("https://{PREVIEW}")), "{url}");
        assert_eq!(preview.welcome.version, 2);
        for _ in 0..12 {
            // From any worker, over a hop or not, on a connection for either host.
            assert_eq!(ask(&world, PREVIEW).await, (200, "preview GET /x ".into()));
            assert_eq!(ask(&world, "shop.base.test").await, (200, "main GET /x ".into()));
            let mut client = world.client_of(PREVIEW).await;
            for (host, name) in [(PREVIEW, "preview"), ("shop.base.test", "main")] {
                client.send(&format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n")).await;
                assert_eq!(client.answer().await.text(), format!("{name} GET / "));
            }
        }
        for (host, code) in [
            ("pr-8--shop.base.test", "MEZU-1019"),
            ("www--shop.base.test", "MEZU-1010"),
            ("pr-7--other.base.test", "MEZU-1010"),
            ("pr-7--pr-7--shop.base.test", "MEZU-1010"),
        ] {
            let (status, body) = ask(&world, host).await;
            assert!(status == 404 && body.contains(code), "{host}: {status} {body}");
        }
    });
}

#[test]
fn a_preview_is_gone_with_its_last_gate_and_never_becomes_the_site_itself() {
    with_edge(2, |world| async move {
        world.gate(1, 2, echo("main")).await;
        let one = world.labelled(2, "pr-7", echo("one")).await.unwrap();
        let two = world.labelled(3, "pr-7", echo("two")).await.unwrap();
        assert_eq!(ask(&world, PREVIEW).await.0, 200);
        one.session.drain();
        one.session.closed().await;
        for _ in 0..6 {
            assert_eq!(ask(&world, PREVIEW).await, (200, "two GET /x ".into()));
        }
        two.session.drain();
        two.session.closed().await;
        let gone = async {
            while ask(&world, PREVIEW).await.0 == 200 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(5), gone).await.unwrap();
        assert!(ask(&world, PREVIEW).await.1.contains("MEZU-1019"));
        assert_eq!(ask(&world, "shop.base.test").await.0, 200);
    });
}

#[test]
fn the_rules_of_the_site_are_those_of_its_previews() {
    with_edge(1, |world| async move {
        world.gate(1, 1, echo("main")).await;
        set_pipeline(&world, json!({ "ip_access": { "otherwise": "refuse" } })).await;
        // Where nobody is, no rule speaks either.
        assert!(ask(&world, PREVIEW).await.1.contains("MEZU-1019"));
        world.labelled(2, "pr-7", echo("preview")).await.unwrap();
        assert!(ask(&world, PREVIEW).await.1.contains("MEZU-1015"));
    });
}

#[test]
fn a_split_deals_out_to_labels_and_to_others_where_nobody_wears_one() {
    with_edge(2, |world| async move {
        let id = world.snapshots.borrow().workloads[0].id;
        let to = json!([
            { "workload": id, "label": "blue", "weight": 1 },
            { "workload": id, "label": "green", "weight": 0 },
            { "workload": id, "weight": 1 },
        ]);
        set_pipeline(&world, json!({ "split": { "to": to } })).await;
        let count = async |name: &str| {
            let mut count = 0;
            for _ in 0..40 {
                let (status, body) = ask(&world, "shop.base.test").await;
                assert_eq!(status, 200, "{body}");
                count += usize::from(body.starts_with(name));
            }
            count
        };
        world.gate(1, 2, echo("main")).await;
        assert_eq!(count("main").await, 40);
        let blue = world.labelled(2, "blue", echo("blue")).await.unwrap();
        let got = count("blue").await;
        assert!((5..=35).contains(&got), "{got}");
        blue.session.drain();
        blue.session.closed().await;
        assert_eq!(count("main").await, 40);
        // On the host of a label the split says nothing.
        let _green = world.labelled(3, "green", echo("green")).await.unwrap();
        for _ in 0..10 {
            assert_eq!(ask(&world, "green--shop.base.test").await.1, "green GET /x ");
        }
    });
}

#[test]
fn a_label_that_is_too_long_for_a_name_or_would_be_shadowed_is_refused() {
    with_edge(1, |world| async move {
        let refusal = async |label: &str| match world.labelled(2, label, echo("x")).await {
            Err(ConnectError::Refused(refused)) => (refused.code, refused.message),
            other => panic!("{:?}", other.map(|tunnel| tunnel.welcome)),
        };
        let (code, message) = refusal(&"a".repeat(58)).await;
        assert!(code == RefusedCode::NotAllowed && message.contains("too long"), "{message}");
        let snapshot = world.snapshots.borrow().as_ref().clone();
        let mut parts = snapshot.parts();
        let mut route = parts.routes[0].clone();
        route.id = mezu_model::RouteId::from_bytes([9; 16]);
        route.host = PREVIEW.parse().unwrap();
        parts.routes = vec![parts.routes[0].clone(), route];
        world.snapshots.send_replace(Arc::new(mezu_snapshot::Snapshot::new(2, snapshot.base_domain, parts)));
        while world.edge.generation() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let (code, message) = refusal("pr-7").await;
        assert!(code == RefusedCode::NotAllowed && message.contains("routes of its own"), "{message}");
    });
}

#[test]
fn the_dry_run_tells_of_labels() {
    with_edge(1, |world| async move {
        let ask = async |host: &str| {
            let question = Question {
                method: "GET".into(),
                url: format!("https://{host}/"),
                headers: Vec::new(),
                client: "192.0.2.1:1".parse().unwrap(),
                body: None,
            };
            world.edge.explain(&question).await.unwrap()
        };
        let told = ask(PREVIEW).await;
        assert!(matches!(told.outcome, Outcome::Refused { code: "MEZU-1019", .. }), "{told:?}");
        assert!(told.org.is_some() && told.route.is_some(), "{told:?}");
        let _tunnel = world.labelled(2, "pr-7", echo("preview")).await.unwrap();
        let told = ask(PREVIEW).await;
        let Outcome::Forwarded { label, gates, .. } = told.outcome else { panic!("{told:?}") };
        assert_eq!((label.unwrap().as_str(), gates.len()), ("pr-7", 1));
        let id = world.snapshots.borrow().workloads[0].id;
        assert_eq!(world.edge.labels(id), [("pr-7".parse().unwrap(), 1)]);
        assert_eq!(world.edge.gates(id), 0);
    });
}
