//! Which name leads where, and what is said when it leads nowhere.

use crate::matrix;
use anyhow::Result;
use mezu_testkit::{Protocol, Request, World, patiently};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

matrix!(
    an_unknown_name_is_not_found,
    a_workload_without_a_gate_is_unavailable,
    errors_speak_the_client_s_language,
    a_route_of_its_own_works,
);

async fn an_unknown_name_is_not_found(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let unknown = world.target.named("nobody.mezusphere.localhost");
    let answer = unknown.client(protocol).await?.get("/").await?;
    assert_eq!(answer.status, 404, "{}", answer.text());
    assert!(answer.text().contains("MEZU-"));
    Ok(())
}

async fn a_workload_without_a_gate_is_unavailable(protocol: Protocol) -> Result<()> {
    let mut world = World::start().await?;
    let mut gate = world.gates.remove(0);
    gate.signal("TERM").await?;
    gate.ended(mezu_testkit::PATIENCE).await?;
    let answer = world.target.client(protocol).await?.get("/").await?;
    assert_eq!(answer.status, 503, "{}", answer.text());
    assert!(answer.text().contains("MEZU-"));
    Ok(())
}

async fn errors_speak_the_client_s_language(protocol: Protocol) -> Result<()> {
    let world = World::start().await?;
    let mut client = world.target.named("nobody.mezusphere.localhost").client(protocol).await?;
    let page = client.send(Request::get("/").header("accept", "text/html,*/*;q=0.8")).await?;
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    assert!(page.text().contains("<html") && page.text().contains("MEZU-"));
    let problem = client.send(Request::get("/").header("accept", "application/json")).await?;
    assert_eq!(problem.header("content-type"), Some("application/problem+json"));
    let document: serde_json::Value = serde_json::from_slice(&problem.body)?;
    assert_eq!(document["status"], 404);
    assert!(document["type"].is_string() && document["title"].is_string(), "{document}");
    assert!(problem.text().contains(problem.header("mezu-ray").unwrap()));
    let head = client.send(Request::new("HEAD", "/")).await?;
    assert_eq!((head.status, head.body.len()), (404, 0));
    Ok(())
}

async fn a_route_of_its_own_works(protocol: Protocol) -> Result<()> {
    let world = World::builder().route(&[]).start().await?;
    let answer = world.routed().client(protocol).await?.get("/x").await?;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(world.workload.seen(answer.nonce()).unwrap().header("host"), [world.routed().authority()]);
    Ok(())
}

#[tokio::test]
async fn plain_http_redirects_and_nothing_else() -> Result<()> {
    let world = World::start().await?;
    let mut stream = TcpStream::connect(world.http).await?;
    let request = format!("GET /a?b=c HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", world.target.host);
    stream.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    patiently("a redirect", stream.read_to_string(&mut text)).await??;
    assert!(text.starts_with("HTTP/1.1 308") || text.starts_with("HTTP/1.1 301"), "{text}");
    let wanted = format!("location: https://{}/a?b=c", world.target.authority());
    assert!(text.to_lowercase().contains(&wanted), "{text}");
    assert_eq!(world.workload.count(), 0);
    Ok(())
}
