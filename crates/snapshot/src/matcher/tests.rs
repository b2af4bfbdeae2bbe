#![allow(clippy::unwrap_used)]
use super::*;

fn matcher(json: &str) -> Matcher {
    serde_json::from_str(json).unwrap()
}

fn head(method: &str, fields: &[(&str, &str)]) -> RequestHead {
    let mut head = RequestHead { method: Method::from_bytes(method.as_bytes()).unwrap(), ..RequestHead::default() };
    for (name, value) in fields {
        head.headers.push(name.as_bytes(), value.as_bytes()).unwrap();
    }
    head
}

#[test]
fn a_request_must_have_one_of_the_methods_and_meet_every_condition() {
    let preflight = |method| head("OPTIONS", &[("origin", "https://a.b"), ("access-control-request-method", method)]);
    let posts = r#"{"methods":["POST"]}"#;
    let beta = r#"{"headers":[{"name":"x-beta"},{"name":"accept","values":["a/b","c/d"]}]}"#;
    for (json, head, expected) in [
        ("{}", head("PROPFIND", &[]), None),
        (r#"{"methods":["GET"]}"#, head("GET", &[]), None),
        (r#"{"methods":["GET"]}"#, head("HEAD", &[]), None),
        (r#"{"methods":["HEAD"]}"#, head("GET", &[]), Some(Unmet::Method)),
        (posts, head("GET", &[]), Some(Unmet::Method)),
        (posts, head("OPTIONS", &[]), Some(Unmet::Method)),
        (posts, preflight("POST"), None),
        (posts, preflight("PUT"), Some(Unmet::Method)),
        (beta, head("GET", &[("x-beta", ""), ("accept", "c/d")]), None),
        (beta, head("GET", &[("x-beta", ""), ("accept", "x/y"), ("accept", "a/b")]), None),
        (beta, head("GET", &[("accept", "c/d")]), Some(Unmet::Header("x-beta"))),
        (beta, head("GET", &[("x-beta", "1"), ("accept", "C/d")]), Some(Unmet::Header("accept"))),
    ] {
        assert_eq!(matcher(json).unmet(&head), expected, "{json} {head:?}");
    }
}

#[test]
fn one_form_per_meaning() {
    let one = matcher(r#"{"methods":["POST","GET"],"headers":[{"name":"b","values":["2","1"]},{"name":"a"}]}"#);
    let text = r#"{"methods":["GET","POST"],"headers":[{"name":"a"},{"name":"b","values":["1","2"]}]}"#;
    assert_eq!(serde_json::to_string(&one).unwrap(), text);
    assert_eq!(matcher(text), one);
    assert_eq!(serde_json::to_string(&Matcher::default()).unwrap(), "{}");
}

#[test]
fn what_could_never_be_met_or_has_no_bound_is_refused() {
    let values: Vec<String> = (0..=limits::VALUES).map(|n| format!("\"{n}\"")).collect();
    let long = "v".repeat(limits::VALUE + 1);
    let names: Vec<String> = (0..=limits::HEADERS).map(|n| format!(r#"{{"name":"h{n}"}}"#)).collect();
    let methods: Vec<String> = (0..=limits::METHODS).map(|n| format!("\"M{n}\"")).collect();
    for bad in [
        "null".to_owned(),
        r#"{"methods":null}"#.into(),
        r#"{"method":"GET"}"#.into(),
        r#"{"methods":["GE T"]}"#.into(),
        r#"{"methods":["CONNECT"]}"#.into(),
        r#"{"methods":["GET","GET"]}"#.into(),
        format!(r#"{{"methods":[{}]}}"#, methods.join(",")),
        r#"{"headers":[{"name":"X-Up"}]}"#.into(),
        r#"{"headers":[{"name":""}]}"#.into(),
        r#"{"headers":[{"name":"host"}]}"#.into(),
        r#"{"headers":[{"name":"connection"}]}"#.into(),
        r#"{"headers":[{"name":"mezu-ray"}]}"#.into(),
        r#"{"headers":[{"name":"x-mezu-user"}]}"#.into(),
        r#"{"headers":[{"name":"x-forwarded-for"}]}"#.into(),
        r#"{"headers":[{"name":"a"},{"name":"a"}]}"#.into(),
        r#"{"headers":[{"name":"a","values":["1","1"]}]}"#.into(),
        r#"{"headers":[{"name":"a","values":[""]}]}"#.into(),
        r#"{"headers":[{"name":"a","values":[" x"]}]}"#.into(),
        r#"{"headers":[{"name":"a","values":["ü"]}]}"#.into(),
        r#"{"headers":[{"name":"a","new":1}]}"#.into(),
        format!(r#"{{"headers":[{{"name":"a","values":["{long}"]}}]}}"#),
        format!(r#"{{"headers":[{{"name":"a","values":[{}]}}]}}"#, values.join(",")),
        format!(r#"{{"headers":[{}]}}"#, names.join(",")),
    ] {
        assert!(serde_json::from_str::<Matcher>(&bad).is_err(), "{bad}");
    }
}

#[test]
fn covering() {
    let a = r#"{"headers":[{"name":"a"}]}"#;
    let a1 = r#"{"headers":[{"name":"a","values":["1"]}]}"#;
    let a12 = r#"{"headers":[{"name":"a","values":["1","2"]}]}"#;
    let (get, head, posts) = (r#"{"methods":["GET"]}"#, r#"{"methods":["HEAD"]}"#, r#"{"methods":["GET","POST"]}"#);
    for (wide, narrow, expected) in [
        ("{}", "{}", true),
        ("{}", a1, true),
        (a, a1, true),
        (a12, a1, true),
        (a1, a12, false),
        (a1, a, false),
        (a, "{}", false),
        (posts, get, true),
        (get, head, true),
        (head, get, false),
        (get, posts, false),
        (get, "{}", false),
        ("{}", get, true),
    ] {
        assert_eq!(matcher(wide).covers(&matcher(narrow)), expected, "{wide} {narrow}");
    }
}
