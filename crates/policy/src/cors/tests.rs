#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use mezu_model::Method;
use serde_json::{Value, json};

use super::origin::Origin;
use crate::case::{Case, fault, headers, pipeline, values};
use crate::{Answer, Stop};

fn cors(spec: Value) -> Value {
    json!({ "cors": spec })
}

fn preflight(origin: &str, method: &str) -> Case {
    let mut case = Case::get("/").header("origin", origin).header("access-control-request-method", method);
    case.head.method = Method::Options;
    case
}

#[test]
fn origins_match_as_a_whole() {
    let table = [
        ("https://app.example", "https://app.example", true),
        ("https://app.example", "https://app.example.evil.test", false),
        ("https://app.example", "https://evil.test/https://app.example", false),
        ("https://app.example", "http://app.example", false),
        ("https://app.example", "https://app.example:8443", false),
        ("https://app.example", "https://APP.example", false),
        ("https://app.example", "https://xapp.example", false),
        ("https://app.example", "null", false),
        ("https://app.example:8443", "https://app.example:8443", true),
        ("https://*.app.example", "https://pr-1.app.example", true),
        ("https://*.app.example", "https://app.example", false),
        ("https://*.app.example", "https://.app.example", false),
        ("https://*.app.example", "https://a.b.app.example", false),
        ("https://*.app.example", "https://evil.test/.app.example", false),
        ("https://*.app.example", "https://evil.test#.app.example", false),
        ("https://*.app.example", "https://a@b.app.example", false),
        ("https://*.app.example", "https://a.app.example.evil.test", false),
        ("https://*.app.example:444", "https://a.app.example:444", true),
        ("https://*.app.example:444", "https://a.app.example", false),
        ("http://localhost:3000", "http://localhost:3000", true),
        ("http://[::1]:3000", "http://[::1]:3000", true),
        ("capacitor://localhost", "capacitor://localhost", true),
    ];
    for (this, origin, matches) in table {
        assert_eq!(Origin::compile(this).unwrap().matches(origin.as_bytes()), matches, "{this} {origin}");
    }
    let wrong = [
        "",
        "app.example",
        "https://",
        "https://app.example/",
        "https://app.example/x",
        "https://App.example",
        "HTTPS://app.example",
        "https://app.example:443",
        "http://app.example:80",
        "https://app.example:0",
        "https://app.example:x",
        "https://*",
        "https://*.example",
        "https://*.com",
        "https://a.*.example",
        "https://*app.example",
        "https://*.*.app.example",
        "*.app.example",
        "null",
        "https://a b.example",
        "https://a\r\nb",
        "https://ü.example",
        "https://a@b.example",
        "https://[::1",
        "https://[x]",
    ];
    for text in wrong {
        assert_eq!(fault(cors(json!({ "origins": ["https://a.example", text] }))), "cors.origins[1]", "{text}");
    }
}

#[test]
fn preflights_are_answered_whatever_comes_after() {
    let spec = json!({
        "cors": {
            "origins": ["https://app.example"], "headers": ["X-Token", "Content-Type"], "credentials": true, "max_age": 60
        },
        "ip_access": { "otherwise": "refuse" }
    });
    let pipeline = pipeline(spec);
    let reply = preflight("https://app.example", "PUT").reply(&pipeline);
    assert_eq!((reply.status, reply.stage), (204, "cors"));
    let expected = headers(&[
        ("access-control-allow-origin", "https://app.example"),
        ("access-control-allow-credentials", "true"),
        ("access-control-allow-methods", "GET, HEAD, POST, PUT, PATCH, DELETE"),
        ("access-control-allow-headers", "X-Token, Content-Type"),
        ("access-control-max-age", "60"),
        ("vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
    ]);
    assert_eq!(reply.headers, expected);
    let strange = preflight("https://evil.test", "PUT").permit(&pipeline).map(drop);
    assert_eq!(strange, Err(Stop::Refused(Answer::OriginRefused)));
    // Two origins are none.
    let two = preflight("https://app.example", "PUT").header("origin", "https://evil.test").permit(&pipeline).map(drop);
    assert_eq!(two, Err(Stop::Refused(Answer::OriginRefused)));
}

#[test]
fn an_options_request_that_is_no_preflight_is_the_workloads() {
    let pipeline = pipeline(cors(json!({ "origins": ["https://app.example"] })));
    let mut case = Case::get("/").header("origin", "https://app.example");
    case.head.method = Method::Options;
    assert!(case.permit(&pipeline).is_ok());
    let mut case = Case::get("/").header("access-control-request-method", "PUT");
    case.head.method = Method::Options;
    assert!(case.permit(&pipeline).is_ok());
}

#[test]
fn what_is_sent_back_of_a_preflight_is_names_only() {
    let pipeline = pipeline(cors(json!({
        "origins": ["*"], "methods": ["*"], "headers": ["*"], "private_network": true
    })));
    let reply =
        preflight("https://any.test", "PURGE").header("access-control-request-headers", "x-a, x-b").reply(&pipeline);
    assert_eq!(values(&reply.headers, "access-control-allow-origin"), ["*"]);
    assert_eq!(values(&reply.headers, "access-control-allow-methods"), ["PURGE"]);
    assert_eq!(values(&reply.headers, "access-control-allow-headers"), ["x-a, x-b"]);
    assert_eq!(values(&reply.headers, "access-control-allow-private-network"), [""; 0]);
    let reply =
        preflight("https://any.test", "P<>").header("access-control-request-headers", "x-a; y=\"z\"").reply(&pipeline);
    assert_eq!(values(&reply.headers, "access-control-allow-methods"), [""; 0]);
    assert_eq!(values(&reply.headers, "access-control-allow-headers"), [""; 0]);
    let mut private = preflight("https://any.test", "GET").header("access-control-request-private-network", "true");
    assert_eq!(values(&private.reply(&pipeline).headers, "access-control-allow-private-network"), ["true"]);
}

#[test]
fn answers_say_who_may_read_them_and_the_workload_does_not() {
    let named = json!({ "origins": ["https://app.example"], "credentials": true, "expose": ["X-Total", "X-Page"] });
    let all = json!({ "origins": ["*"] });
    type Rows = Vec<(&'static str, &'static str)>;
    let workload =
        [("access-control-allow-origin", "*"), ("access-control-max-age", "1"), ("vary", "accept"), ("x-a", "1")];
    let rest: Rows = vec![("vary", "accept"), ("x-a", "1")];
    let allowed: Rows = vec![
        ("vary", "Origin"),
        ("access-control-allow-origin", "https://app.example"),
        ("access-control-allow-credentials", "true"),
        ("access-control-expose-headers", "X-Total, X-Page"),
    ];
    let star: Rows = vec![("access-control-allow-origin", "*")];
    let table: [(&Value, Option<&str>, Rows); 5] = [
        (&named, Some("https://app.example"), allowed),
        (&named, Some("https://evil.test"), vec![("vary", "Origin")]),
        (&named, None, vec![("vary", "Origin")]),
        (&all, Some("https://any.test"), star.clone()),
        (&all, None, star),
    ];
    for (spec, origin, added) in table {
        let pipeline = pipeline(cors(spec.clone()));
        let mut case = Case::get("/");
        if let Some(origin) = origin {
            case = case.header("origin", origin);
        }
        let answer = case.answer(&pipeline, &workload);
        assert_eq!(answer.headers, headers(&[rest.clone(), added].concat()), "{origin:?}");
    }
}

#[test]
fn refusals_can_be_read_by_the_page_that_asked() {
    let pipeline = pipeline(json!({
        "cors": { "origins": ["https://app.example"] }, "ip_access": { "otherwise": "refuse" }
    }));
    let mut case = Case::get("/").header("origin", "https://app.example");
    assert!(case.permit(&pipeline).is_err());
    assert_eq!(values(case.beside.reply(), "access-control-allow-origin"), ["https://app.example"]);
}

#[test]
fn wrong_specs_say_where() {
    let spec = |more: Value| {
        let mut spec = json!({ "origins": ["https://app.example"] });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        cors(spec)
    };
    let table = [
        (json!({ "origins": [] }), "origins"),
        (json!({ "origins": ["*", "https://app.example"] }), "origins[0]"),
        (json!({ "origins": ["*"], "credentials": true }), "credentials"),
        (json!({ "methods": ["GET", "get"] }), "methods[1]"),
        (json!({ "methods": ["GET", "*"] }), "methods[1]"),
        (json!({ "methods": ["A B"] }), "methods[0]"),
        (json!({ "headers": ["x-a", "x a"] }), "headers[1]"),
        (json!({ "headers": ["x-a\r\nb"] }), "headers[0]"),
        (json!({ "expose": ["*"] }), "expose[0]"),
        (json!({ "expose": vec!["x"; 129] }), "expose"),
        (json!({ "max_age": 86_401 }), "max_age"),
    ];
    for (more, at) in table {
        assert_eq!(fault(spec(more.clone())), format!("cors.{at}"), "{more}");
    }
}

#[test]
fn no_other_stage_says_what_pages_may_read() {
    let compile = |spec: Value| {
        let spec: crate::PipelineSpec = serde_json::from_value(spec).unwrap();
        crate::Pipeline::compile(&spec).map(drop).map_err(|invalid| invalid.to_string())
    };
    let cors = serde_json::json!({ "origins": ["https://a.test"] });
    let field = |name: &str| serde_json::json!([{ "name": "x-a", "value": "1" }, { "name": name, "value": "*" }]);
    let named = "Access-Control-Allow-Origin";
    for (place, other) in [
        ("respond.headers[1].name", serde_json::json!({ "respond": { "headers": field(named) } })),
        ("headers.response.set[1].name", serde_json::json!({ "headers": { "response": { "set": field(named) } } })),
        ("headers.response.add[1].name", serde_json::json!({ "headers": { "response": { "add": field(named) } } })),
    ] {
        assert_eq!(compile(other.clone()), Ok(()), "without cors it is anybody's: {place}");
        let mut both = other;
        both["cors"] = cors.clone();
        let refused = compile(both).unwrap_err();
        assert!(refused.contains(place) && refused.contains("cors writes"), "{refused}");
    }
    let harmless = serde_json::json!({ "cors": cors, "respond": { "headers": field("x-b") } });
    assert_eq!(compile(harmless), Ok(()));
    let removes = serde_json::json!({ "cors": cors, "headers": { "response": { "remove": [named] } } });
    assert_eq!(compile(removes), Ok(()), "what the workload says may be taken away");
}
