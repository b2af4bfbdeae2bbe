//! Finds N routes, for callgrind to count: the difference of two counts is what finding one costs.
//! `cargo build --release -p mezu-edge --example route_cost && valgrind --tool=callgrind
//! target/release/examples/route_cost 10000 hosts 100000`; besides `hosts`, a host each, `paths` and `captures` of one
//! host.

#![allow(clippy::unwrap_used, reason = "a tool for one's own desk")]

use std::hint::black_box;

use mezu_edge::measure::Routes;
use mezu_model::{OrgId, RequestHead, RouteId, WorkloadId};
use mezu_policy::PipelineSpec;
use mezu_snapshot::{OrgEntry, Parts, RouteEntry, Snapshot, WorkloadEntry};

/// The host and path rule of a route, and the path of a request that it takes.
fn place(kind: &str, n: usize) -> (String, String, String) {
    let (high, low) = (n / 100, n % 100);
    match kind {
        "hosts" => (format!("h-{n}.example.com"), "/".into(), "/any/path".into()),
        "paths" => {
            let path = format!("/api/part-{high}/item-{low}");
            ("shop.example.com".into(), path.clone(), format!("{path}/rest"))
        }
        "captures" => (
            "shop.example.com".into(),
            format!("/part-{high}/{{id}}/item-{low}/{{other}}"),
            format!("/part-{high}/1234/item-{low}/5678"),
        ),
        other => unreachable!("{other}: hosts, paths or captures"),
    }
}

fn snapshot(kind: &str, routes: usize) -> Snapshot {
    // No more routes of one org than an org may have.
    let org = |n: usize| OrgId::from_bytes(((n / 10_000 + 1) as u128).to_be_bytes());
    let workload = |n: usize| WorkloadId::from_bytes(((n / 10_000 + 1) as u128).to_be_bytes());
    let mut parts = Parts::default();
    for n in (0..routes).step_by(10_000) {
        parts.orgs.push(OrgEntry { id: org(n), name: format!("org-{n}").parse().unwrap() });
        parts.workloads.push(WorkloadEntry { id: workload(n), org: org(n), name: "w".parse().unwrap() });
    }
    for n in 0..routes {
        let (host, path, _) = place(kind, n);
        let id = RouteId::from_bytes((n as u128).to_be_bytes());
        let spec = PipelineSpec::default();
        let (host, path) = (host.parse().unwrap(), path.parse().unwrap());
        parts.routes.push(RouteEntry::new(id, host, path, workload(n), spec).into());
    }
    Snapshot::new(1, "base.test".parse().unwrap(), parts)
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let count: usize = arguments.next().unwrap().parse().unwrap();
    let kind = arguments.next().unwrap();
    let routes: usize = arguments.next().unwrap().parse().unwrap();
    let table = Routes::new(snapshot(&kind, routes)).unwrap();
    let heads: Vec<RequestHead> = (0..64)
        .map(|n| {
            let (host, _, path) = place(&kind, n * 7919 % routes);
            RequestHead { host, path, ..RequestHead::default() }
        })
        .collect();
    for head in heads.iter().cycle().take(count) {
        assert!(table.finds(black_box(head)));
    }
}
