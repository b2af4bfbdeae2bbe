#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::time::Duration;

use serde_json::{Value, json};

use crate::case::{Case, fault, pipeline, state, values};
use crate::{Answer, Stop};

fn limit(limit: Value) -> Value {
    json!({ "rate_limit": { "limits": [limit] } })
}

/// Whether each of these requests, in their order, is let through.
fn let_through(spec: Value, cases: Vec<Case>) -> Vec<bool> {
    let pipeline = pipeline(spec);
    let live = state();
    cases.into_iter().map(|case| case.with(&live).permit(&pipeline).is_ok()).collect()
}

#[test]
fn each_key_has_a_bucket_of_its_own() {
    let from = |client: &str| Case::get("/").from(client);
    let one = json!({ "requests": 1, "per": 60 });
    let with = |key: &str, name: &str| json!({ "requests": 1, "per": 60, "key": key, "key_name": name });
    let header = |value: &str| from("192.0.2.1").header("x-api-key", value);
    let cookie = |value: &str| from("192.0.2.1").header("cookie", value);
    let table: Vec<(Value, Vec<Case>, Vec<bool>)> = vec![
        (one.clone(), vec![from("192.0.2.1"), from("192.0.2.2"), from("192.0.2.1")], vec![true, true, false]),
        // The two names of one IPv4 client.
        (one.clone(), vec![from("192.0.2.1"), from("::ffff:192.0.2.1")], vec![true, false]),
        // One household has 2^64 IPv6 addresses.
        (
            one.clone(),
            vec![from("2001:db8::1"), from("2001:db8::ffff:1"), from("2001:db8:0:1::1")],
            vec![true, false, true],
        ),
        // What a client says of itself changes nothing.
        (
            one,
            vec![
                from("192.0.2.1").header("x-forwarded-for", "1.1.1.1"),
                from("192.0.2.1").header("x-forwarded-for", "2.2.2.2"),
            ],
            vec![true, false],
        ),
        (with("header", "X-Api-Key"), vec![header("a"), header("b"), header("a")], vec![true, true, false]),
        // Without a key, and with an empty one, by address.
        (with("header", "x-api-key"), vec![from("192.0.2.1"), header(""), from("192.0.2.2")], vec![true, false, true]),
        (
            with("header", "authorization"),
            vec![
                from("192.0.2.1").header("authorization", "Bearer a"),
                from("192.0.2.9").header("authorization", "Bearer a"),
            ],
            vec![true, false],
        ),
        (
            with("cookie", "sid"),
            vec![cookie("sid=1"), cookie("x=1; sid=2"), cookie("sid=1; x=2")],
            vec![true, true, false],
        ),
        // Which of two would be counted and which believed is not for the client to choose: by address.
        (
            with("header", "x-api-key"),
            vec![header("made up").header("x-api-key", "a"), header("another").header("x-api-key", "a"), header("a")],
            vec![true, false, true],
        ),
        (
            with("cookie", "sid"),
            vec![cookie("sid=made up; sid=1"), cookie("sid=another").header("cookie", "sid=1"), cookie("sid=1")],
            vec![true, false, true],
        ),
        (
            json!({ "requests": 1, "per": 60, "key": "route" }),
            vec![from("192.0.2.1"), from("192.0.2.2")],
            vec![true, false],
        ),
    ];
    for (spec, cases, expected) in table {
        assert_eq!(let_through(limit(spec.clone()), cases), expected, "{spec}");
    }
}

#[test]
fn a_bucket_fills_up_again_and_every_answer_says_how_far() {
    let pipeline = pipeline(limit(json!({ "requests": 2, "per": 10 })));
    let live = state();
    // Rows: milliseconds, what is left, seconds until it is full or there is one more, refused for so long.
    for (at, left, wait, refused) in [
        (0, 1, 5, None),
        (1, 0, 10, None),
        (2, 0, 5, Some(5)),
        (4999, 0, 1, Some(1)),
        (5000, 0, 10, None),
        (60_000, 1, 5, None),
    ] {
        let mut case = Case::get("/").at(Duration::from_millis(at)).with(&live);
        let stop = case.permit(&pipeline).map(drop).err();
        assert_eq!(stop, refused.map(|retry_after| Stop::Refused(Answer::RateLimited { retry_after })), "{at}");
        assert_eq!(values(case.beside.reply(), "ratelimit-policy"), ["\"default\";q=2;w=10"]);
        assert_eq!(values(case.beside.reply(), "ratelimit"), [format!("\"default\";r={left};t={wait}")], "{at}");
    }
}

#[test]
fn a_request_has_to_be_within_each_limit_and_the_tightest_is_told() {
    let spec = json!({ "rate_limit": { "limits": [
        { "name": "burst", "requests": 2, "per": 1 },
        { "name": "day", "requests": 3, "per": 86400, "key": "route" },
    ] } });
    let pipeline = pipeline(spec);
    let live = state();
    let mut told = Vec::new();
    for second in 0..5 {
        let mut case = Case::get("/").at(Duration::from_secs(second)).with(&live);
        let granted = case.permit(&pipeline).is_ok();
        assert_eq!(values(case.beside.reply(), "ratelimit-policy"), ["\"burst\";q=2;w=1, \"day\";q=3;w=86400"]);
        told.push((granted, values(case.beside.reply(), "ratelimit").remove(0).split(";t").next().unwrap().to_owned()));
    }
    let expected = [
        (true, "\"burst\";r=1"),
        (true, "\"burst\";r=1"),
        (true, "\"day\";r=0"),
        (false, "\"day\";r=0"),
        (false, "\"day\";r=0"),
    ];
    assert_eq!(told, expected.map(|(granted, text)| (granted, text.to_owned())));
}

#[test]
fn a_change_of_configuration_refills_nothing() {
    let live = state();
    let spent = pipeline(limit(json!({ "requests": 1, "per": 3600 })));
    assert!(Case::get("/").with(&live).permit(&spent).is_ok());
    let changed = pipeline(json!({
        "rate_limit": { "limits": [{ "requests": 1, "per": 1800 }], "announce": false }, "body_limit": { "bytes": 1 }
    }));
    let mut case = Case::get("/").with(&live);
    assert!(case.permit(&changed).is_err());
    assert!(case.beside.reply().is_empty());
}

#[test]
fn a_dry_run_counts_and_refuses_nothing() {
    let live = state();
    let spec = json!({ "limits": [{ "requests": 1, "per": 60 }], "dry_run": true });
    let pipeline = pipeline(json!({ "rate_limit": spec }));
    for would_refuse in [None, Some("rate_limit")] {
        let mut case = Case::get("/").with(&live);
        assert!(case.permit(&pipeline).is_ok());
        assert_eq!(case.beside.would_refuse(), would_refuse);
        assert!(case.beside.reply().is_empty());
    }
}

#[test]
fn who_only_asks_about_a_request_uses_nothing_up() {
    let live = state();
    let pipeline = pipeline(limit(json!({ "requests": 1, "per": 60 })));
    for _ in 0..3 {
        let told = Case::get("/").with(&live).explain(&pipeline);
        assert_eq!(told.steps[0].note.as_deref(), Some("0 left of \"default\""));
    }
    assert!(Case::get("/").with(&live).permit(&pipeline).is_ok());
    let told = Case::get("/").with(&live).explain(&pipeline);
    assert!(!told.steps[0].passed);
    assert_eq!(told.steps[0].note.as_deref(), Some("nothing left of \"default\" for 60 s"));
}

#[test]
fn wrong_specs_say_where() {
    let table = [
        (json!({ "requests": 0, "per": 1 }), "requests"),
        (json!({ "requests": 1_000_001, "per": 1 }), "requests"),
        (json!({ "requests": 1, "per": 0 }), "per"),
        (json!({ "requests": 1, "per": 86_401 }), "per"),
        (json!({ "requests": 2, "per": 1, "burst": 0 }), "burst"),
        (json!({ "requests": 2, "per": 1, "burst": 3 }), "burst"),
        (json!({ "requests": 2, "per": 1, "name": "" }), "name"),
        (json!({ "requests": 2, "per": 1, "name": "a\";r=9" }), "name"),
        (json!({ "requests": 2, "per": 1, "key": "header" }), "key_name"),
        (json!({ "requests": 2, "per": 1, "key": "header", "key_name": "a b" }), "key_name"),
        (json!({ "requests": 2, "per": 1, "key": "cookie", "key_name": "a;b" }), "key_name"),
        (json!({ "requests": 2, "per": 1, "key_name": "a" }), "key_name"),
    ];
    for (spec, at) in table {
        assert_eq!(fault(limit(spec.clone())), format!("rate_limit.limits[0].{at}"), "{spec}");
    }
    let one = json!({ "requests": 2, "per": 1 });
    assert_eq!(fault(json!({ "rate_limit": { "limits": [] } })), "rate_limit.limits");
    assert_eq!(fault(json!({ "rate_limit": { "limits": [one, one] } })), "rate_limit.limits[1].name");
    assert_eq!(fault(json!({ "rate_limit": { "limits": [one, one, one, one, one] } })), "rate_limit.limits");
}
