//! Measures a store with many routes: making them, and reading them all for a snapshot.
//!
//! `cargo run --release -p mezu-store --example routes -- [routes] [store URL]`; without a URL, a file of its own;
//! with `postgres` in its place, a server of its own.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measuring program: it says what it finds, or stops")]

use std::time::{Duration, Instant};

use mezu_model::{Label, OrgId, WorkloadId};
use mezu_store::{Labels, Micros, NewEvent, RouteSpec, Store, StoreUrl};

const NOW: Micros = Micros(1_700_000_000_000_000);
const PER_ORG: usize = 10_000;
const PER_CHANGE: usize = 1_000;
const PER_HOST: usize = 10;
const READS: u32 = 5;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let routes: usize = arguments.next().map_or(100_000, |text| text.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let mut database = None;
    let url: StoreUrl = match arguments.next() {
        Some(text) if text == "postgres" => {
            database.insert(mezu_testkit::postgres::database().unwrap()).url.parse().unwrap()
        }
        Some(text) => text.parse().unwrap(),
        None => dir.path().join("db").as_path().into(),
    };
    let store = Store::open(&url).await.unwrap();

    let begun = Instant::now();
    for org in 0..routes.div_ceil(PER_ORG) {
        fill(&store, org, PER_ORG.min(routes - org * PER_ORG)).await;
    }
    println!(
        "{routes} routes made, {PER_CHANGE} a change: {:?} each",
        begun.elapsed() / u32::try_from(routes).unwrap()
    );

    let begun = Instant::now();
    let one = one_more(&store).await;
    println!("one route more, a change by itself: {:?}", begun.elapsed());
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..READS {
        let begun = Instant::now();
        let (_, parts) = store.read_all().await.unwrap();
        times.push(begun.elapsed());
        assert_eq!(parts.routes.len(), routes + usize::from(one));
    }
    times.sort();
    println!("read_all: {times:?}");
    let begun = Instant::now();
    store.verify_audit().await.unwrap();
    println!("verify_audit: {:?}", begun.elapsed());
    let begun = Instant::now();
    let backup = dir.path().join("backup");
    store.backup(&backup, NOW).await.unwrap();
    println!("backup: {:?}, {} bytes", begun.elapsed(), std::fs::metadata(&backup).unwrap().len());
    let begun = Instant::now();
    let again = Store::open(dir.path().join("again").as_path()).await.unwrap();
    again.restore(&backup).await.unwrap();
    println!("restore into a file: {:?}", begun.elapsed());
}

/// An org with so many routes to a hundred workloads, ten on each host, each route with a step of its own.
async fn fill(store: &Store, n: usize, routes: usize) {
    let org: OrgId = mezu_runtime::id::new();
    let name: Label = format!("org-{n}").parse().unwrap();
    store.ensure_org(org, &name, NOW).await.unwrap();
    let mut workloads: Vec<WorkloadId> = Vec::new();
    let mut change = store.change(NOW).await.unwrap();
    for workload in 0..100 {
        let id = mezu_runtime::id::new();
        change.create_workload(org, id, &format!("w-{workload}").parse().unwrap(), &Labels::new()).await.unwrap();
        workloads.push(id);
    }
    change.commit(NewEvent::done("fill", n).of(org)).await.unwrap();
    let all: Vec<usize> = (0..routes).collect();
    for part in all.chunks(PER_CHANGE) {
        let mut change = store.change(NOW).await.unwrap();
        for route in part {
            let workload = workloads.get(route % workloads.len()).unwrap();
            change.create_route(org, mezu_runtime::id::new(), spec(n, *route, *workload)).await.unwrap();
        }
        change.commit(NewEvent::done("fill", n).of(org)).await.unwrap();
    }
}

fn spec(org: usize, route: usize, workload: WorkloadId) -> RouteSpec {
    let host = format!("h-{}.org-{org}.example.com", route / PER_HOST).parse().unwrap();
    let path = format!("/part-{}", route % PER_HOST).parse().unwrap();
    RouteSpec::new(host, path, workload, mezu_policy::PipelineSpec::default())
}

/// Adds a route where there is room for it in an org of its own. `false`: there is none in all.
async fn one_more(store: &Store) -> bool {
    let org: OrgId = mezu_runtime::id::new();
    store.ensure_org(org, &"one-more".parse().unwrap(), NOW).await.unwrap();
    let mut change = store.change(NOW).await.unwrap();
    let id = mezu_runtime::id::new();
    change.create_workload(org, id, &"w".parse().unwrap(), &Labels::new()).await.unwrap();
    match change.create_route(org, mezu_runtime::id::new(), spec(usize::MAX, 0, id)).await {
        Ok(_) => change.commit(NewEvent::done("route.create", id).of(org)).await.is_ok(),
        Err(_) => false,
    }
}
