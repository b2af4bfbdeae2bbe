#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use mezu_model::{GateId, OrgId, RayId, RouteId, WorkloadId};
use serde_json::Value;

use super::super::Owner;
use super::*;
use crate::answer::Code;

fn row<'a>() -> Row<'a> {
    Row {
        ray: RayId(0xabc),
        owner: None,
        gate: None,
        client: "192.0.2.10:4711".parse().unwrap(),
        method: "GET",
        host: "shop.example",
        path: "/cart",
        protocol: Protocol::H2,
        status: 200,
        bytes_in: 0,
        bytes_out: 1024,
        duration: Duration::from_micros(1500),
        workload: None,
        code: None,
        would_refuse: None,
        user_agent: None,
    }
}

fn line(second: f64, row: &Row<'_>) -> String {
    let mut out = Vec::new();
    Line::default().write_at(UNIX_EPOCH + Duration::from_secs_f64(second), row, &mut out);
    String::from_utf8(out).unwrap()
}

fn parsed(row: &Row<'_>) -> Value {
    let text = line(0.5, row);
    assert!(text.ends_with("}\n") && text.matches('\n').count() == 1, "{text:?}");
    assert!(text.trim_end().bytes().all(|byte| matches!(byte, b' '..=b'~')), "{text:?}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_plain_line() {
    assert_eq!(
        line(1_795_500_000.002_5, &row()),
        concat!(
            r#"{"time":"2026-11-24T06:00:00.001000Z","ray":"00000000000000000000000000000abc","#,
            r#""client":"192.0.2.10","method":"GET","host":"shop.example","path":"/cart","protocol":"h2","#,
            r#""status":200,"bytes_in":0,"bytes_out":1024,"duration_us":1500}"#,
            "\n"
        )
    );
}

#[test]
fn a_rule_on_trial_says_what_it_would_have_done() {
    assert_eq!(parsed(&Row { would_refuse: Some("rate_limit"), ..row() })["would_refuse"], "rate_limit");
    assert!(parsed(&row()).get("would_refuse").is_none());
}

#[test]
fn a_full_line() {
    let ids = |byte: u8| [byte; 16];
    let owner = Owner {
        org: OrgId::from_bytes(ids(1)),
        route: RouteId::from_bytes(ids(2)),
        workload: WorkloadId::from_bytes(ids(3)),
    };
    let gate = GateId::from_bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
    let value = parsed(&Row {
        owner: Some(owner),
        gate: Some(gate),
        client: "[2001:db8::1]:443".parse().unwrap(),
        workload: Some(Duration::from_micros(700)),
        code: Some(Code::WorkloadTimeout),
        would_refuse: None,
        user_agent: Some(b"curl/8"),
        bytes_in: u64::MAX,
        ..row()
    });
    assert_eq!(value["org"], "01010101-0101-0101-0101-010101010101");
    assert_eq!(value["route"], "02020202-0202-0202-0202-020202020202");
    assert_eq!(value["workload"], "03030303-0303-0303-0303-030303030303");
    assert_eq!(value["gate"], gate.to_string());
    assert_eq!(value["client"], "2001:db8::1");
    assert_eq!(value["workload_us"], 700);
    assert_eq!(value["code"], "MEZU-3002");
    assert_eq!(value["blame"], "workload");
    assert_eq!(value["user_agent"], "curl/8");
    assert_eq!(value["bytes_in"], u64::MAX);
}

#[test]
fn hostile_text_is_inert() {
    let table: &[(&[u8], &str)] = &[
        (b"plain", "plain"),
        (b"\"}{\"a\":\"", "\"}{\"a\":\""),
        (b"a\\u0000\\", "a\\u0000\\"),
        (b"a\nb\r\0\x1b[31m", "a\nb\r\0\u{1b}[31m"),
        ("grün \u{202e}\u{9b}😀".as_bytes(), "grün \u{202e}\u{9b}😀"),
        (b"\xff\xfe", "\u{fffd}\u{fffd}"),
        (b"\x7f", "\u{7f}"),
        (b"", ""),
    ];
    for (raw, expected) in table {
        assert_eq!(parsed(&Row { user_agent: Some(raw), ..row() })["user_agent"], *expected);
    }
}

#[test]
fn long_text_is_cut() {
    let agent = [b'a'; USER_AGENT + 1];
    let value = parsed(&Row { user_agent: Some(&agent), ..row() });
    assert_eq!(value["user_agent"], format!("{}…", "a".repeat(USER_AGENT)));
    let cut_in_a_letter = "ä".repeat(USER_AGENT);
    let agent = format!("a{cut_in_a_letter}");
    parsed(&Row { user_agent: Some(agent.as_bytes()), ..row() });
}

#[test]
fn dates() {
    let table = [
        (0, "1970-01-01T00:00:00."),
        (951_782_399, "2000-02-28T23:59:59."),
        (951_782_400, "2000-02-29T00:00:00."),
        (1_709_251_199, "2024-02-29T23:59:59."),
        (1_735_689_599, "2024-12-31T23:59:59."),
        (4_107_542_400, "2100-03-01T00:00:00."),
    ];
    for (second, expected) in table {
        let mut out = Vec::new();
        date(second, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}

#[test]
fn the_remembered_second_is_not_stale() {
    let line = Line::default();
    for (second, expected) in [(10, "10.000000Z"), (10, "10.000000Z"), (9, "09.000000Z"), (70, "10.000000Z")] {
        let mut out = Vec::new();
        line.time(Duration::from_secs(second), &mut out);
        assert!(String::from_utf8(out).unwrap().ends_with(expected));
    }
}
