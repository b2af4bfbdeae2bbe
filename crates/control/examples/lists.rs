//! Measures the API of an org with many routes: a part of the list, one route, and a change of one.
//!
//! `cargo run --release -p mezu-control --example lists -- [routes] [hosts]`
#![allow(
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measuring program: it says what it finds, or stops"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Method, Request, header};
use mezu_api::request::Recorded;
use mezu_control::http::Source;
use mezu_control::{Control, EdgeView, Parts, Pending, Publication, Question, Told, Untold, Wanted};
use mezu_model::{Hostname, OrgId, RayId, RouteId, WorkloadId};
use mezu_store::{Labels, NewEvent, RouteSpec, Store};
use serde_json::Value;
use tower::ServiceExt as _;

const TIMES: usize = 50;
const PER_CHANGE: usize = 1_000;
const LIST: &str = "/api/v1/orgs/acme/routes?limit=50";

/// An edge that serves at once.
struct Edge(Hostname);

impl EdgeView for Edge {
    fn publish(&self) -> Pending<'_, Publication> {
        Box::pin(async { Publication { generation: 1, late: None } })
    }

    fn generation(&self) -> u64 {
        1
    }

    fn gates(&self, _: WorkloadId) -> usize {
        0
    }

    fn unwell_gates(&self, _: WorkloadId) -> usize {
        0
    }

    fn base_domain(&self) -> &Hostname {
        &self.0
    }

    fn url(&self, host: &Hostname, path: &str) -> String {
        format!("https://{host}{path}")
    }

    fn warning(&self, _: &Hostname) -> Option<String> {
        None
    }

    fn explain(&self, _: Question, _: Option<mezu_snapshot::Parts>) -> Pending<'_, Result<Told, Untold>> {
        Box::pin(async { Err(Untold::NoEdge) })
    }

    fn why(&self, _: OrgId, _: RayId) -> Pending<'_, Option<Recorded>> {
        Box::pin(async { None })
    }

    fn recent(&self, _: Wanted) -> Pending<'_, Option<Vec<Recorded>>> {
        Box::pin(async { None })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<usize>().unwrap());
    let routes = arguments.next().unwrap_or(10_000);
    let hosts = arguments.next().unwrap_or(1_000);
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path().join("db").as_path()).await.unwrap();
    let slot = Arc::new(std::sync::OnceLock::from(store.clone()));
    let scope = mezu_runtime::Scope::new();
    let edge = Arc::new(Edge("edge.test".parse().unwrap()));
    let machines = mezu_control::Machines::default();
    let control = Control::new(Parts { store: slot, edge, names: Vec::new(), machines, scope, seal: [7; 32] });
    let one = fill(&store, &control, routes, hosts).await;

    let cursor = middle(&control, routes).await;
    let route = format!("/api/v1/orgs/acme/routes/{one}");
    measure("a part of the list", async || drop(ask(&control, Method::GET, LIST, None).await)).await;
    let later = format!("{LIST}&cursor={cursor}");
    measure("one from the middle", async || drop(ask(&control, Method::GET, &later, None).await)).await;
    measure("a route", async || drop(ask(&control, Method::GET, &route, None).await)).await;
    let said = ask(&control, Method::GET, &route, None).await;
    let spec = serde_json::json!({"host": said["host"], "path": said["path"], "workload": said["workload"]});
    measure("a change of one", async || drop(ask(&control, Method::PUT, &route, Some(spec.clone())).await)).await;
    let hostnames = "/api/v1/orgs/acme/hostnames?limit=50";
    measure("a part of the hostnames", async || drop(ask(&control, Method::GET, hostnames, None).await)).await;
}

/// Makes an org with so many routes; gives one of the last.
async fn fill(store: &Store, control: &Control, routes: usize, hosts: usize) -> RouteId {
    let mut change = store.change(control.now()).await.unwrap();
    let org: OrgId = mezu_runtime::id::new();
    let workload: WorkloadId = mezu_runtime::id::new();
    change.create_org(org, &"acme".parse().unwrap()).await.unwrap();
    change.create_workload(org, workload, &"shop".parse().unwrap(), &Labels::new()).await.unwrap();
    let mut last = mezu_runtime::id::new();
    for n in 0..routes {
        if n % PER_CHANGE == PER_CHANGE - 1 {
            change.commit(NewEvent::done("fill", n)).await.unwrap();
            change = store.change(control.now()).await.unwrap();
        }
        let host = format!("h-{:05}.example.com", n % hosts).parse().unwrap();
        let path = format!("/part-{}/{{id}}", n / hosts).parse().unwrap();
        last = mezu_runtime::id::new();
        change.create_route(org, last, RouteSpec::new(host, path, workload, Default::default())).await.unwrap();
    }
    change.commit(NewEvent::done("fill", routes)).await.unwrap();
    last
}

/// The cursor of about the middle of the list.
async fn middle(control: &Control, routes: usize) -> String {
    let (mut cursor, mut path) = (String::new(), LIST.replace("50", "200"));
    for _ in 0..routes / 400 {
        let part = ask(control, Method::GET, &path, None).await;
        cursor = part["next"].as_str().unwrap().to_owned();
        path = format!("{}&cursor={cursor}", LIST.replace("50", "200"));
    }
    cursor
}

async fn measure(what: &str, work: impl AsyncFn()) {
    let mut times: Vec<Duration> = Vec::with_capacity(TIMES);
    for _ in 0..TIMES {
        let begun = Instant::now();
        work().await;
        times.push(begun.elapsed());
    }
    times.sort();
    println!("{what}: {:?} in the middle of {TIMES}, {:?} at most", times[TIMES / 2], times[TIMES - 1]);
}

/// Asks as the operator does.
async fn ask(control: &Control, method: Method, path: &str, body: Option<Value>) -> Value {
    let request = Request::builder().method(method).uri(path).header(header::HOST, "localhost");
    let request = request.header(header::CONTENT_TYPE, "application/json").extension(Source("socket".into()));
    let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
    let router = mezu_control::http::operator_router(control);
    let answer = router.oneshot(request.body(body).unwrap()).await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    let bytes = axum::body::to_bytes(answer.into_body(), 4 << 20).await.unwrap();
    serde_json::from_slice(&bytes).unwrap()
}
