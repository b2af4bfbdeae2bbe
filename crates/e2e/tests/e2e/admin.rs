//! Administration of a running instance, and that it disturbs nobody.

use anyhow::Result;
use mezu_testkit::workload::Signal;
use mezu_testkit::{Request, Step, World, until};
use std::time::Duration;

#[tokio::test]
async fn health_and_metrics_are_at_the_admin_address() -> Result<()> {
    let world = World::start().await?;
    world.admin_get("/healthz").await?;
    world.admin_get("/readyz").await?;
    world.target.h1().await?.get("/").await?;
    let metrics = world.admin_get("/metrics").await?;
    assert!(metrics.contains("# TYPE mezu"), "{metrics}");
    let public = world.target.named("nobody.mezusphere.localhost").h1().await?.get("/metrics").await?;
    assert_eq!(public.status, 404, "the public port has no metrics");
    Ok(())
}

#[tokio::test]
async fn routes_come_and_go_without_touching_a_connection() -> Result<()> {
    let world = World::start().await?;
    let signal = Signal::default();
    let head = Step::send("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabc");
    world.workload.script("/long", [head, Step::Wait(signal.clone()), Step::send("def")]);
    let mut client = world.target.h1().await?;
    let mut exchange = client.start(Request::get("/long")).await?;
    exchange.head().await?;
    let host = "more.mezusphere.localhost";
    world.administer(&["route", "add", host, "--workload", "echo"]).await?;
    let more = world.target.named(host);
    until("the route", async || status(&more).await == Some(200)).await?;
    world.administer(&["key", "create", "--name", "spare"]).await?;
    let listed = world.administer(&["route", "list"]).await?;
    assert!(listed.contains(host), "{listed}");
    world.administer(&["route", "remove", host]).await?;
    until("the route to go", async || status(&more).await == Some(404)).await?;
    signal.give();
    assert_eq!(exchange.response_body().await?, b"abcdef");
    Ok(())
}

async fn status(target: &mezu_testkit::Target) -> Option<u16> {
    Some(target.h1().await.ok()?.get("/").await.ok()?.status)
}

#[tokio::test]
async fn a_revoked_key_ends_its_tunnels() -> Result<()> {
    let world = World::start().await?;
    let listed = world.administer(&["key", "list", "--json"]).await?;
    let keys: serde_json::Value = serde_json::from_str(&listed)?;
    let id = keys[0]["id"].as_str().unwrap().to_owned();
    world.administer(&["key", "revoke", &id]).await?;
    until("the workload to be unreachable", async || status(&world.target).await == Some(503)).await
}

/// The key stands in files that only its owner reads, and nowhere else.
#[tokio::test]
async fn the_key_is_nowhere_but_in_its_file() -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let world = World::start().await?;
    let file = world.folder().join("data/first-key");
    let key = std::fs::read_to_string(&file)?.trim().to_owned();
    assert!(key.starts_with("mzs_gate_"));
    assert_eq!(std::fs::metadata(&file)?.permissions().mode() & 0o077, 0);
    let secret = &key["mzs_gate_".len()..key.len() - 7];
    for process in [world.edge.id()?, world.gates[0].id()?] {
        let line = std::fs::read(format!("/proc/{process}/cmdline"))?;
        assert!(!String::from_utf8_lossy(&line).contains(secret));
    }
    assert!(!world.gates[0].said().contains(secret));
    for entry in std::fs::read_dir(world.folder().join("data"))? {
        let path = entry?.path();
        if path.is_file() && path != file {
            let bytes = std::fs::read(&path)?;
            assert!(mezu_testkit::http1::find(&bytes, secret.as_bytes()).is_none(), "{}", path.display());
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_last_use_of_a_key_is_told_by_the_instance_and_is_no_change() -> Result<()> {
    let mut world = World::start().await?;
    let used_at = async |world: &World| -> Result<Option<String>> {
        let keys: Vec<serde_json::Value> = serde_json::from_str(&world.administer(&["key", "list", "--json"]).await?)?;
        Ok(keys[0]["used_at"].as_str().map(str::to_owned))
    };
    let state = async |world: &World| -> Result<(String, String)> {
        let status: serde_json::Value = serde_json::from_str(&world.administer(&["status", "--json"]).await?)?;
        Ok((status["generation"].to_string(), world.administer(&["audit", "verify"]).await?))
    };
    let before = state(&world).await?;
    assert_eq!(used_at(&world).await?, None, "it is noted now and then, not at once");
    // The instance looks every ten seconds.
    let looks = async {
        while used_at(&world).await?.is_none() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(Duration::from_secs(30), looks).await??;
    assert_eq!(state(&world).await?, before);
    // At the end of the gate, or of the instance, it is noted once more.
    let first = used_at(&world).await?;
    world.restart_edge().await?;
    assert_ne!(used_at(&world).await?, first);
    Ok(())
}
