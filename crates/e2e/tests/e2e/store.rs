//! An instance whose store is a PostgreSQL server: chosen by one setting, moved to a file and back, and lost and found.

use anyhow::Result;
use mezu_testkit::postgres::{self, Server};
use mezu_testkit::{World, until};

const PASSWORD: &str = "open-sesame";

/// The place of a database as an operator might write it, with a password that the test's server does not ask for.
fn with_password(url: &str) -> String {
    url.replacen("mezu@", &format!("mezu:{PASSWORD}@"), 1)
}

async fn is_served(world: &World) -> Result<()> {
    let answers = async || match world.target.h1().await {
        Ok(mut client) => client.get("/").await.is_ok_and(|answer| answer.status == 200),
        Err(_) => false,
    };
    until("an answer of the workload", answers).await
}

/// Stops the edge, moves all that its store holds into another, and starts it on that.
async fn move_to(world: &mut World, from: &str, to: &str, name: &str) -> Result<()> {
    let file = world.folder().join(name).display().to_string();
    // While it runs.
    world.administer(&["backup", &file, "--store", from]).await?;
    world.stop_edge().await?;
    let said = world.administer(&["restore", &file, "--store", to]).await?;
    assert!(said.contains("was restored from"), "{said}");
    assert!(world.administer(&["restore", &file, "--store", to]).await.is_err(), "into a store that is not new");
    world.start_edge_with(&["--store", to]).await
}

#[tokio::test]
async fn one_setting_puts_the_store_on_a_server_and_it_moves_to_a_file_and_back() -> Result<()> {
    let (first, second) = (postgres::database()?, postgres::database()?);
    let url = with_password(&first.url);
    let mut world = World::builder().edge(&["--store", &url]).start().await?;
    is_served(&world).await?;
    world.administer(&["key", "create", "--name", "laptop"]).await?;
    assert_eq!(first.server.say(name(&first.url), "SELECT name FROM workloads")?, "echo");
    assert!(!world.folder().join("data/mezusphere.db").exists(), "there is no other store");

    world.restart_edge().await?;
    is_served(&world).await?;
    assert!(world.administer(&["status"]).await?.contains("postgres://mezu@"));

    let file = format!("sqlite:{}", world.folder().join("moved.db").display());
    move_to(&mut world, &url, &file, "one").await?;
    is_served(&world).await?;
    assert!(world.administer(&["key", "list"]).await?.contains("laptop"));
    world.administer(&["key", "create", "--name", "second"]).await?;

    let back = with_password(&second.url);
    move_to(&mut world, &file, &back, "two").await?;
    is_served(&world).await?;
    let keys = world.administer(&["key", "list"]).await?;
    assert!(keys.contains("laptop") && keys.contains("second"), "{keys}");
    assert!(world.administer(&["audit", "verify"]).await?.contains("whole"));
    world.stop_edge().await?;
    assert!(world.administer(&["audit", "verify", "--offline", "--store", &back]).await?.contains("whole"));
    assert!(!world.edge.said().contains(PASSWORD), "a password in the log");
    Ok(())
}

fn name(url: &str) -> &str {
    url.rsplit('/').find_map(|part| part.split_once("?host=")).map_or("", |(name, _)| name)
}

#[tokio::test]
async fn a_server_that_is_away_at_the_start_keeps_nobody_waiting() -> Result<()> {
    let mut server = Server::start()?;
    let url = server.url("postgres");
    let mut world = World::builder().edge(&["--store", &url]).start().await?;
    is_served(&world).await?;
    world.stop_edge().await?;
    server.stop();

    world.start_edge().await?;
    is_served(&world).await?;
    let ready = world.admin_get("/readyz").await?;
    assert!(ready.contains("changes are refused"), "{ready}");
    let refused = world.administer(&["key", "create", "--name", "laptop"]).await.unwrap_err().to_string();
    assert!(refused.contains("store"), "{refused}");

    server.run()?;
    let host = "more.mezusphere.localhost";
    let more = world.target.named(host);
    until("the store", async || {
        world.administer(&["route", "add", host, "--workload", "echo"]).await.is_ok_and(|said| said.contains(host))
    })
    .await?;
    let status = more.h1().await?.get("/").await?.status;
    assert_eq!(status, 200, "a change is served once it is answered");
    Ok(())
}

#[tokio::test]
async fn a_server_that_goes_away_takes_nothing_with_it_that_is_served() -> Result<()> {
    let mut server = Server::start()?;
    let world = World::builder().edge(&["--store", &server.url("postgres")]).start().await?;
    server.stop();
    is_served(&world).await?;
    world.administer(&["key", "create", "--name", "laptop"]).await.unwrap_err();
    is_served(&world).await?;
    server.run()?;
    until("the store", async || world.administer(&["key", "create", "--name", "desk"]).await.is_ok()).await?;
    is_served(&world).await
}
