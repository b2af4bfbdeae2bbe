#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use mezu_model::{KeyId, Label, OrgId, PublicKey, RouteId, WorkloadId};
use mezu_policy::PipelineSpec;

use super::*;

fn label(text: &str) -> Label {
    text.parse().unwrap()
}

fn org(n: u8) -> OrgId {
    OrgId::from_bytes([n; 16])
}

fn workload(n: u8) -> WorkloadId {
    WorkloadId::from_bytes([n; 16])
}

fn key(n: u8) -> KeyEntry {
    KeyEntry { id: KeyId::from_bytes([n; 16]), org: org(1), public: PublicKey([n; 32]), scope: KeyScope::default() }
}

fn route(n: u8, host: &str, to: u8) -> Shared<RouteEntry> {
    let id = RouteId::from_bytes([n; 16]);
    RouteEntry::new(id, host.parse().unwrap(), PathRule::root(), workload(to), PipelineSpec::default()).into()
}

fn good() -> Snapshot {
    let parts = Parts {
        orgs: vec![OrgEntry { id: org(1), name: label("one") }, OrgEntry { id: org(2), name: label("two") }].into(),
        keys: vec![key(1), key(2)].into(),
        workloads: vec![
            WorkloadEntry { id: workload(1), org: org(1), name: label("shop") },
            WorkloadEntry { id: workload(2), org: org(2), name: label("shop") },
        ]
        .into(),
        routes: vec![route(1, "shop.example", 1), route(2, "other.example", 2)],
    };
    Snapshot::new(7, "mezusphere.localhost".parse().unwrap(), parts)
}

fn first_problem(change: impl FnOnce(&mut Snapshot)) -> Problem {
    let mut snapshot = good();
    change(&mut snapshot);
    snapshot.check().unwrap_err().iter().next().unwrap().clone()
}

#[test]
fn a_whole_snapshot_survives_the_way_through_bytes() {
    let snapshot = good();
    assert_eq!(snapshot.check(), Ok(()));
    assert_eq!(decode(&encode(&snapshot).unwrap()).unwrap(), snapshot);
    assert_eq!(Snapshot::empty("a.b".parse().unwrap()).check(), Ok(()));
}

#[test]
fn a_file_of_the_first_format_still_reads() {
    let text = String::from_utf8(encode(&good()).unwrap()).unwrap();
    let old = text.replacen("\"format\":2", "\"format\":1", 1);
    assert_eq!(decode(old.as_bytes()).unwrap(), good());
}

#[test]
fn what_a_route_asks_of_a_request_survives_the_way_through_bytes() {
    let mut snapshot = good();
    let route = &mut snapshot.routes[0];
    route.path = "/users/{id}".parse().unwrap();
    let header = HeaderCondition::new("x-beta", vec!["on".into()]).unwrap();
    route.matcher = Matcher::new(vec![mezu_model::Method::Get], vec![header]).unwrap();
    (route.rank, route.enabled) = (Some(-3), false);
    assert_eq!(decode(&encode(&snapshot).unwrap()).unwrap(), snapshot);
}

#[test]
fn every_cross_reference_is_checked() {
    let dangling = |problem: Problem| matches!(problem, Problem::Dangling { .. });
    let duplicate = |problem: Problem| matches!(problem, Problem::Duplicate { .. });
    assert!(dangling(first_problem(|s| s.keys[0].org = org(9))));
    assert!(dangling(first_problem(|s| s.workloads[0].org = org(9))));
    assert!(dangling(first_problem(|s| s.routes[0].workload = workload(9))));
    assert!(duplicate(first_problem(|s| s.orgs[1].id = org(1))));
    assert!(duplicate(first_problem(|s| s.orgs[1].name = label("one"))));
    assert!(duplicate(first_problem(|s| s.keys[1].id = s.keys[0].id)));
    assert!(duplicate(first_problem(|s| s.keys[1].public = s.keys[0].public)));
    assert!(duplicate(first_problem(|s| s.workloads[1] = s.workloads[0].clone())));
    assert!(duplicate(first_problem(|s| s.workloads[1].org = org(1))));
    assert!(duplicate(first_problem(|s| s.routes[1].id = s.routes[0].id)));
    assert!(duplicate(first_problem(|s| s.routes[1].host = s.routes[0].host.clone())));
}

#[test]
fn a_stage_leads_to_workloads_of_its_routes_org_only() {
    let split = |ids: &[u8]| {
        let to: Vec<_> =
            ids.iter().map(|n| serde_json::json!({ "workload": workload(*n), "weight": u32::from(*n == 1) })).collect();
        serde_json::from_value::<PipelineSpec>(serde_json::json!({ "split": { "to": to } })).unwrap()
    };
    let mut snapshot = good();
    snapshot.routes[0].pipeline = split(&[1]);
    assert_eq!(snapshot.check(), Ok(()));
    // One that is not there, and one of another org, even if nothing would be sent to it.
    for stranger in [9, 2] {
        let problem = first_problem(|s| s.routes[0].pipeline = split(&[1, stranger]));
        let expected = workload(stranger).to_string();
        assert!(matches!(&problem, Problem::Dangling { target, .. } if *target == expected), "{problem}");
    }
}

#[test]
fn a_hostname_has_one_owner() {
    let problem = first_problem(|s| {
        s.routes[1].host = s.routes[0].host.clone();
        s.routes[1].path = "/api".parse().unwrap();
    });
    assert!(matches!(problem, Problem::HostOfTwoOrgs { .. }), "{problem}");
}

#[test]
fn counts_are_bounded() {
    let problem = first_problem(|s| s.routes = vec![route(1, "a.example", 1); limits::ROUTES + 1]);
    assert!(matches!(problem, Problem::TooMany { what: "routes", .. }), "{problem}");
    let mut many = good();
    many.routes = vec![route(1, "a.example", 1); 1000];
    assert_eq!(many.check().unwrap_err().iter().count(), Problems::MOST);
}

#[test]
fn routes_of_one_org_are_bounded() {
    let problem = first_problem(|s| {
        s.routes = (0..=limits::ROUTES_PER_ORG)
            .map(|n| {
                let id = RouteId::from_bytes(u128::try_from(n).unwrap().to_be_bytes());
                let path = format!("/{n}").parse().unwrap();
                RouteEntry { id, path, ..(*route(1, "a.example", 1)).clone() }.into()
            })
            .collect();
    });
    assert!(matches!(problem, Problem::TooManyRoutesOfOrg { .. }), "{problem}");
}

#[test]
fn hostile_bytes_are_refused() {
    let text = String::from_utf8(encode(&good()).unwrap()).unwrap();
    for bad in [
        String::new(),
        "null".into(),
        "{}".into(),
        text[..text.len() - 1].to_string(),
        text.replacen("\"format\":2", "\"format\":3", 1),
        text.replacen("\"format\":2", "\"format\":0", 1),
        text.replacen("\"generation\":7", "\"generation\":7,\"generation\":8", 1),
        text.replacen("\"generation\":7", "\"generation\":-7", 1),
        text.replacen("\"generation\":7", "\"generation\":7,\"new\":1", 1),
        text.replacen("\"pipeline\":{}", "\"pipeline\":{\"new\":1}", 1),
        text.replacen("\"path\":\"/\"", "\"path\":\"/../x\"", 1),
        text.replacen("shop.example", "shop..example", 1),
        text.replacen("shop.example", "", 1),
        text.replacen(&"01".repeat(32), &"01".repeat(31), 1),
        format!("{text} x"),
    ] {
        assert!(decode(bad.as_bytes()).is_err(), "{bad}");
    }
    let huge = vec![b' '; limits::BYTES + 1];
    assert!(matches!(decode(&huge), Err(Undecodable::TooLarge(_))));
}

#[test]
fn damaged_bytes_never_make_a_snapshot_that_is_not_whole() {
    let whole = encode(&good()).unwrap();
    let mut state: u64 = 7;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    let mut taken = 0;
    for _ in 0..5000 {
        let mut bytes = whole.clone();
        for _ in 0..=random(3) {
            let at = random(bytes.len());
            match random(3) {
                0 => bytes[at] = u8::try_from(random(256)).unwrap(),
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, b"0a\"{}[],:-"[random(10)]),
            }
        }
        if let Ok(snapshot) = decode(&bytes) {
            taken += 1;
            assert_eq!(snapshot.check(), Ok(()));
            assert_eq!(decode(&encode(&snapshot).unwrap()).unwrap(), snapshot);
        }
    }
    // Some damage leaves another, whole snapshot; most does not.
    assert!(taken < 2500, "{taken}");
}

#[test]
fn deep_nesting_does_not_exhaust_the_stack() {
    assert!(decode("[".repeat(1_000_000).as_bytes()).is_err());
}
