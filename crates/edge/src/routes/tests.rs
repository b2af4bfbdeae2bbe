#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::Arc;

use mezu_policy::PipelineSpec;
use mezu_snapshot::{KeyEntry, KeyScope, OrgEntry, Parts, RouteEntry, Shared, Snapshot, WorkloadEntry};
use rustls::sign::CertifiedKey;

use super::*;
use crate::certs::Certificate;
use crate::http::Alpn;

const ONE: OrgId = OrgId::from_bytes([1; 16]);
const TWO: OrgId = OrgId::from_bytes([2; 16]);

fn id(n: u8) -> [u8; 16] {
    [n; 16]
}

fn workload(n: u8, org: OrgId) -> WorkloadEntry {
    WorkloadEntry { id: WorkloadId::from_bytes(id(n)), org, name: format!("w{n}").parse().unwrap() }
}

/// A snapshot's table.
fn compiled(snapshot: Snapshot) -> Arc<Table> {
    Compiled::first(Arc::new(snapshot)).unwrap().table
}

fn route(n: u8, host: &str, path: &str, workload: u8) -> Shared<RouteEntry> {
    let to = WorkloadId::from_bytes(id(workload));
    let (host, path) = (host.parse().unwrap(), path.parse().unwrap());
    RouteEntry::new(RouteId::from_bytes(id(n)), host, path, to, PipelineSpec::default()).into()
}

fn snapshot() -> Snapshot {
    let parts = Parts {
        orgs: [(ONE, "one"), (TWO, "two")]
            .map(|(id, name)| OrgEntry { id, name: name.parse().unwrap() })
            .to_vec()
            .into(),
        keys: vec![KeyEntry {
            id: KeyId::from_bytes(id(9)),
            org: ONE,
            public: PublicKey([9; 32]),
            scope: KeyScope::default(),
        }]
        .into(),
        workloads: vec![workload(1, ONE), workload(2, ONE), workload(3, TWO)].into(),
        routes: vec![
            route(1, "a.base.test", "/", 1),
            route(2, "a.base.test", "/api", 2),
            route(3, "a.base.test", "/api/deep", 1),
            route(4, "b.base.test", "/", 1),
            route(5, "c.base.test", "/only", 3),
        ],
    };
    Snapshot::new(7, "base.test".parse().unwrap(), parts)
}

fn certs() -> CertStore {
    let made = rcgen::generate_simple_self_signed(vec!["a.test".into()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
    let key = Arc::new(CertifiedKey::new(vec![made.cert.der().clone()], key));
    CertStore::new(vec![Certificate { names: vec!["*.base.test".into()], key }])
}

fn found(sni: Option<&str>, host: &str, path: &str) -> Result<u8, EdgeError> {
    let table = compiled(snapshot());
    let client = SocketAddr::from(([192, 0, 2, 1], 9));
    let conn = ConnInfo { client, local_port: 443, sni: sni.map(Into::into), alpn: Alpn::H2 };
    let mut head = RequestHead { host: host.into(), path: path.into(), ..RequestHead::default() };
    let context = Context::default();
    let mut beside = Beside::default();
    let request = Request::new(&conn, &context, &mut head, BodyLength::Empty, Instant::now(), &mut beside);
    table.route(request, &certs()).map(|routed| routed.route.id.as_bytes()[0])
}

#[test]
fn the_longest_prefix_of_whole_segments_wins() {
    for (path, expected) in
        [("/", 1), ("/apix", 1), ("/api", 2), ("/api/", 2), ("/api/deeper", 2), ("/api/deep", 3), ("/api/deep/x", 3)]
    {
        assert_eq!(found(Some("a.base.test"), "a.base.test", path), Ok(expected), "{path}");
    }
}

/// A host with the rules, in the order of their ids.
fn host(rules: &[(&str, &str, Option<i64>)]) -> (Vec<Shared<RouteEntry>>, Table) {
    let entry = |(n, (path, matcher, rank)): (usize, &(&str, &str, Option<i64>))| {
        let mut entry = route(0, "a.base.test", path, 1);
        entry.id = RouteId::from_bytes((n as u128).to_be_bytes());
        (entry.matcher, entry.rank) = (serde_json::from_str(matcher).unwrap(), *rank);
        entry
    };
    let routes: Vec<_> = rules.iter().enumerate().map(entry).collect();
    // Some rules stand twice, which no check would let through.
    let table = Table::compile(&Snapshot { routes: routes.clone(), ..snapshot() }).unwrap();
    (routes, table)
}

fn head(method: mezu_model::Method, path: &str) -> RequestHead {
    RequestHead { method, host: "a.base.test".into(), path: path.into(), ..RequestHead::default() }
}

#[test]
fn the_tree_finds_what_a_walk_along_the_order_finds() {
    // Every rule of up to three segments over a small alphabet, in many mixtures.
    let segments = ["a", "b", "{x}"];
    let mut paths: Vec<String> = vec!["/".into(), "=/".into(), "/{rest...}".into()];
    for one in segments {
        paths.extend([format!("/{one}"), format!("=/{one}"), format!("/{one}/"), format!("/{one}/{{rest...}}")]);
        for two in segments.map(|two| two.replace('x', "y")) {
            paths.extend([format!("/{one}/{two}"), format!("=/{one}/{two}"), format!("/{one}/{two}/{{rest...}}")]);
            paths.extend(segments.map(|three| format!("/{one}/{two}/{}", three.replace('x', "z"))));
        }
    }
    paths.retain(|path| path.parse::<PathRule>().is_ok());
    let asked =
        ["/", "*", "/a", "/b", "/c", "/a/", "/a/b", "/b/a", "/c/c", "/a/b/", "/a/a/b", "/a/c/b", "/b/c/c", "/a/b/a/b"];
    let mut state: u64 = 7;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    let matchers = ["{}", "{}", r#"{"methods":["GET"]}"#, r#"{"headers":[{"name":"x"}]}"#];
    let mut hits = 0;
    for _ in 0..2000 {
        let rules: Vec<_> = (0..random(12))
            .map(|_| {
                let rank = (random(4) == 0).then(|| i64::try_from(random(3)).unwrap());
                (paths[random(paths.len())].as_str(), matchers[random(matchers.len())], rank)
            })
            .collect();
        let (mut routes, table) = host(&rules);
        routes.sort_by(|a, b| a.order().cmp(&b.order()));
        for path in asked {
            let head = head(if random(2) == 0 { mezu_model::Method::Get } else { mezu_model::Method::Put }, path);
            let walked = routes.iter().find(|one| one.path.matches(path) && one.matcher.unmet(&head).is_none());
            let found = table.hosts.get("a.base.test").and_then(|host| host.find(&head));
            assert_eq!(found.map(|one| one.id), walked.map(|one| one.id), "{path} {rules:?}");
            hits += usize::from(found.is_some());
        }
    }
    assert!(hits > 5000, "{hits}");
}

#[test]
fn a_route_that_is_off_takes_nothing_and_its_host_is_known() {
    let mut snapshot = snapshot();
    for route in &mut snapshot.routes {
        route.enabled = false;
    }
    let table = compiled(snapshot);
    assert!(table.has_host("a.base.test"));
    let host = table.hosts.get("a.base.test").unwrap();
    assert!(host.find(&head(mezu_model::Method::Get, "/")).is_none());
}

#[test]
fn the_next_table_takes_over_the_hosts_that_nothing_has_changed_in() {
    let first = Compiled::first(Arc::new(snapshot())).unwrap();
    let change = |change: &dyn Fn(&mut Snapshot)| {
        let mut next = snapshot();
        next.generation += 1;
        change(&mut next);
        let whole = compiled(next.clone());
        (first.next(Arc::new(next)).unwrap().table, whole)
    };
    let at = |table: &Table, name: &str| table.hosts.get(name).map(std::ptr::from_ref);
    let kept = |table: &Table, name: &str| at(table, name).is_some() && at(table, name) == at(&first.table, name);
    type Case<'a> = (&'a str, &'a dyn Fn(&mut Snapshot), &'a [&'a str]);
    let cases: [Case<'_>; 6] = [
        ("nothing", &|_| {}, &["a", "b", "c"]),
        ("one goes", &|next| drop(next.routes.remove(1)), &["b", "c"]),
        ("one moves", &|next| next.routes[3].host = "d.base.test".parse().unwrap(), &["a", "c"]),
        ("one comes", &|next| next.routes.push(route(9, "d.base.test", "/", 1)), &["a", "b", "c"]),
        ("a workload goes", &|next| drop((next.workloads.remove(2), next.routes.remove(4))), &["a", "b"]),
        ("a workload changes hands", &|next| next.workloads[2].org = ONE, &[]),
    ];
    for (what, edit, expected) in cases {
        let (table, whole) = change(edit);
        let names = ["a", "b", "c", "d"].map(|one| format!("{one}.base.test"));
        for name in &names {
            let is_kept = kept(&table, name);
            assert_eq!(is_kept, expected.iter().any(|one| name.starts_with(one)), "{what}: {name}");
            let describe = |table: &Table| {
                let host = table.hosts.get(name)?;
                let routes: Vec<_> = host.routes.iter().map(|one| (one.id, one.org, one.path.clone())).collect();
                Some((host.org, host.first_takes_all, routes))
            };
            assert_eq!(describe(&table), describe(&whole), "{what}: {name}");
        }
        assert_eq!(table.generation, 8);
    }
}

/// All that can be seen of a host.
fn seen(table: &Table, name: &str) -> Option<String> {
    let host = table.hosts.get(name)?;
    let route = |one: &Route| {
        let stages: Vec<_> = one.pipeline.stages().collect();
        let (path, matcher) = (one.path.to_string(), serde_json::to_string(&one.matcher).unwrap());
        (one.id, one.org, one.workload, stages, path, matcher, one.rank, one.enabled)
    };
    let routes: Vec<_> = host.routes.iter().map(route).collect();
    let asked = ["/", "/x", "/x/", "/x/y", "/z", "/z/x", "/only/x", "/api/deep/x"];
    let find = |path| host.find(&head(mezu_model::Method::Get, path)).map(|route| route.id);
    Some(format!("{:?} {} {routes:?} {:?}", host.org, host.first_takes_all, asked.map(find)))
}

#[test]
fn a_table_made_from_the_one_before_is_the_table_made_from_nothing() {
    let names = ["a", "b", "c", "d"].map(|one| format!("{one}.base.test"));
    let pipelines = [r"{}", r#"{"body_limit":{"bytes":9}}"#, r#"{"cors":{"origins":["https://a.test"]}}"#];
    let mut taken = 0;
    for seed in 0..40 {
        let mut state: u64 = seed;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % below
        };
        let mut now = Compiled::first(Arc::new(snapshot())).unwrap();
        for generation in 8..108 {
            let mut next = Snapshot { generation, ..(**now.checked.snapshot()).clone() };
            for _ in 0..=random(3) {
                let (n, to) = (u8::try_from(random(20)).unwrap(), u8::try_from(1 + random(3)).unwrap());
                let path = ["/", "=/", "/x", "/{any}", "/x/{rest...}"][random(5)];
                let mut new = route(n, &names[random(4)], path, to);
                new.pipeline = serde_json::from_str(pipelines[random(3)]).unwrap();
                (new.enabled, new.rank) = (random(4) > 0, (random(4) == 0).then_some(3));
                match next.routes.binary_search_by_key(&new.id, |one| one.id) {
                    Ok(at) if random(2) == 0 => drop(next.routes.remove(at)),
                    Ok(at) => next.routes[at] = new,
                    Err(at) => next.routes.insert(at, new),
                }
                if random(30) == 0 {
                    next.workloads[random(3)].org = [ONE, TWO][random(2)];
                }
            }
            let next = Arc::new(next);
            let whole = Compiled::first(Arc::clone(&next));
            let after = now.next(next);
            assert_eq!(whole.is_ok(), after.is_ok(), "seed {seed}");
            let (Ok(whole), Ok(after)) = (whole, after) else { continue };
            for name in &names {
                assert_eq!(seen(&after.table, name), seen(&whole.table, name), "seed {seed}, {generation}: {name}");
            }
            (now, taken) = (after, taken + 1);
        }
    }
    assert!(taken > 1000, "{taken}");
}

#[test]
fn a_workload_that_changes_hands_is_noticed_in_whatever_order_they_are_listed() {
    let first = Compiled::first(Arc::new(snapshot())).unwrap();
    let mut next = Snapshot { generation: 8, ..snapshot() };
    next.workloads[2].org = ONE;
    next.workloads.insert(0, workload(4, TWO));
    let next = first.next(Arc::new(next)).unwrap();
    assert_eq!(next.table.hosts.get("c.base.test").unwrap().org, Some(ONE));
}

#[test]
fn an_older_generation_is_no_news() {
    let first = Compiled::first(Arc::new(snapshot())).unwrap();
    for generation in [0, 6, 7] {
        let next = Arc::new(Snapshot { generation, ..snapshot() });
        assert!(matches!(first.next(next), Err(Uncompilable::Older { .. })), "{generation}");
    }
}

#[test]
fn a_connection_carries_only_names_of_its_certificate_and_org() {
    let misdirected = Err(EdgeError::Misdirected);
    for (sni, host, expected) in [
        (Some("a.base.test"), "b.base.test", Ok(4)),
        (None, "b.base.test", Ok(4)),
        (Some("a.base.test"), "elsewhere.test", misdirected.clone()),
        (None, "elsewhere.test", misdirected.clone()),
        (Some("c.base.test"), "a.base.test", misdirected.clone()),
        (Some("none.base.test"), "a.base.test", misdirected.clone()),
        (Some("none.base.test"), "none.base.test", Err(EdgeError::UnknownHost)),
        (Some("c.base.test"), "c.base.test", Err(EdgeError::NoRoute)),
    ] {
        assert_eq!(found(sni, host, "/"), expected, "{sni:?} {host}");
    }
}

#[test]
fn keys_are_found_by_their_public_half() {
    let table = compiled(snapshot());
    assert_eq!(table.generation, 7);
    assert_eq!(
        table.key(&PublicKey([9; 32])),
        Some(&Key { id: KeyId::from_bytes(id(9)), org: ONE, scope: KeyScope::default() })
    );
    assert_eq!(table.key(&PublicKey([8; 32])), None);
}

#[test]
fn a_route_to_nowhere_does_not_compile() {
    let mut snapshot = snapshot();
    snapshot.workloads.clear();
    assert!(matches!(Compiled::first(Arc::new(snapshot)), Err(Uncompilable::Problems(_))));
}
