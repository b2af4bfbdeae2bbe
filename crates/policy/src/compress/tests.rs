#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use mezu_model::{ResponseHead, Upgrade, known};
use serde_json::json;

use super::Coding::{self, Brotli, Gzip, Zstd};
use crate::AnswerBody::{self, None as Nothing, Sized, Unknown};
use crate::case::{Case, fault, headers, pipeline, values};

const HTML: (&str, &str) = ("content-type", "text/html; charset=utf-8");

/// What becomes of an answer to a client that takes everything.
fn judged(status: u16, fields: &[(&str, &str)], body: AnswerBody) -> (Option<Coding>, ResponseHead) {
    let pipeline = pipeline(json!({ "compress": {} }));
    let mut case = Case::get("/").header("accept-encoding", "gzip, br, zstd");
    let permitted = case.permit(&pipeline).unwrap();
    let mut head = ResponseHead { status, headers: headers(fields) };
    let coding = permitted.respond(&mut head, body);
    (coding, head)
}

#[test]
fn what_is_compressed_and_what_is_left_alone() {
    let with = |name: &'static str, value: &'static str| vec![HTML, (name, value)];
    let of_type = |kind: &'static str| vec![("content-type", kind)];
    // status, fields, body: compressed for this client, told to vary
    let table = [
        (200, vec![HTML], Unknown, true, true),
        (200, vec![HTML], Sized(1024), true, true),
        (200, vec![HTML], Sized(1023), false, false),
        (404, vec![HTML], Unknown, true, true),
        (500, vec![HTML], Unknown, true, true),
        // HEAD: the head of what a GET would get.
        (200, vec![HTML], Nothing, false, true),
        (204, vec![HTML], Nothing, false, false),
        (205, vec![HTML], Unknown, false, false),
        // A part of what may be compressed as a whole (RFC 9110 §15.3.7).
        (206, vec![HTML], Unknown, false, true),
        (206, of_type("image/png"), Unknown, false, false),
        (304, vec![], Nothing, false, true),
        (101, vec![], Nothing, false, false),
        (200, with("content-encoding", "gzip"), Unknown, false, false),
        (200, with("content-encoding", "identity"), Unknown, false, false),
        (200, with("content-range", "bytes 0-1/9"), Unknown, false, true),
        (200, with("cache-control", "public, No-Transform"), Unknown, false, false),
        (200, with("cache-control", "public, max-age=60"), Unknown, true, true),
        (200, with("content-digest", "sha-256=:AA==:"), Unknown, false, false),
        (200, with("digest", "sha-256=AA=="), Unknown, false, false),
        (200, with("repr-digest", "sha-256=:AA==:"), Unknown, false, false),
        (200, with("content-md5", "AA=="), Unknown, false, false),
        (200, vec![], Unknown, false, false),
        (200, vec![HTML, HTML], Unknown, false, false),
        (200, of_type("TEXT/HTML"), Unknown, true, true),
        (200, of_type("text/html2"), Unknown, false, false),
        (200, of_type("application/json"), Unknown, true, true),
        (200, of_type("image/png"), Unknown, false, false),
        (200, of_type("text/event-stream"), Unknown, false, false),
        (200, of_type("application/grpc+json"), Unknown, false, false),
    ];
    for (status, fields, body, compressed, varies) in table {
        let (coding, head) = judged(status, &fields, body);
        assert_eq!(coding, compressed.then_some(Zstd), "{status} {fields:?} {body:?}");
        assert_eq!(head.headers.find(known::VARY).is_some(), varies, "{status} {fields:?} {body:?}");
    }
}

#[test]
fn whole_kinds_can_be_listed_but_never_grpc() {
    let pipeline = pipeline(json!({ "compress": { "types": ["Text/*", "application/*"], "encodings": ["gzip"] } }));
    for (kind, expected) in [
        ("text/event-stream", Some(Gzip)),
        ("text", None),
        ("texture/x", None),
        ("application/grpc", None),
        ("application/x-tar", Some(Gzip)),
    ] {
        let mut case = Case::get("/").header("accept-encoding", "gzip, br");
        let mut head = ResponseHead { status: 200, headers: headers(&[("content-type", kind)]) };
        assert_eq!(case.permit(&pipeline).unwrap().respond(&mut head, Unknown), expected, "{kind}");
    }
}

#[test]
fn clients_that_take_nothing_are_told_to_vary_all_the_same() {
    let pipeline = pipeline(json!({ "compress": {} }));
    let upgrade = Case::get("/").header("accept-encoding", "gzip");
    let upgrade =
        Case { head: mezu_model::RequestHead { upgrade: Some(Upgrade::WebSocket), ..upgrade.head }, ..upgrade };
    for mut case in [Case::get("/"), Case::get("/").header("accept-encoding", "identity"), upgrade] {
        let mut head = ResponseHead { status: 200, headers: headers(&[HTML, ("etag", "\"a\"")]) };
        assert_eq!(case.permit(&pipeline).unwrap().respond(&mut head, Unknown), None);
        assert_eq!(values(&head.headers, "vary"), ["Accept-Encoding"]);
        assert_eq!(values(&head.headers, "etag"), ["\"a\""]);
    }
}

#[test]
fn what_the_client_takes_is_read_before_other_stages_change_it() {
    let pipeline = pipeline(json!({
        "compress": { "encodings": ["br"] },
        "headers": { "request": { "remove": ["Accept-Encoding"] }, "response": { "remove": ["Content-Encoding"] } }
    }));
    let mut case = Case::get("/").header("accept-encoding", "br");
    let permitted = case.permit(&pipeline).unwrap();
    assert_eq!(permitted.head().headers.find(known::ACCEPT_ENCODING), None);
    // And the answer as it will go out.
    let mut head = ResponseHead { status: 200, headers: headers(&[HTML, ("content-encoding", "x")]) };
    assert_eq!(permitted.respond(&mut head, Unknown), Some(Brotli));
}

#[test]
fn a_head_becomes_that_of_the_encoded_form() {
    let fields = [HTML, ("content-length", "5000"), ("accept-ranges", "bytes"), ("etag", "\"a\""), ("x-a", "1")];
    let mut head = ResponseHead { status: 200, headers: headers(&fields) };
    Brotli.put_on(&mut head);
    assert_eq!(head.headers, headers(&[HTML, ("x-a", "1"), ("etag", "W/\"a\""), ("content-encoding", "br")]));
    for tag in ["W/\"a\"", "unquoted"] {
        let mut head = ResponseHead { status: 200, headers: headers(&[("etag", tag)]) };
        Gzip.put_on(&mut head);
        assert_eq!(values(&head.headers, "etag"), [tag]);
    }
}

#[test]
fn not_modified_names_the_encoded_form_by_its_tag() {
    let (coding, head) = judged(304, &[("etag", "\"a\""), ("vary", "Cookie, accept-encoding")], Nothing);
    assert_eq!(coding, None);
    assert_eq!(values(&head.headers, "etag"), ["W/\"a\""]);
    assert_eq!(values(&head.headers, "vary"), ["Cookie, accept-encoding"]);
    let (_, head) = judged(200, &[HTML, ("vary", "*")], Unknown);
    assert_eq!(values(&head.headers, "vary"), ["*"]);
}

#[test]
fn it_tells_what_it_would_do() {
    let pipeline = pipeline(json!({ "compress": {} }));
    let note = |case: Case| { case }.explain(&pipeline).steps[0].note.clone().unwrap();
    assert_eq!(note(Case::get("/").header("accept-encoding", "br")), "br, where the answer is one to compress");
    assert_eq!(note(Case::get("/")), "the client takes none of the encodings");
}

#[test]
fn bounds() {
    let long = format!("text/{}", "x".repeat(124));
    for (spec, at) in [
        (json!({ "encodings": [] }), "compress.encodings"),
        (json!({ "encodings": ["br", "gzip", "br"] }), "compress.encodings[2]"),
        (json!({ "min_bytes": super::MAX_MIN_BYTES + 1 }), "compress.min_bytes"),
        (json!({ "types": [] }), "compress.types"),
        (json!({ "types": vec!["text/html"; super::MAX_TYPES + 1] }), "compress.types"),
        (json!({ "types": ["text/html", "text"] }), "compress.types[1]"),
        (json!({ "types": ["*/*"] }), "compress.types[0]"),
        (json!({ "types": ["text/html; charset=utf-8"] }), "compress.types[0]"),
        (json!({ "types": ["text/"] }), "compress.types[0]"),
        (json!({ "types": [long] }), "compress.types[0]"),
    ] {
        assert_eq!(fault(json!({ "compress": spec })), at);
    }
}

#[test]
fn the_usual_types_are_types() {
    for listed in super::TYPES {
        assert!(super::Type::compile(listed).is_ok(), "{listed}");
    }
}
