#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use serde_json::{Value, json};

use crate::case::{Case, fault, pipeline, values};

fn redirect(mut spec: Value, strip: &str) -> Value {
    if !strip.is_empty() {
        spec["strip_prefix"] = strip.into();
    }
    json!({ "redirect": spec })
}

/// Rows: the target, the prefix left out, path and query asked for, where it leads; nothing if it passes on.
const TABLE: &[(&str, &str, &str, &str, Option<&str>)] = &[
    ("/new", "", "/old", "", Some("/new")),
    ("/new", "", "/old", "a=b&c", Some("/new?a=b&c")),
    ("/new?x=1", "", "/old", "a=b", Some("/new?x=1&a=b")),
    ("/new", "", "/new", "", None),
    // Else the query would grow with every turn.
    ("/new?x=1", "", "/new", "x=1", None),
    ("https://other.example", "", "/a/b", "q", Some("https://other.example?q")),
    ("https://other.example${path}", "", "/a/b", "q", Some("https://other.example/a/b?q")),
    ("https://other.example:8443/v2${path}", "", "/a", "", Some("https://other.example:8443/v2/a")),
    ("http://other.example${path}", "", "/", "", Some("http://other.example/")),
    ("https://www.${host}${path}", "", "/a", "", Some("https://www.shop.example/a")),
    ("https://${host.bare}${path}", "", "/a", "", None),
    ("https://www.${host.bare}${port}${path}", "", "/a", "", Some("https://www.shop.example/a")),
    ("https://shop.example${path}", "", "/a", "", None),
    ("https://shop.example", "", "/", "", None),
    ("https://shop.example:444${path}", "", "/a", "", Some("https://shop.example:444/a")),
    ("https://shop.example.com${path}", "", "/a", "", Some("https://shop.example.com/a")),
    ("${path.rest}", "/old", "/old/a/b", "q=1", Some("/a/b?q=1")),
    ("${path.rest}", "/old", "/old", "", Some("/")),
    ("/new${path.rest}", "/old", "/old/a", "", Some("/new/a")),
    ("/new${path.rest}", "/old", "/older", "", Some("/new/older")),
    ("${path.rest}", "/old", "/older", "", None),
    ("/price/$$", "", "/", "", Some("/price/$")),
];

#[test]
fn where_requests_are_sent() {
    for (to, strip, path, query, expected) in TABLE {
        let pipeline = pipeline(redirect(json!({ "to": to }), strip));
        let mut case = Case::get(path);
        case.head.query = (!query.is_empty()).then(|| (*query).to_owned());
        match expected {
            None => assert!(case.permit(&pipeline).is_ok(), "{to} {path}"),
            Some(expected) => {
                let reply = case.reply(&pipeline);
                assert_eq!((reply.status, reply.stage), (308, "redirect"));
                assert_eq!(values(&reply.headers, "location"), [*expected], "{to} {path}");
            }
        }
    }
}

#[test]
fn a_port_that_is_not_the_usual_one_is_kept() {
    let pipeline = pipeline(json!({ "redirect": { "to": "https://www.${host.bare}${port}${path}" } }));
    let mut case = Case::get("/a");
    case.context.port = 8443;
    assert_eq!(values(&case.reply(&pipeline).headers, "location"), ["https://www.shop.example:8443/a"]);
    let mut case = Case::get("/a");
    (case.context.port, case.head.host) = (8443, "www.shop.example".into());
    assert!(case.permit(&pipeline).is_ok());
}

#[test]
fn statuses_queries_and_how_long_it_is_kept() {
    for (status, cache) in
        [(301, "max-age=3600"), (302, "no-store"), (303, "no-store"), (307, "no-store"), (308, "max-age=3600")]
    {
        let pipeline = pipeline(json!({ "redirect": { "to": "/new", "status": status, "query": "drop" } }));
        let mut case = Case::get("/old");
        case.head.query = Some("secret=1".to_owned());
        let reply = case.reply(&pipeline);
        assert_eq!(reply.status, status);
        assert_eq!(values(&reply.headers, "location"), ["/new"]);
        assert_eq!(values(&reply.headers, "cache-control"), [cache]);
    }
}

#[test]
fn the_client_never_chooses_the_host() {
    let pipeline = pipeline(json!({ "redirect": { "to": "https://other.example${path}" } }));
    // Paths that the front lets through and that would name a host if a slash were lost or added.
    for path in ["/@evil.example", "/evil.example", "/.evil.example", "/:80@evil.example"] {
        let mut case = Case::get(path).header("host", "evil.example").header("x-forwarded-host", "evil.example");
        case.head.query = Some("@evil.example//evil.example".into());
        let location = values(&case.reply(&pipeline).headers, "location").remove(0);
        let rest = location.strip_prefix("https://other.example");
        assert!(rest.is_some_and(|rest| rest.starts_with(['/', '?'])), "{location}");
    }
    assert!(Case::get("*").permit(&pipeline).is_ok());
}

#[test]
fn targets_that_are_refused() {
    let wrong = [
        "",
        "new",
        "//evil.example",
        "/\\evil.example",
        "\\\\evil",
        "javascript:alert(1)",
        "ftp://a.example",
        "https:/a",
        "https://",
        "https:///a",
        "https://a@b.example",
        "https://a.example:0",
        "https://a.example:99999",
        "https://a.example:x",
        "https://A.example",
        "https://a b.example",
        "https://a.example/ü",
        "/a b",
        "/a\r\nx: y",
        "/a#b",
        "/a\"b",
        "https://-a.example",
        "https://${path}",
        "https://a${path.rest}.example/${query}",
        "/${cookie}",
        "/$x",
        "/${host}",
        "/${port}",
        "${host}",
        "https://${ray}/",
        "https://${client.ip}/",
        "${path}",
        "https://${host}${path}",
        "https://${host}${port}${path}",
        "/${path}",
    ];
    for to in wrong {
        assert_eq!(fault(json!({ "redirect": { "to": to } })), "redirect.to", "{to}");
    }
    assert_eq!(fault(json!({ "redirect": { "to": format!("/{}", "a".repeat(2048)) } })), "redirect.to");
    for status in [200, 300, 304, 309] {
        assert_eq!(fault(json!({ "redirect": { "to": "/a", "status": status } })), "redirect.status");
    }
    for (to, strip) in [("/a", "/b"), ("/a${path.rest}", ""), ("${path.rest}", "b"), ("${path.rest}", "/b/../c")] {
        assert_eq!(fault(redirect(json!({ "to": to }), strip)), "redirect.strip_prefix", "{to} {strip}");
    }
}
