#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::*;

fn line<'a>(text: &'a str, start: &str) -> &'a str {
    let found = text.lines().find(|line| line.starts_with(start));
    found.and_then(|line| line.rsplit(' ').next()).unwrap_or_else(|| panic!("no {start} in\n{text}"))
}

fn done(status: u16, ms: u64) -> Done {
    Done {
        protocol: Protocol::H2,
        status,
        duration: Duration::from_millis(ms),
        workload: Some(Duration::from_micros(300)),
        bytes_in: 10,
        bytes_out: 1000,
    }
}

#[test]
fn workers_are_added_up() {
    let metrics = Metrics::new(2);
    for index in 0..2 {
        let worker = metrics.worker(index);
        worker.connection_opened(Door::H2);
        worker.request_started();
        worker.request_started();
        worker.request_done(&done(200, 3));
        worker.failed(Code::NoGate);
        worker.shed(Shed::Address);
        worker.resent(Resend::Silent);
        worker.routed(Way::Hop);
        worker.gate_joined();
        worker.tunnel_rtt(Duration::from_millis(40));
    }
    metrics.worker(0).connection_closed(Door::H2);
    metrics.worker(1).gate_left(GateLeft::Drained);
    metrics.log_drops().fetch_add(3, Relaxed);
    let text = metrics.text();
    let table = [
        ("mezu_requests_total{protocol=\"h2\",class=\"2xx\"}", "2"),
        ("mezu_requests_total{protocol=\"h1\",class=\"5xx\"}", "0"),
        ("mezu_requests_in_flight ", "2"),
        ("mezu_request_duration_seconds_sum", "0.006"),
        ("mezu_request_duration_seconds_count", "2"),
        ("mezu_request_duration_seconds_bucket{le=\"0.0025\"}", "0"),
        ("mezu_request_duration_seconds_bucket{le=\"0.005\"}", "2"),
        ("mezu_request_duration_seconds_bucket{le=\"+Inf\"}", "2"),
        ("mezu_workload_duration_seconds_bucket{le=\"0.0005\"}", "2"),
        ("mezu_bytes_total{direction=\"in\"}", "20"),
        ("mezu_bytes_total{direction=\"out\"}", "2000"),
        ("mezu_failures_total{code=\"MEZU-2001\",blame=\"gate\"}", "2"),
        ("mezu_failures_total{code=\"MEZU-4004\",blame=\"edge\"}", "0"),
        ("mezu_shed_total{reason=\"address\"}", "2"),
        ("mezu_resends_total{reason=\"silent\"}", "2"),
        ("mezu_routed_total{way=\"hop\"}", "2"),
        ("mezu_connections_total{door=\"h2\"}", "2"),
        ("mezu_connections_open{door=\"h2\"}", "1"),
        ("mezu_gates ", "1"),
        ("mezu_gates_left_total{reason=\"drained\"}", "1"),
        ("mezu_tunnel_rtt_seconds_count", "2"),
        ("mezu_access_log_dropped_total", "3"),
    ];
    for (start, value) in table {
        assert_eq!(line(&text, start), value, "{start}");
    }
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn every_status_has_a_class_and_every_duration_a_bucket() {
    let metrics = Metrics::new(1);
    let worker = metrics.worker(0);
    for status in [0, 101, 199, 200, 299, 304, 404, 499, 500, 599, 999, u16::MAX] {
        worker.request_done(&done(status, 1));
    }
    worker.request_done(&Done { duration: Duration::MAX, ..done(200, 0) });
    let text = metrics.text();
    assert_eq!(line(&text, "mezu_request_duration_seconds_count"), "13");
    assert_eq!(line(&text, "mezu_requests_total{protocol=\"h2\",class=\"1xx\"}"), "2");
    assert_eq!(line(&text, "mezu_requests_total{protocol=\"h2\",class=\"none\"}"), "1");
    assert_eq!(line(&text, "mezu_requests_total{protocol=\"h2\",class=\"5xx\"}"), "4");
}

#[test]
fn a_worker_that_is_not_there_counts_nothing() {
    let metrics = Metrics::new(1);
    metrics.worker(7).gate_joined();
    assert_eq!(line(&metrics.text(), "mezu_gates "), "0");
}
