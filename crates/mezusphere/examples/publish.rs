//! Measures publishing: with so many routes in the store, how long a change takes until the edge serves it.
//!
//! `cargo run --release -p mezusphere --example publish -- [routes] [changes]`. A whole instance runs in this process;
//! changes come over its local socket, one after the other, and each is answered once every worker of the edge serves
//! it.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measuring program: it says what it finds, or stops")]

use std::path::Path;
use std::time::{Duration, Instant};

use mezu_model::{OrgId, WorkloadId};
use mezu_store::{Labels, Micros, NewEvent, RouteSpec, Store};
use mezusphere::api;
use mezusphere::up::{Running, Settings};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

const NOW: Micros = Micros(1_700_000_000_000_000);
const PER_ORG: usize = 9_000;
const PER_CHANGE: usize = 1_000;
const PER_HOST: usize = 10;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let routes: usize = arguments.next().map_or(10_000, |text| text.parse().unwrap());
    let changes: usize = arguments.next().map_or(200, |text| text.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let empty = Running::start(Settings::on_free_ports(&data).unwrap()).await.unwrap();
    let before = resident();
    empty.drain().await;
    fill(&data.join("mezusphere.db"), routes).await;

    let begun = Instant::now();
    let running = Running::start(Settings::on_free_ports(&data).unwrap()).await.unwrap();
    let took = begun.elapsed();
    let each = took / u32::try_from(routes.max(1)).unwrap();
    println!("started with {routes} routes in {took:?}: {each:?} a route, read, checked, compiled and saved");
    let grown = resident().saturating_sub(before);
    println!("resident: {} MiB more than without, {} bytes a route", grown >> 20, grown / routes.max(1));

    let path = mezu_api::paths::of("default", "routes");
    let mut socket = UnixStream::connect(data.join(api::SOCKET)).await.unwrap();
    let mut times = Vec::new();
    for n in 0..changes {
        let body = serde_json::json!({ "host": format!("new-{n}.example.com"), "path": "/", "workload": "w-0" });
        let begun = Instant::now();
        let status = post(&mut socket, &path, &body.to_string()).await;
        times.push(begun.elapsed());
        assert!((200..300).contains(&status), "{status}");
    }
    times.sort();
    let at = |percent: usize| times.get((times.len() - 1) * percent / 100).copied().unwrap_or(Duration::ZERO);
    println!(
        "{changes} changes, each until every worker serves it: p50 {:?}, p90 {:?}, p99 {:?}, longest {:?}",
        at(50),
        at(90),
        at(99),
        at(100)
    );
    println!("resident in the end: {} MiB more than without", resident().saturating_sub(before) >> 20);
    running.drain().await;
}

/// Orgs with workloads and routes of their own; the instance's org gets a workload to lead new routes to.
async fn fill(file: &Path, routes: usize) {
    let store = Store::open(file).await.unwrap();
    let (_, parts) = store.read_all().await.unwrap();
    let mine = parts.orgs.first().unwrap().id;
    let mut change = store.change(NOW).await.unwrap();
    let workload = mezu_runtime::id::new();
    change.create_workload(mine, workload, &"w-0".parse().unwrap(), &Labels::new()).await.unwrap();
    change.commit(NewEvent::done("fill", 0).of(mine)).await.unwrap();
    for org in 0..routes.div_ceil(PER_ORG) {
        fill_org(&store, org, PER_ORG.min(routes - org * PER_ORG)).await;
    }
    store.close().await;
}

async fn fill_org(store: &Store, n: usize, routes: usize) {
    let org: OrgId = mezu_runtime::id::new();
    store.ensure_org(org, &format!("org-{n}").parse().unwrap(), NOW).await.unwrap();
    let mut workloads: Vec<WorkloadId> = Vec::new();
    let mut change = store.change(NOW).await.unwrap();
    for workload in 0..100 {
        let id = mezu_runtime::id::new();
        change.create_workload(org, id, &format!("w-{workload}").parse().unwrap(), &Labels::new()).await.unwrap();
        workloads.push(id);
    }
    change.commit(NewEvent::done("fill", n).of(org)).await.unwrap();
    let all: Vec<usize> = (0..routes).collect();
    let pipeline: mezu_policy::PipelineSpec =
        serde_json::from_value(serde_json::json!({ "body_limit": { "bytes": 1_048_576 } })).unwrap();
    for part in all.chunks(PER_CHANGE) {
        let mut change = store.change(NOW).await.unwrap();
        for route in part {
            let host = format!("h-{}.org-{n}.example.com", route / PER_HOST).parse().unwrap();
            let path = format!("/part-{}", route % PER_HOST).parse().unwrap();
            let to = *workloads.get(route % workloads.len()).unwrap();
            let spec = RouteSpec::new(host, path, to, pipeline.clone());
            change.create_route(org, mezu_runtime::id::new(), spec).await.unwrap();
        }
        change.commit(NewEvent::done("fill", n).of(org)).await.unwrap();
    }
}

/// Posts JSON and gives the status of the answer, once all of it has been read.
async fn post(socket: &mut UnixStream, path: &str, body: &str) -> u16 {
    let head = "host: mezusphere\r\ncontent-type: application/json";
    let request = format!("POST {path} HTTP/1.1\r\n{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut read = Vec::new();
    loop {
        assert!(socket.read_buf(&mut read).await.unwrap() > 0, "closed");
        let text = String::from_utf8_lossy(&read);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        if length.is_some_and(|length| body.len() >= length.parse().unwrap()) {
            return head.get(9..12).unwrap().parse().unwrap();
        }
    }
}

/// Bytes of memory in use.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}
