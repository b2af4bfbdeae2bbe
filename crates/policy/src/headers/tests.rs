#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use mezu_model::{RayId, ResponseHead};
use serde_json::{Value, json};

use super::*;
use crate::case::{Case, headers as fields};
use crate::{Pipeline, PipelineSpec};

/// Rows: the changes, the fields before, the fields after.
type Row = (Value, &'static [(&'static str, &'static str)], &'static [(&'static str, &'static str)]);

fn table() -> Vec<Row> {
    let field = |name: &str, value: &str| json!({ "name": name, "value": value });
    vec![
        (json!({}), &[("accept", "a")], &[("accept", "a")]),
        (json!({ "remove": ["Accept"] }), &[("accept", "a"), ("x-y", "1"), ("accept", "b")], &[("x-y", "1")]),
        (json!({ "remove": ["X-Y"] }), &[("accept", "a"), ("x-y", "1"), ("x-y", "2")], &[("accept", "a")]),
        (json!({ "remove": ["x-absent"] }), &[("accept", "a")], &[("accept", "a")]),
        (json!({ "set": [field("Cache-Control", "no-store")] }), &[], &[("cache-control", "no-store")]),
        (
            json!({ "set": [field("cache-control", "no-store")] }),
            &[("cache-control", "public"), ("x-y", "1"), ("cache-control", "max-age=1")],
            &[("x-y", "1"), ("cache-control", "no-store")],
        ),
        (json!({ "set": [field("X-Y", "2")] }), &[("x-y", "1"), ("x-y", "0")], &[("x-y", "2")]),
        (json!({ "add": [field("Vary", "origin")] }), &[("vary", "accept")], &[("vary", "accept"), ("vary", "origin")]),
        (
            json!({ "add": [field("X-Y", "2"), field("X-Y", "3")] }),
            &[("x-y", "1")],
            &[("x-y", "1"), ("x-y", "2"), ("x-y", "3")],
        ),
        (
            json!({ "remove": ["x-old"], "set": [field("x-new", "1")], "add": [field("x-new", "2")] }),
            &[("x-old", "0"), ("x-new", "0")],
            &[("x-new", "1"), ("x-new", "2")],
        ),
        (
            json!({ "set": [field("X-Who", "${client.ip} for ${scheme}://${host}${path}"), field("x-id", "${ray}")] }),
            &[("x-who", "forged")],
            &[("x-who", "192.0.2.1 for https://shop.example/cart"), ("x-id", "00000000000000000000000000000007")],
        ),
        (json!({ "set": [field("x-empty", "")] }), &[], &[("x-empty", "")]),
        (json!({ "set": [field("x-price", " $$5 ")] }), &[], &[("x-price", "$5")]),
    ]
}

#[test]
fn both_heads_are_changed_alike() {
    for (changes, before, after) in table() {
        let pipeline = pipeline(&json!({ "request": changes, "response": changes }));
        let mut case = Case::get("/cart");
        case.context.ray = RayId(7);
        case.head.headers = fields(before);
        let permitted = case.permit(&pipeline).unwrap();
        assert_eq!(permitted.head().headers, fields(after), "request: {changes}");
        let mut answer = ResponseHead { status: 200, headers: fields(before) };
        permitted.respond(&mut answer, crate::AnswerBody::Unknown);
        assert_eq!(answer.headers, fields(after), "response: {changes}");
    }
}

#[test]
fn one_side_leaves_the_other_alone() {
    let pipeline = pipeline(&json!({ "response": { "set": [{ "name": "x-y", "value": "1" }] } }));
    let mut case = Case::get("/");
    let permitted = case.permit(&pipeline).unwrap();
    assert!(permitted.head().headers.is_empty());
    let mut answer = ResponseHead::new(204);
    permitted.respond(&mut answer, crate::AnswerBody::Unknown);
    assert_eq!(answer.headers, fields(&[("x-y", "1")]));
}

#[test]
fn names_that_are_not_a_routes_to_change() {
    let refused = [
        "Content-Length",
        "Transfer-Encoding",
        "TRAILER",
        "Expect",
        "Host",
        "Connection",
        "Keep-Alive",
        "TE",
        "Upgrade",
        "Forwarded",
        "Via",
        "X-Real-IP",
        "X-Request-Id",
        "traceparent",
        "tracestate",
        "Mezu-User",
        "mezu-ray",
        "X-Mezu-Identity-Jwt",
        "Proxy-Authorization",
        "Proxy-Connection",
        "X-Forwarded-For",
        "X-Forwarded-User",
        "X-Original-Url",
        "X-Rewrite-Url",
        "Sec-WebSocket-Key",
        "",
        "a b",
        "a_b",
        "X_Mezu_User",
        "a:b",
        ":path",
        "ü",
        "a\r\nb",
        "a.b",
    ];
    for name in refused {
        for side in ["request", "response"] {
            let field = json!([{ "name": name, "value": "v" }]);
            for changes in [json!({ "set": field }), json!({ "add": field }), json!({ "remove": [name] })] {
                let spec = json!({ side: changes });
                let invalid = compile(&serde_json::from_value(spec.clone()).unwrap());
                assert!(invalid.is_err(), "{spec}");
            }
        }
    }
}

#[test]
fn invalid_specs_say_where() {
    let long = "v".repeat(MAX_VALUE + 1);
    let many: Vec<_> = (0..=MAX_OPERATIONS).map(|n| format!("x-{n}")).collect();
    let field = |name: &str, value: &str| json!([{ "name": name, "value": value }]);
    let table = [
        (json!({ "request": { "set": field("x", "a\r\nb") } }), "headers.request.set[0].value"),
        (json!({ "request": { "set": field("x", "a\0") } }), "headers.request.set[0].value"),
        (json!({ "response": { "add": field("x", &long) } }), "headers.response.add[0].value"),
        (json!({ "response": { "add": field("x", "${cookie}") } }), "headers.response.add[0].value"),
        (json!({ "response": { "remove": ["x", "te"] } }), "headers.response.remove[1]"),
        (json!({ "request": { "remove": ["X"], "set": field("x", "1") } }), "headers.request.set[0].name"),
        (json!({ "request": { "remove": many } }), "headers.request"),
    ];
    for (spec, at) in table {
        let spec: Spec = serde_json::from_value(spec).unwrap();
        assert_eq!(compile(&spec).unwrap_err().at, at);
    }
}

#[test]
fn security_presets() {
    let before = [("server", "old/1.0"), ("x-powered-by", "old"), ("x-frame-options", "ALLOWALL"), ("x-a", "1")];
    type Rows = Vec<(&'static str, &'static str)>;
    let table: [(Value, Rows); 4] = [
        (json!({}), before.to_vec()),
        (json!({ "hide_software": true }), before[2..].to_vec()),
        (
            json!({ "hsts": 31_536_000, "nosniff": true, "frames": "deny", "referrer": "strict_origin" }),
            vec![
                ("server", "old/1.0"),
                ("x-powered-by", "old"),
                ("x-a", "1"),
                ("strict-transport-security", "max-age=31536000"),
                ("x-content-type-options", "nosniff"),
                ("x-frame-options", "DENY"),
                ("referrer-policy", "strict-origin-when-cross-origin"),
            ],
        ),
        (
            json!({ "hsts": 60, "hsts_subdomains": true, "frames": "same_origin", "csp": "strict", "hide_software": true }),
            vec![
                ("x-a", "1"),
                ("strict-transport-security", "max-age=60; includeSubDomains"),
                ("x-frame-options", "SAMEORIGIN"),
                (
                    "content-security-policy",
                    "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors 'self'",
                ),
            ],
        ),
    ];
    for (security, after) in table {
        let pipeline = pipeline(&json!({ "security": security }));
        assert_eq!(Case::get("/").answer(&pipeline, &before).headers, fields(&after), "{security}");
    }
    for (security, at) in [
        (json!({ "hsts": 0 }), "headers.security.hsts"),
        (json!({ "hsts": 63_072_001 }), "headers.security.hsts"),
        (json!({ "hsts_subdomains": true }), "headers.security.hsts_subdomains"),
    ] {
        assert_eq!(compile(&serde_json::from_value(json!({ "security": security })).unwrap()).unwrap_err().at, at);
    }
    let twice = json!({
        "security": { "nosniff": true },
        "response": { "set": [{ "name": "X-Content-Type-Options", "value": "x" }] }
    });
    assert_eq!(compile(&serde_json::from_value(twice).unwrap()).unwrap_err().at, "headers.response.set[0].name");
}

#[test]
fn unknown_fields_are_refused() {
    for spec in [
        json!({ "requests": {} }),
        json!({ "request": { "sets": [] } }),
        json!({ "request": { "set": [{ "name": "a", "value": "b", "if": "c" }] } }),
        json!({ "request": { "set": [{ "name": "a" }] } }),
    ] {
        assert!(serde_json::from_value::<Spec>(spec.clone()).is_err(), "{spec}");
    }
}

fn pipeline(spec: &Value) -> Pipeline {
    let headers = Some(serde_json::from_value(spec.clone()).unwrap());
    Pipeline::compile(&PipelineSpec { headers, ..PipelineSpec::default() }).unwrap()
}
