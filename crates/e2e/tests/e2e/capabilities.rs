//! What a route can be set to do, one route each in a world of several.

use anyhow::Result;
use mezu_testkit::world::{BASE_DOMAIN, NAME};
use mezu_testkit::{Protocol, Request, Step, Target, Workload, World, until};

use crate::matrix;

matrix!(
    addresses_are_let_in_or_not,
    redirects,
    fixed_answers,
    pages_of_other_sites,
    too_many_requests,
    too_many_at_once,
    paths_are_rewritten,
    requests_are_dealt_out,
);

/// Adds a route with these capabilities, and waits until it is served.
pub(crate) async fn route(world: &World, name: &str, set: &[&str]) -> Result<Target> {
    let host = format!("{name}.{BASE_DOMAIN}");
    let mut arguments = vec!["route", "add", &host, "--workload", NAME];
    arguments.extend(set.iter().flat_map(|set| ["--set", set]));
    world.administer(&arguments).await?;
    let target = world.target.named(&host);
    until("the route", async || match target.h1().await {
        Ok(mut client) => client.send(Request::new("OPTIONS", "/")).await.is_ok_and(|answer| answer.status != 404),
        Err(_) => false,
    })
    .await?;
    Ok(target)
}

async fn addresses_are_let_in_or_not(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let refuse = r#"ip_access={ "rules": [{ "networks": ["127.0.0.0/8", "::1"], "then": "refuse" }],
        "otherwise": "pass_to_next_stages" }"#;
    let closed = route(&world, "closed", &[refuse]).await?;
    let rest = r#"ip_access={ "rules": [{ "networks": ["127.0.0.0/8"], "then": "pass_to_next_stages" }],
        "otherwise": "refuse" }"#;
    let open = route(&world, "open", &[rest]).await?;
    let before = world.workload.count();
    let lie = Request::get("/").header("x-forwarded-for", "203.0.113.1");
    let answer = closed.client(protocol).await?.send(lie).await?;
    assert_eq!((answer.status, answer.header("mezu-code")), (403, Some("MEZU-1015")));
    assert_eq!(world.workload.count(), before);
    assert_eq!(open.client(protocol).await?.get("/").await?.status, 200);
    Ok(())
}

async fn redirects(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let target = route(&world, "old", &[r#"redirect={ "to": "https://new.example${path}" }"#]).await?;
    let mut client = target.client(protocol).await?;
    for method in ["GET", "POST", "HEAD"] {
        let answer = client.send(Request::new(method, "/a/../b?c=d")).await?;
        assert_eq!((answer.status, answer.header("location")), (308, Some("https://new.example/b?c=d")));
        assert!(answer.body.is_empty() && answer.header("mezu-ray").is_some());
    }
    let port = target.address.port();
    let moved =
        r#"redirect={ "to": "https://${host}${port}/shop${path.rest}", "strip_prefix": "/store", "status": 302 }"#;
    let moved = route(&world, "moved", &[moved]).await?;
    let answer = moved.client(protocol).await?.get("/store/1").await?;
    let there = format!("https://moved.{BASE_DOMAIN}:{port}/shop/1");
    assert_eq!((answer.status, answer.header("location")), (302, Some(there.as_str())));
    // It is where it would be sent, so the workload has it.
    let kept = route(&world, "kept", &[r#"redirect={ "to": "/home" }"#]).await?;
    let mut client = kept.client(protocol).await?;
    assert_eq!(client.get("/").await?.header("location"), Some("/home"));
    assert_eq!(client.get("/home").await?.status, 200);
    Ok(())
}

async fn fixed_answers(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let gone = r#"respond={ "status": 410, "body": "gone", "headers": [{ "name": "X-Why", "value": "moved out" }] }"#;
    let gone = route(&world, "gone", &[gone]).await?;
    let before = world.workload.count();
    let mut client = gone.client(protocol).await?;
    let answer = client.send(Request::post("/", "a body that nobody reads")).await?;
    assert_eq!((answer.status, answer.text().as_str(), answer.header("x-why")), (410, "gone", Some("moved out")));
    let answer = client.send(Request::new("HEAD", "/")).await?;
    assert_eq!((answer.status, answer.header("content-length"), answer.body.len()), (410, Some("4"), 0));

    let down = route(&world, "down", &[r#"respond={ "page": "maintenance", "retry_after": 120 }"#]).await?;
    let mut client = down.client(protocol).await?;
    let answer = client.send(Request::get("/").header("accept", "text/html")).await?;
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("120")));
    assert!(answer.text().contains("Down for maintenance"));
    let answer = client.get("/").await?;
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(world.workload.count(), before);
    Ok(())
}

async fn pages_of_other_sites(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let rules = r#"cors={ "origins": ["https://app.example"], "credentials": true }"#;
    let limit = r#"body_limit={ "bytes": 4 }"#;
    let target = route(&world, "app", &[rules, limit]).await?;
    let mut client = target.client(protocol).await?;
    let before = world.workload.count();
    let ask = |origin: &str| {
        Request::new("OPTIONS", "/").header("origin", origin).header("access-control-request-method", "PUT")
    };
    let answer = client.send(ask("https://app.example")).await?;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (204, Some("https://app.example")));
    assert!(answer.header("access-control-allow-methods").is_some_and(|methods| methods.contains("PUT")));
    let answer = client.send(ask("https://evil.example")).await?;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (403, None));
    assert_eq!(answer.header("mezu-code"), Some("MEZU-1016"));
    // A refusal of the edge can be read by the page that caused it.
    let answer = client.send(Request::post("/", "too long").header("origin", "https://app.example")).await?;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (413, Some("https://app.example")));
    assert_eq!(world.workload.count(), before);
    let reply = "HTTP/1.1 200 OK\r\naccess-control-allow-origin: *\r\ncontent-length: 0\r\n\r\n";
    world.workload.script("/scripted", [Step::send(reply), Step::send(reply)]);
    let mut client = target.client(protocol).await?;
    let answer = client.send(Request::get("/scripted").header("origin", "https://app.example")).await?;
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(
        (answer.header("access-control-allow-credentials"), answer.header("vary")),
        (Some("true"), Some("Origin"))
    );
    Ok(())
}

async fn too_many_requests(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let limit = r#"rate_limit={ "limits": [{ "requests": 3, "per": 3600, "key": "header", "key_name": "X-Key" }] }"#;
    let target = route(&world, "limited", &[limit]).await?;
    let mut client = target.client(protocol).await?;
    let keyed = |key: &str| Request::get("/").header("x-key", key);
    for left in [2, 1, 0] {
        let answer = client.send(keyed("a")).await?;
        assert_eq!((answer.status, answer.header("ratelimit-policy")), (200, Some("\"default\";q=3;w=3600")));
        assert!(answer.header("ratelimit").is_some_and(|field| field.starts_with(&format!("\"default\";r={left};t="))));
    }
    // A change of configuration refills nothing.
    route(&world, "another", &[r#"body_limit={ "bytes": 1 }"#]).await?;
    let before = world.workload.count();
    let answer = client.send(keyed("a")).await?;
    assert_eq!((answer.status, answer.header("mezu-code")), (429, Some("MEZU-1017")));
    let wait: u32 = answer.header("retry-after").unwrap_or_default().parse()?;
    assert!((1100..=1200).contains(&wait), "{wait}");
    assert!(answer.header("ratelimit").is_some_and(|field| field.starts_with("\"default\";r=0;t=1")));
    assert_eq!(world.workload.count(), before);
    assert_eq!(client.send(keyed("b")).await?.status, 200);
    Ok(())
}

async fn too_many_at_once(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let target = route(&world, "narrow", &[r#"concurrency={ "requests": 1 }"#]).await?;
    world.workload.script("/slow", [Step::Hang]);
    let slow = target.clone();
    let held = tokio::spawn(async move { slow.client(protocol).await?.get("/slow").await });
    until("the request", async || !world.workload.seen_at("/slow").is_empty()).await?;
    let answer = target.client(protocol).await?.get("/").await?;
    assert_eq!((answer.status, answer.header("mezu-code")), (503, Some("MEZU-3007")));
    assert_eq!(answer.header("retry-after"), Some("1"));
    held.abort();
    until("the place", async || match target.client(protocol).await {
        Ok(mut client) => client.get("/").await.is_ok_and(|answer| answer.status == 200),
        Err(_) => false,
    })
    .await
}

async fn paths_are_rewritten(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let rule = r#"rewrite={ "strip_prefix": "/shop", "add_prefix": "/app" }"#;
    let presets = r#"headers={ "security": { "frames": "deny", "hide_software": true } }"#;
    let target = route(&world, "shop", &[rule, presets]).await?;
    let reply = "HTTP/1.1 302 Found\r\nlocation: /app/login?a=1\r\nset-cookie: sid=1; Path=/app\r\nserver: old/1\r\n\
                 content-length: 0\r\n\r\n";
    world.workload.script("/app/cart", [Step::send(reply)]);
    let answer = target.client(protocol).await?.get("/shop/cart?id=1").await?;
    assert_eq!((answer.status, answer.header("location")), (302, Some("/shop/login?a=1")));
    assert_eq!(answer.header("set-cookie"), Some("sid=1; Path=/shop"));
    assert_eq!((answer.header("x-frame-options"), answer.header("server")), (Some("DENY"), None));
    let seen = world.workload.seen_at("/app/cart").pop().expect("a request at the workload");
    assert_eq!(seen.target(), "/app/cart?id=1");
    Ok(())
}

async fn requests_are_dealt_out(protocol: Protocol) -> Result<()> {
    let mut world = World::start().await?;
    let canary = Workload::start().await?;
    world.add_gate_for("canary", &canary).await?;
    let listed: serde_json::Value = serde_json::from_str(&world.administer(&["workload", "list", "--json"]).await?)?;
    let id = |name: &str| {
        let found = listed.as_array().and_then(|all| all.iter().find(|one| one["name"] == name));
        found.and_then(|one| one["id"].as_str()).expect("a workload with an id").to_owned()
    };
    let to = format!(r#"[{{"workload":"{}","weight":1}},{{"workload":"{}","weight":1}}]"#, id(NAME), id("canary"));
    let target = route(&world, "both", &[&format!(r#"split={{ "to": {to} }}"#)]).await?;
    let (old, new) = (world.workload.count(), canary.count());
    let mut client = target.client(protocol).await?;
    let mut cookies = Vec::new();
    for _ in 0..30 {
        let answer = client.get("/").await?;
        let cookie = answer.header("set-cookie").expect("a cookie");
        assert!(cookie.ends_with("; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Lax"), "{cookie}");
        cookies.push(cookie.split(';').next().unwrap_or_default().to_owned());
    }
    let (to_old, to_new) = (world.workload.count() - old, canary.count() - new);
    assert!(to_old > 0 && to_new > 0 && to_old + to_new == 30, "{to_old} and {to_new}");
    // With the cookie of the last visit all go to one of them.
    let (old, new) = (world.workload.count(), canary.count());
    for _ in 0..10 {
        let answer = client.send(Request::get("/").header("cookie", &cookies[0])).await?;
        assert_eq!((answer.status, answer.header("set-cookie")), (200, None));
    }
    let counts = [world.workload.count() - old, canary.count() - new];
    assert!(counts.contains(&0) && counts.contains(&10), "{counts:?}");
    Ok(())
}
