//! A machine is let in by its code: no key is copied, and from then on `warpgate http` needs nothing else.

use anyhow::{Context as _, Result, ensure};
use mezu_testkit::process::{Process, program};
use mezu_testkit::{World, until};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

/// A machine with a home of its own, whose Warpgate knows of the world's edge only what it is told.
struct Machine<'a> {
    world: &'a World,
    started: usize,
}

impl Machine<'_> {
    fn home(&self) -> PathBuf {
        self.world.folder().join("home")
    }

    fn key(&self) -> PathBuf {
        self.home().join("mezusphere/key")
    }

    fn warpgate(&mut self, arguments: &[&str]) -> Result<Process> {
        self.started += 1;
        let home = self.home().display().to_string();
        let mut all = vec!["-u".into(), "MEZUSPHERE_KEY".into(), "-u".into(), "MEZUSPHERE_EDGE".into()];
        all.push(format!("XDG_CONFIG_HOME={home}"));
        all.push(program("warpgate")?.display().to_string());
        all.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        let log = self.world.folder().join(format!("machine-{}.log", self.started));
        Process::start(&PathBuf::from("/usr/bin/env"), &all, log)
    }

    fn login(&mut self) -> Result<Process> {
        let edge = format!("mezusphere.localhost:{}", self.world.target.address.port());
        let ca = self.world.ca().display().to_string();
        self.warpgate(&["login", "--edge", &edge, "--ca", &ca, "--org", "default"])
    }
}

/// The code that a login shows.
async fn code(login: &mut Process) -> Result<String> {
    until("the code", async || login.ensure_running().is_err() || login.said().contains("mezusphere approve")).await?;
    login.ensure_running()?;
    let said = login.said();
    let after = said.split("`mezusphere approve ").nth(1).context("no code")?;
    Ok(after.split('`').next().unwrap_or_default().to_owned())
}

async fn status(world: &World) -> Option<u16> {
    Some(world.target.h1().await.ok()?.get("/").await.ok()?.status)
}

#[tokio::test]
async fn a_machine_is_let_in_serves_without_a_word_more_and_logs_out() -> Result<()> {
    let world = World::builder().gates(0).start().await?;
    let mut machine = Machine { world: &world, started: 0 };
    let mut login = machine.login()?;
    let code = code(&mut login).await?;
    ensure!(!machine.key().exists(), "nothing is kept before somebody has approved");
    let typed = code.to_lowercase().replace('-', "");
    world.administer(&["approve", &typed, "--yes", "--name", "box", "--workload", "echo"]).await?;
    assert_eq!(login.ended(Duration::from_secs(20)).await?, Some(0), "{}", login.said());
    assert_eq!(std::fs::metadata(machine.key())?.permissions().mode() & 0o777, 0o600);
    let kept = std::fs::read_to_string(machine.key())?;
    let secret = kept.lines().find_map(|line| line.strip_prefix("key = \"")).context("no key")?.trim_end_matches('"');
    ensure!(!login.said().contains(secret), "the key was shown");
    assert!(world.administer(&["approve", &code, "--yes"]).await.is_err(), "a code is used once");

    // The authorities were kept too: the file that was given may go.
    let ca = world.ca();
    std::fs::rename(&ca, ca.with_extension("gone"))?;
    let target = world.workload.address().to_string();
    let mut gate = machine.warpgate(&["http", &target, "--name", "echo"])?;
    until("the gate", async || gate.ensure_running().is_err() || gate.said().contains("https://")).await?;
    gate.ensure_running()?;
    assert_eq!(status(&world).await, Some(200));
    let mut other = machine.warpgate(&["http", &target, "--name", "other"])?;
    assert_eq!(other.ended(Duration::from_secs(20)).await?, Some(1), "{}", other.said());
    ensure!(other.said().contains("may not serve"), "{}", other.said());

    let mut logout = machine.warpgate(&["logout"])?;
    assert_eq!(logout.ended(Duration::from_secs(20)).await?, Some(0), "{}", logout.said());
    ensure!(logout.said().contains("the key is revoked"), "{}", logout.said());
    let left = std::fs::read_dir(machine.home().join("mezusphere"))?.count();
    assert_eq!(left, 0, "nothing is left of the login");
    until("the tunnels to be cut", async || status(&world).await == Some(503)).await?;
    let log = world.administer(&["audit", "list", "--json"]).await?;
    for action in ["machine.approve", "key.give_up"] {
        ensure!(log.contains(action), "{action}: {log}");
    }
    Ok(())
}

#[tokio::test]
async fn a_machine_that_is_refused_or_gives_up_leaves_nothing() -> Result<()> {
    let world = World::builder().gates(0).start().await?;
    let mut machine = Machine { world: &world, started: 0 };
    let mut login = machine.login()?;
    let first = code(&mut login).await?;
    world.administer(&["approve", &first, "--refuse"]).await?;
    assert_eq!(login.ended(Duration::from_secs(20)).await?, Some(1));
    ensure!(login.said().contains("the request was refused"), "{}", login.said());

    let mut login = machine.login()?;
    let second = code(&mut login).await?;
    login.signal("INT").await?;
    login.ended(Duration::from_secs(20)).await?;
    // Without --yes and without a terminal nothing is ever approved.
    until("the request to be withdrawn", async || {
        let looked = world.administer(&["approve", &second]).await;
        looked.is_err_and(|error| error.to_string().contains("no machine waits"))
    })
    .await?;
    assert_eq!(std::fs::read_dir(machine.home().join("mezusphere"))?.count(), 0);
    let keys = world.administer(&["key", "list", "--json"]).await?;
    assert_eq!(keys.matches("\"id\"").count(), 1, "only the instance's first key: {keys}");
    Ok(())
}

/// An edge that restarts while somebody waits: the machine asks again by itself, under another code.
#[tokio::test]
async fn a_login_outlives_a_restart_of_the_edge() -> Result<()> {
    let mut world = World::builder().gates(0).edge(&["--drain-timeout", "1s"]).start().await?;
    let mut login = Machine { world: &world, started: 0 }.login()?;
    let first = code(&mut login).await?;
    world.restart_edge().await?;
    until("another code", async || login.said().matches("Its code:").count() == 2).await?;
    let said = login.said();
    let second = said.split("`mezusphere approve ").nth(2).context("no code")?.split('`').next().unwrap_or_default();
    ensure!(first != second, "{said}");
    world.administer(&["approve", second, "--yes"]).await?;
    assert_eq!(login.ended(Duration::from_secs(20)).await?, Some(0), "{}", login.said());
    Ok(())
}
