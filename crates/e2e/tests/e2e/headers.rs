//! Which headers reach the workload, which the client, and who writes them.

use crate::matrix;
use anyhow::Result;
use mezu_testkit::workload::Seen;
use mezu_testkit::{Protocol, Request, Step, World};

matrix!(
    the_workload_is_told_about_the_client,
    forwarding_headers_from_outside_are_dropped,
    reserved_names_from_outside_are_dropped,
    a_name_with_an_underscore_is_refused,
    a_trace_is_started_or_passed,
    a_request_id_is_kept_if_it_is_sane,
    answers_have_no_hop_by_hop_and_no_reserved_headers,
    too_many_headers_are_refused,
    too_large_headers_are_refused,
    a_host_without_a_certificate_is_misdirected,
    a_route_changes_both_heads,
);

async fn seen(world: &World, protocol: Protocol, request: Request) -> Result<Seen> {
    let answer = world.target.client(protocol).await?.send(request).await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    Ok(world.workload.seen(answer.nonce()).unwrap())
}

async fn the_workload_is_told_about_the_client(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let seen = seen(&world, protocol, Request::get("/")).await?;
    assert_eq!(seen.header("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.header("x-real-ip"), ["127.0.0.1"]);
    assert_eq!(seen.header("x-forwarded-proto"), ["https"]);
    assert_eq!(seen.header("x-forwarded-host"), [world.target.authority()]);
    assert_eq!(seen.header("x-forwarded-port"), [world.target.address.port().to_string()]);
    let forwarded = seen.header("forwarded").join(",");
    assert!(forwarded.contains("for=127.0.0.1") && forwarded.contains("proto=https"), "{forwarded}");
    assert_eq!(seen.header("via").len(), 1);
    assert_eq!(seen.header("connection").join("").to_lowercase().replace("keep-alive", ""), "");
    Ok(())
}

async fn forwarding_headers_from_outside_are_dropped(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let lies = [
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Forwarded-Prefix",
        "X-Forwarded-User",
        "Forwarded",
        "X-Real-IP",
        "X-Original-URL",
        "X-Original-Method",
        "X-Rewrite-URL",
    ];
    let request = lies.iter().fold(Request::get("/"), |request, name| request.header(name, "for=6.6.6.6"));
    let seen = seen(&world, protocol, request).await?;
    let raw = String::from_utf8_lossy(&seen.head.raw).to_lowercase();
    assert!(!raw.contains("6.6.6.6"), "{raw}");
    Ok(())
}

async fn reserved_names_from_outside_are_dropped(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let spellings =
        ["Mezu-User", "mezu-user", "X-Mezu-User", "x-MEZU-user", "X-Mezu-Identity-Jwt", "MEZU-RAY", "X-Mezu-"];
    let mut request = Request::get("/");
    for name in spellings {
        request = request.header(name, "root").header(name, "root");
    }
    let seen = seen(&world, protocol, request.header("x-kept", "yes")).await?;
    let raw = String::from_utf8_lossy(&seen.head.raw).to_lowercase();
    assert!(!raw.contains("mezu-") || !raw.contains("root"), "{raw}");
    assert_eq!(seen.header("x-kept"), ["yes"]);
    Ok(())
}

async fn a_name_with_an_underscore_is_refused(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    for name in ["x_mezu_user", "X_Forwarded_For", "a.b", "a!b"] {
        let answer = world.target.client(protocol).await?.send(Request::get("/").header(name, "root")).await;
        assert!(answer.map_or(true, |answer| answer.status == 400), "{name}");
    }
    assert_eq!(world.workload.count(), 0);
    Ok(())
}

async fn a_trace_is_started_or_passed(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let passed = seen(&world, protocol, Request::get("/").header("traceparent", trace)).await?;
    assert!(passed.header("traceparent")[0].starts_with("00-0af7651916cd43dd8448eb211c80319c-"));
    for odd in ["00-00000000000000000000000000000000-b7ad6b7169203331-01", "nonsense"] {
        let started = seen(&world, protocol, Request::get("/").header("traceparent", odd)).await?;
        assert_eq!(started.header("traceparent")[0].len(), trace.len());
        assert_ne!(started.header("traceparent")[0], odd);
    }
    Ok(())
}

async fn a_request_id_is_kept_if_it_is_sane(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let kept = seen(&world, protocol, Request::get("/").header("x-request-id", "abc-123")).await?;
    assert_eq!(kept.header("x-request-id"), ["abc-123"]);
    let answer = world.target.client(protocol).await?.get("/").await?;
    let seen = world.workload.seen(answer.nonce()).unwrap();
    assert_eq!(seen.header("x-request-id"), [answer.header("mezu-ray").unwrap()]);
    Ok(())
}

async fn answers_have_no_hop_by_hop_and_no_reserved_headers(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let reply = "HTTP/1.1 200 OK\r\nconnection: keep-alive, x-private\r\nkeep-alive: timeout=5\r\nx-private: 1\r\n\
                 proxy-connection: a\r\nmezu-ray: forged\r\nx-mezu-user: root\r\nx-kept: yes\r\ncontent-length: 0\r\n\r\n";
    world.workload.script("/hop", [Step::send(reply)]);
    let answer = world.target.client(protocol).await?.get("/hop").await?;
    for name in ["keep-alive", "x-private", "proxy-connection", "x-mezu-user"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    assert_ne!(answer.header("mezu-ray"), Some("forged"));
    assert_eq!(answer.header("x-kept"), Some("yes"));
    assert!(answer.header("via").is_some_and(|via| via.contains("mezusphere")));
    Ok(())
}

async fn too_many_headers_are_refused(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let request = (0..101).fold(Request::get("/"), |request, number| request.header(&format!("x-{number}"), "v"));
    let answer = world.target.client(protocol).await?.send(request).await;
    assert!(answer.map_or(true, |answer| matches!(answer.status, 400 | 431)));
    assert_eq!(world.workload.count(), 0);
    Ok(())
}

async fn too_large_headers_are_refused(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let request =
        (0..5).fold(Request::get("/"), |request, number| request.header(&format!("x-{number}"), &"v".repeat(4000)));
    let answer = world.target.client(protocol).await?.send(request).await;
    assert!(answer.map_or(true, |answer| answer.status == 431));
    let long = world.target.client(protocol).await?.get(&format!("/{}", "a".repeat(9000))).await;
    assert!(long.map_or(true, |answer| matches!(answer.status, 414 | 431)));
    assert_eq!(world.workload.count(), 0);
    Ok(())
}

async fn a_host_without_a_certificate_is_misdirected(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let mut client = world.target.client(protocol).await?;
    let answer = client.send(Request::get("/").host("other.example")).await?;
    assert_eq!(answer.status, 421, "{}", answer.text());
    assert_eq!(world.workload.count(), 0);
    Ok(())
}

/// The capability `headers`, set on a route: what the client sends cannot undo it, and other routes have none of it.
async fn a_route_changes_both_heads(protocol: Protocol) -> Result<()> {
    let changes = r#"headers={
        "request": {
            "remove": ["X-Debug"], "add": [{ "name": "X-Tag", "value": "route" }],
            "set": [{ "name": "X-Visitor", "value": "${client.ip} ${method} ${path}" }]
        },
        "response": {
            "remove": ["X-Powered-By"], "add": [{ "name": "Vary", "value": "Origin" }],
            "set": [{ "name": "X-Frame-Options", "value": "DENY" }]
        }
    }"#;
    let world = World::builder().route(&["--set", changes]).start().await?;
    let reply =
        "HTTP/1.1 200 OK\r\nx-powered-by: old\r\nx-frame-options: ALLOW\r\nvary: accept\r\ncontent-length: 0\r\n\r\n";
    world.workload.script("/changed", [Step::send(reply)]);
    let request = || {
        let lies = [("X-Debug", "1"), ("X-Visitor", "6.6.6.6"), ("X-Tag", "client")];
        lies.iter().fold(Request::get("/changed"), |request, (name, value)| request.header(name, value))
    };
    let answer = world.routed().client(protocol).await?.send(request()).await?;
    let seen = world.workload.seen_at("/changed").pop().expect("a request at the workload");
    assert_eq!(seen.header("x-debug"), [""; 0]);
    assert_eq!(seen.header("x-visitor"), ["127.0.0.1 GET /changed"]);
    assert_eq!(seen.header("x-tag"), ["client", "route"]);
    assert_eq!(answer.header("x-powered-by"), None);
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    let vary: Vec<_> =
        answer.headers.iter().filter(|(name, _)| name == "vary").map(|(_, value)| value.as_str()).collect();
    assert_eq!(vary, ["accept", "Origin"]);

    let answer = world.target.client(protocol).await?.send(request()).await?;
    let seen = world.workload.seen_at("/changed").pop().expect("a request at the workload");
    assert_eq!((seen.header("x-debug"), seen.header("x-visitor")), (vec!["1"], vec!["6.6.6.6"]));
    assert_eq!(answer.header("x-powered-by"), Some("old"));
    Ok(())
}

/// A client cannot name headers away that the workload relies on (RFC 9110 §7.6.1).
#[tokio::test]
async fn connection_cannot_nominate_our_headers_away() -> Result<()> {
    let world = World::start().await?;
    let request =
        Request::get("/").header("connection", "x-forwarded-for, mezu-user, host, x-gone").header("x-gone", "1");
    let answer = world.target.h1().await?.send(request).await?;
    if answer.status == 200 {
        let seen = world.workload.seen(answer.nonce()).unwrap();
        assert_eq!(seen.header("x-forwarded-for"), ["127.0.0.1"]);
        assert_eq!((seen.header("host").len(), seen.header("x-gone").len()), (1, 0));
    } else {
        assert_eq!((answer.status, world.workload.count()), (400, 0));
    }
    Ok(())
}
