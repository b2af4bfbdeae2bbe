//! The admin listener: health for orchestrators, metrics for Prometheus, and the API (`mezu_control::http`) for whoever
//! shows a session or a token. On loopback unless the operator says otherwise.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use mezu_edge::metrics::Metrics;

use super::ops::Ops;

const END: &str = "# EOF\n";

/// The routes of the admin listener. What it does not know is for the API.
pub(super) fn router(ops: Arc<Ops>) -> Router {
    Router::new()
        .route("/", get(async || "mezusphere admin: /healthz, /readyz, /metrics, /api/v1\n"))
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
    if !ops.live.edge().is_some_and(mezu_edge::EdgeHandle::is_ready) {
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
    let edge = ops.live.metrics();
    // The end mark of OpenMetrics stands once, after our own lines.
    let mut text = edge.strip_suffix(END).unwrap_or(&edge).to_string();
    let snapshot = ops.publisher.current();
    let until = ops.certificates.not_after().unix_timestamp();
    let served = ops.live.edge().map_or(0, mezu_edge::EdgeHandle::generation);
    let gauges: [(&str, &str, i64); 6] = [
        ("mezu_snapshot_generation", "Generation that control has published", count(snapshot.generation)),
        ("mezu_snapshot_served_generation", "Generation that the edge serves from", count(served)),
        ("mezu_snapshot_routes", "Routes in the published snapshot", count(snapshot.routes.len())),
        ("mezu_publish_failing", "1 while changes cannot be published", ops.publisher.fault().is_some().into()),
        ("mezu_store_up", "1 when the store is open", ops.store.get().is_some().into()),
        ("mezu_certificate_not_after_seconds", "When the certificate expires, in Unix time", until),
    ];
    for (name, help, value) in gauges {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
    }
    let version = env!("CARGO_PKG_VERSION");
    let _ = writeln!(text, "# HELP mezu_build Version of the program\n# TYPE mezu_build info");
    let _ = writeln!(text, "mezu_build_info{{version=\"{version}\"}} 1");
    text.push_str(END);
    ([(header::CONTENT_TYPE, Metrics::CONTENT_TYPE)], text).into_response()
}

fn count(number: impl TryInto<i64>) -> i64 {
    number.try_into().unwrap_or(i64::MAX)
}
