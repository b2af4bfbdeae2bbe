//! The admin listener: health for orchestrators, metrics for Prometheus. Read-only, and on loopback unless the
//! operator says otherwise.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::ops::Ops;

const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The routes of the admin listener.
pub(super) fn router(ops: Arc<Ops>) -> Router {
    Router::new()
        .route("/", get(async || "mezusphere admin: /healthz, /readyz, /metrics\n"))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(ops)
}

/// Whether new requests should be sent here. Standing on the last good snapshot is still ready: it serves.
async fn ready(State(ops): State<Arc<Ops>>) -> Response {
    if ops.draining.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "draining\n").into_response();
    }
    if ops.live.edge().is_none() {
        return (StatusCode::SERVICE_UNAVAILABLE, "starting\n").into_response();
    }
    let warnings = ops.warnings();
    let mut text = String::from("ready\n");
    for warning in warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    text.into_response()
}

async fn metrics(State(ops): State<Arc<Ops>>) -> Response {
    let mut text = ops.live.metrics();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    let snapshot = ops.publisher.current();
    let until = ops.certificates.not_after().unix_timestamp();
    let gauges: [(&str, &str, i64); 5] = [
        ("mezusphere_snapshot_generation", "Generation of the published snapshot.", count(snapshot.generation)),
        ("mezusphere_snapshot_routes", "Routes in the published snapshot.", count(snapshot.routes.len())),
        ("mezusphere_publish_failing", "1 while changes cannot be published.", ops.publisher.fault().is_some().into()),
        ("mezusphere_store_up", "1 when the store is open.", ops.store.get().is_some().into()),
        ("mezusphere_certificate_not_after_seconds", "When the certificate expires, in Unix time.", until),
    ];
    for (name, help, value) in gauges {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
    }
    let version = env!("CARGO_PKG_VERSION");
    let _ = writeln!(
        text,
        "# HELP mezusphere_build_info Version of the program.\n# TYPE mezusphere_build_info gauge\n\
         mezusphere_build_info{{version=\"{version}\"}} 1"
    );
    ([(header::CONTENT_TYPE, PROMETHEUS)], text).into_response()
}

fn count(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
