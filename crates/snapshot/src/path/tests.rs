#![allow(clippy::unwrap_used)]
use super::*;

fn rule(text: &str) -> PathRule {
    text.parse().unwrap()
}

#[test]
fn a_rule_takes_whole_segments() {
    let cases = [
        ("/", "/", true),
        ("/", "/any/thing", true),
        ("/", "*", true),
        ("/api", "/api", true),
        ("/api", "/api/v1", true),
        ("/api", "/api/", true),
        ("/api", "/apix", false),
        ("/api", "/", false),
        ("/api", "*", false),
        ("/api/", "/api", true),
        ("/api", "/API", false),
        ("=/api", "/api", true),
        ("=/api", "/api/", false),
        ("=/api", "/api/x", false),
        ("=/api/", "/api/", true),
        ("=/api/", "/api", false),
        ("=/", "/", true),
        ("=/", "/x", false),
        ("=/", "*", false),
        ("/u/{id}", "/u/7", true),
        ("/u/{id}", "/u/", false),
        ("/u/{id}", "/u", false),
        ("/u/{id}", "/u/7/", false),
        ("/u/{id}/", "/u/7/", true),
        ("/u/{id}/o/{order}", "/u/7/o/8", true),
        ("/u/{id}/o/{order}", "/u/7/x/8", false),
        ("/f/{rest...}", "/f", true),
        ("/f/{rest...}", "/f/", true),
        ("/f/{rest...}", "/f/a/b", true),
        ("/f/{rest...}", "/fa", false),
        ("/{all...}", "/", true),
    ];
    for (text, path, expected) in cases {
        assert_eq!(rule(text).matches(path), expected, "{text} {path}");
    }
}

#[test]
fn captures_tell_what_they_took() {
    type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);
    let cases: [Case<'_>; 5] = [
        ("/u/{id}/o/{order}", "/u/7%20/o/8", &[("id", "7%20"), ("order", "8")]),
        ("/f/{rest...}", "/f/a/b/", &[("rest", "a/b/")]),
        ("/f/{rest...}", "/f", &[("rest", "")]),
        ("/{a}/{b...}", "/x", &[("a", "x"), ("b", "")]),
        ("/f", "/f/a", &[]),
    ];
    for (text, path, expected) in cases {
        assert_eq!(rule(text).captures(path).unwrap(), expected, "{text} {path}");
    }
}

#[test]
fn what_could_not_match_or_is_misspelt_is_refused() {
    for (bad, why) in [
        ("", InvalidPathRule::NoSlash),
        ("api", InvalidPathRule::NoSlash),
        ("*", InvalidPathRule::NoSlash),
        ("=api", InvalidPathRule::NoSlash),
        ("==/api", InvalidPathRule::NoSlash),
        ("/a/../b", InvalidPathRule::NotNormal),
        ("/a?b", InvalidPathRule::NotNormal),
        ("/a#b", InvalidPathRule::NotNormal),
        ("/a//b", InvalidPathRule::NotNormal),
        ("/%61", InvalidPathRule::NotNormal),
        ("/a\\b", InvalidPathRule::NotNormal),
        ("/a;b", InvalidPathRule::NotNormal),
        ("/ü", InvalidPathRule::NotNormal),
        ("=/a/../b", InvalidPathRule::NotNormal),
        ("=/{a}", InvalidPathRule::NotNormal),
        ("/{a}//b", InvalidPathRule::NotNormal),
        ("/{a}/../b", InvalidPathRule::NotNormal),
        ("/{}", InvalidPathRule::Capture),
        ("/{A}", InvalidPathRule::Capture),
        ("/{1}", InvalidPathRule::Capture),
        ("/x{a}", InvalidPathRule::Capture),
        ("/{a}x", InvalidPathRule::Capture),
        ("/{a", InvalidPathRule::Capture),
        ("/a}", InvalidPathRule::Capture),
        ("/{{a}}", InvalidPathRule::Capture),
        ("/{a..}", InvalidPathRule::Capture),
        ("/{...}", InvalidPathRule::Capture),
        ("/{a...}/b", InvalidPathRule::RestNotLast),
        ("/{a}/{a}", InvalidPathRule::Captures),
        ("/{a}/{a...}", InvalidPathRule::Captures),
    ] {
        assert_eq!(bad.parse::<PathRule>(), Err(why), "{bad}");
    }
    assert_eq!("/".repeat(limits::PATH + 1).parse::<PathRule>(), Err(InvalidPathRule::TooLong));
    let many: String = (0..=limits::CAPTURES).map(|n| format!("/{{c{n}}}")).collect();
    assert_eq!(many.parse::<PathRule>(), Err(InvalidPathRule::Captures));
    for good in ["/", "/a", "=/", "=/a/", "/{a}", "/a/{b_2}/{rest...}"] {
        assert_eq!(rule(good).to_string(), good);
    }
}
