#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use serde_json::{Value, json};

use crate::case::{Case, fault, pipeline, values};
use crate::{Answer, Stop};

fn rewrite(spec: Value) -> Value {
    json!({ "rewrite": spec })
}

#[test]
fn what_the_workload_is_asked_for() {
    let strip = json!({ "strip_prefix": "/shop" });
    let both = json!({ "strip_prefix": "/shop", "add_prefix": "/app" });
    let version = json!({ "pattern": "^/v([0-9]+)/(?P<rest>.*)$", "replacement": "/api/${rest}/at/$1" });
    let table = [
        (&strip, "/shop/a/b", "/a/b"),
        (&strip, "/shop", "/"),
        (&strip, "/shopping", "/shopping"),
        (&strip, "/", "/"),
        (&both, "/shop/a", "/app/a"),
        (&both, "/shop", "/app/"),
        // Not under the prefix: left alone altogether.
        (&both, "/other", "/other"),
        (&json!({ "add_prefix": "/app" }), "/a", "/app/a"),
        (&json!({ "add_prefix": "/app" }), "/", "/app/"),
        (&json!({ "add_prefix": "/app" }), "*", "*"),
        (&version, "/v2/x/y", "/api/x/y/at/2"),
        (&version, "/w2/x", "/w2/x"),
        (&json!({ "pattern": "a", "replacement": "b" }), "/aaa", "/baa"),
        (&json!({ "pattern": "/old", "replacement": "" }), "/old/x", "/x"),
        // What comes out is brought to the normal form.
        (&json!({ "pattern": "x", "replacement": ".." }), "/a/x/b", "/b"),
        (&json!({ "pattern": "x", "replacement": "/" }), "/a/x/b", "/a/b"),
        (
            &json!({ "strip_prefix": "/s", "pattern": "^/a", "replacement": "/b", "add_prefix": "/p" }),
            "/s/a/c",
            "/p/b/c",
        ),
    ];
    for (spec, asked, expected) in table {
        let pipeline = pipeline(rewrite(spec.clone()));
        let mut case = Case::get(asked);
        case.head.query = Some("a=/shop".into());
        assert_eq!(case.permit(&pipeline).unwrap().head().path, expected, "{asked} {spec}");
        assert_eq!(case.head.query.as_deref(), Some("a=/shop"));
        // What was asked for is kept for the log.
        assert_eq!(case.beside.asked_path(), (asked != expected).then_some(asked));
    }
}

#[test]
fn a_path_with_two_readings_never_comes_out() {
    let table = [
        // Half an escape, an encoded slash, an escape encoded twice, no path at all.
        (json!({ "pattern": "C3.*$", "replacement": "" }), "/a%C3%A4"),
        (json!({ "pattern": "/b", "replacement": "%2Fb" }), "/a/b"),
        (json!({ "pattern": "x", "replacement": "%2541" }), "/x"),
        (json!({ "pattern": "^/", "replacement": "" }), "/evil.example/"),
        // Dots that the client has put together.
        (json!({ "pattern": "^/(.)x(.)/", "replacement": "/$1$2/", "add_prefix": "/app" }), "/.x./secret"),
    ];
    let long = format!("/{}", "x".repeat(5000));
    let twice = json!({ "pattern": "^(.*)$", "replacement": "$1$1" });
    for (spec, asked) in table.into_iter().chain([(twice, long.as_str())]) {
        let stop = Case::get(asked).permit(&pipeline(rewrite(spec.clone()))).map(drop);
        assert_eq!(stop, Err(Stop::Refused(Answer::PathRefused)), "{spec}");
    }
}

#[test]
fn a_pattern_takes_linear_time_and_bounded_memory() {
    let slow = pipeline(rewrite(json!({ "pattern": "^/(a+)+$", "replacement": "/b" })));
    let started = std::time::Instant::now();
    assert!(Case::get(&format!("/{}!", "a".repeat(7000))).permit(&slow).is_ok());
    assert!(started.elapsed() < std::time::Duration::from_secs(5));
    let huge = json!({ "pattern": "(?:a{1000}){1000}", "replacement": "" });
    assert_eq!(fault(rewrite(huge)), "rewrite.pattern");
}

#[test]
fn redirects_are_mapped_back() {
    let strip = json!({ "strip_prefix": "/shop" });
    let both = json!({ "strip_prefix": "/shop", "add_prefix": "/app" });
    let add = json!({ "add_prefix": "/app" });
    let pattern = json!({ "strip_prefix": "/shop", "pattern": "a", "replacement": "b" });
    let table = [
        (&strip, "/login?next=/a#b", "/shop/login?next=/a#b"),
        (&strip, "/", "/shop"),
        (&strip, "https://shop.example/login", "https://shop.example/shop/login"),
        (&strip, "http://SHOP.example:8080/login", "http://SHOP.example:8080/shop/login"),
        (&strip, "//shop.example/login", "//shop.example/shop/login"),
        (&strip, "https://shop.example", "https://shop.example/shop"),
        (&strip, "https://shop.example?a", "https://shop.example/shop?a"),
        (&strip, "https://other.example/login", "https://other.example/login"),
        (&strip, "https://shop.example.evil.test/login", "https://shop.example.evil.test/login"),
        (&strip, "https://shop.example@evil.test/login", "https://shop.example@evil.test/login"),
        (&strip, "next", "next"),
        (&strip, "", ""),
        (&both, "/app/login", "/shop/login"),
        (&both, "/app", "/shop"),
        // Of no use to the client, but not ours to guess.
        (&both, "/login", "/login"),
        (&add, "/app/login", "/login"),
        (&add, "/app", "/"),
        (&add, "/app?a", "/?a"),
        (&add, "/app//evil.test", "/app//evil.test"),
        (&pattern, "/login", "/login"),
    ];
    for (spec, location, expected) in table {
        let asked = if spec == &add { "/a" } else { "/shop/a" };
        let answer = Case::get(asked).answer(&pipeline(rewrite(spec.clone())), &[("location", location)]);
        assert_eq!(values(&answer.headers, "location"), [expected], "{spec}");
    }
    // A request that was left alone has its answer left alone.
    let answer = Case::get("/x").answer(&pipeline(rewrite(strip)), &[("location", "/login")]);
    assert_eq!(values(&answer.headers, "location"), ["/login"]);
}

#[test]
fn cookies_are_mapped_back() {
    let both = json!({ "strip_prefix": "/shop", "add_prefix": "/app" });
    let strip = json!({ "strip_prefix": "/shop" });
    let table = [
        (&strip, "a=1; Path=/; HttpOnly", "a=1; Path=/shop; HttpOnly"),
        (&strip, "a=1;path=/cart", "a=1; Path=/shop/cart"),
        (&strip, "a=1; Secure", "a=1; Secure"),
        (&strip, "path=/; Secure", "path=/; Secure"),
        (&both, "a=1; Path=/app/cart", "a=1; Path=/shop/cart"),
        (&both, "a=1; Path=/", "a=1; Path=/"),
        // Browsers refuse one that begins so and has another path.
        (&strip, "__Host-a=1; Secure; Path=/", "__Host-a=1; Secure; Path=/"),
        (&strip, "__host-a=1; Secure; Path=/", "__host-a=1; Secure; Path=/"),
        (&strip, "__Host-Http-a=1; Secure; Path=/", "__Host-Http-a=1; Secure; Path=/"),
    ];
    for (spec, cookie, expected) in table {
        let fields = [("set-cookie", cookie), ("x-a", "1"), ("set-cookie", "b=2")];
        let answer = Case::get("/shop/a").answer(&pipeline(rewrite(spec.clone())), &fields);
        assert_eq!(values(&answer.headers, "set-cookie"), [expected, "b=2"], "{spec}");
    }
}

#[test]
fn wrong_specs_say_where() {
    let long = "a".repeat(513);
    let table = [
        (json!({}), "rewrite"),
        (json!({ "strip_prefix": "shop" }), "rewrite.strip_prefix"),
        (json!({ "strip_prefix": "/shop/../a" }), "rewrite.strip_prefix"),
        (json!({ "add_prefix": "/a?b" }), "rewrite.add_prefix"),
        (json!({ "pattern": "a" }), "rewrite.replacement"),
        (json!({ "replacement": "a" }), "rewrite.pattern"),
        (json!({ "pattern": "", "replacement": "a" }), "rewrite.pattern"),
        (json!({ "pattern": "(", "replacement": "a" }), "rewrite.pattern"),
        (json!({ "pattern": "(?=a)", "replacement": "a" }), "rewrite.pattern"),
        (json!({ "pattern": long, "replacement": "a" }), "rewrite.pattern"),
        (json!({ "pattern": "a", "replacement": long }), "rewrite.replacement"),
        (json!({ "pattern": "a", "replacement": "a b" }), "rewrite.replacement"),
        (json!({ "pattern": "a", "replacement": "?b" }), "rewrite.replacement"),
        (json!({ "pattern": "a", "replacement": "a\r\nb" }), "rewrite.replacement"),
        (json!({ "pattern": "(a)", "replacement": "$2" }), "rewrite.replacement"),
        (json!({ "pattern": "(a)", "replacement": "$1x" }), "rewrite.replacement"),
        (json!({ "pattern": "(?P<n>a)", "replacement": "${m}" }), "rewrite.replacement"),
    ];
    for (spec, at) in table {
        assert_eq!(fault(rewrite(spec.clone())), at, "{spec}");
    }
}
