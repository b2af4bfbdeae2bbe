//! Header blocks that are legal bytes of HTTP/2 and would become something else as HTTP/1 (H2.CL, H2.TE and kin,
//! RFC 9113 §8.2, §8.3). The edge must reset each stream or refuse the request; the workload must see nothing of it.

use super::Outcome;
use super::frames::{DATA, END_HEADERS, END_STREAM, HEADERS, Peer, frame, literal, request};
use crate::Target;
use anyhow::Result;
use std::time::Duration;

/// Fields added behind the pseudo-headers of a POST to `/d`, and the body.
pub struct Case {
    pub name: &'static str,
    pub fields: &'static [(&'static str, &'static str)],
    pub body: &'static str,
}

const fn case(name: &'static str, fields: &'static [(&'static str, &'static str)], body: &'static str) -> Case {
    Case { name, fields, body }
}

pub const CASES: &[Case] = &[
    case("chunked", &[("transfer-encoding", "chunked")], "0\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n"),
    case("connection", &[("connection", "close")], ""),
    case("keep-alive", &[("keep-alive", "timeout=5")], ""),
    case("proxy-connection", &[("proxy-connection", "keep-alive")], ""),
    case("upgrade", &[("upgrade", "websocket")], ""),
    case("te that is not trailers", &[("te", "gzip")], ""),
    case("a length too short", &[("content-length", "1")], "abcdef"),
    case("a length too long", &[("content-length", "10")], "abc"),
    case("two lengths", &[("content-length", "3"), ("content-length", "4")], "abc"),
    case("a signed length", &[("content-length", "+3")], "abc"),
    case("a line break in a value", &[("x-a", "b\r\nx-mezu-user: root")], ""),
    case("a line feed in a value", &[("x-a", "b\nc")], ""),
    case("a carriage return in a value", &[("x-a", "b\rc")], ""),
    case("a NUL in a value", &[("x-a", "b\0c")], ""),
    case("a colon in a name", &[("x-a: b\r\nx-c", "d")], ""),
    case("a blank in a name", &[("x a", "b")], ""),
    case("an upper-case name", &[("X-Upper", "b")], ""),
    case("an empty name", &[("", "b")], ""),
    case("an underscore in a name", &[("x_mezu_user", "root")], ""),
    case("a second path", &[(":path", "/other")], ""),
    case("a second authority", &[(":authority", "other.example")], ""),
    case("a pseudo-header after a field", &[("x-a", "b"), (":method", "GET")], ""),
    case("an unknown pseudo-header", &[(":other", "x")], ""),
    case("a status in a request", &[(":status", "200")], ""),
    case("a host that differs", &[("host", "other.example")], ""),
    case("protocol without CONNECT", &[(":protocol", "websocket")], ""),
];

/// Sends one case and tells what became of it.
pub async fn run(target: &Target, case: &Case) -> Result<Outcome> {
    let mut block = request("POST", &target.authority(), "/d");
    block.extend(case.fields.iter().flat_map(|(name, value)| literal(name.as_bytes(), value.as_bytes())));
    send(target, &block, case.body).await
}

/// Whole header blocks whose pseudo-headers are wrong.
pub fn bad_targets(authority: &str) -> Vec<(&'static str, Vec<u8>)> {
    let with = |path: &str| request("POST", authority, path);
    vec![
        ("a blank in the path", with("/d x")),
        ("a line break in the path", with("/d HTTP/1.1\r\nx: y")),
        ("an empty path", with("")),
        ("a path without a slash", with("d")),
        ("a whole URL as path", with("https://other.example/d")),
        ("a fragment", with("/d#x")),
        (
            "no path",
            [(":method", "POST"), (":scheme", "https"), (":authority", authority)]
                .iter()
                .flat_map(|(name, value)| literal(name.as_bytes(), value.as_bytes()))
                .collect(),
        ),
        ("a blank in the method", request("POST /d HTTP/1.1", authority, "/d")),
        ("user info in the authority", request("POST", &format!("a@{authority}"), "/d")),
        ("a path in the authority", request("POST", &format!("{authority}/x"), "/d")),
        ("CONNECT", request("CONNECT", authority, "/d")),
    ]
}

/// Sends one block of [`bad_targets`], or any other.
pub async fn send(target: &Target, block: &[u8], body: &str) -> Result<Outcome> {
    let mut peer = Peer::connect(target, &[]).await?;
    let bytes = [frame(HEADERS, END_HEADERS, 1, block), frame(DATA, END_STREAM, 1, body.as_bytes())].concat();
    let _ = peer.send(&bytes).await;
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    while tokio::time::Instant::now() < deadline {
        peer.read_for(Duration::from_millis(20)).await?;
        let outcome = peer.outcome();
        if outcome.closed || outcome.resets > 0 || outcome.answers > 0 || outcome.goaway.is_some() {
            break;
        }
    }
    Ok(peer.outcome())
}
