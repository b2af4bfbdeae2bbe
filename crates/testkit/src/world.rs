//! The whole system in a box: an edge, Warpgates and a workload, each test its own.
//!
//! Edge and Warpgates are the programs that ship, started as a user starts them, so a test can stop, kill and measure
//! them. Ports are free ones, data is in a folder that goes away with the world.

use crate::process::{Process, program};
use crate::{Target, Workload, until};
use anyhow::{Context as _, Result, ensure};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub const BASE_DOMAIN: &str = "mezusphere.localhost";
/// The name of the workload in every world.
pub const NAME: &str = "echo";

/// What a world is made of.
#[derive(Debug, Clone)]
pub struct Builder {
    gates: usize,
    edge_arguments: Vec<String>,
    gate_arguments: Vec<String>,
    route: Option<Vec<String>>,
    target: Option<String>,
}

impl Builder {
    #[must_use]
    pub fn gates(mut self, count: usize) -> Self {
        self.gates = count;
        self
    }

    /// More arguments for `mezusphere up`.
    #[must_use]
    pub fn edge(mut self, arguments: &[&str]) -> Self {
        self.edge_arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// More arguments for `warpgate http`.
    #[must_use]
    pub fn gate(mut self, arguments: &[&str]) -> Self {
        self.gate_arguments.extend(arguments.iter().map(|argument| (*argument).to_owned()));
        self
    }

    /// What Warpgate is told to forward to, instead of the world's workload.
    #[must_use]
    pub fn target(mut self, target: &str) -> Self {
        self.target = Some(target.into());
        self
    }

    /// More arguments for `mezusphere route add`, which gives the workload its own route, at [`World::routed`].
    #[must_use]
    pub fn route(mut self, arguments: &[&str]) -> Self {
        self.route = Some(arguments.iter().map(|argument| (*argument).to_owned()).collect());
        self
    }

    pub async fn start(self) -> Result<World> {
        World::build(self).await
    }
}

pub struct World {
    /// The workload's public name at the edge.
    pub target: Target,
    pub workload: Workload,
    pub edge: Process,
    pub gates: Vec<Process>,
    pub admin: SocketAddr,
    pub http: SocketAddr,
    plan: Builder,
    started: usize,
    ports: Ports,
    folder: TempDir,
}

impl World {
    /// One edge, one gate, one workload.
    pub async fn start() -> Result<Self> {
        Self::builder().start().await
    }

    pub fn builder() -> Builder {
        Builder { gates: 1, edge_arguments: Vec::new(), gate_arguments: Vec::new(), route: None, target: None }
    }

    async fn build(plan: Builder) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("mezu-world-").tempdir()?;
        let workload = Workload::start().await?;
        let ports = Ports::take()?;
        let [https, http, admin] = ports.addresses();
        let edge = start_edge(folder.path(), [https, http, admin], &plan.edge_arguments)?;
        let (data, log) = (folder.path().join("data"), folder.path().join("edge.log"));
        let mut edge = edge;
        let ready = until("the edge", async || {
            edge.ensure_running().is_err() || data.join("first-key").exists() && TcpStream::connect(https).await.is_ok()
        });
        ready.await.with_context(|| std::fs::read_to_string(&log).unwrap_or_default())?;
        edge.ensure_running()?;
        let target = Target::new(https, &format!("{NAME}.{BASE_DOMAIN}"), &data.join("ca.pem"))?;
        let gates = Vec::new();
        let mut world = Self { target, workload, edge, gates, admin, http, plan, started: 0, ports, folder };
        for _ in 0..world.plan.gates {
            world.add_gate().await?;
        }
        if let Some(route) = world.plan.route.clone() {
            world.add_route(&route).await?;
        }
        Ok(world)
    }

    /// Starts one more Warpgate for the same workload and waits until it is registered.
    pub async fn add_gate(&mut self) -> Result<()> {
        let gate = self.start_gate()?;
        self.wait_for(gate).await
    }

    /// Starts a Warpgate for another workload and waits until it is registered.
    pub async fn add_gate_for(&mut self, name: &str, workload: &Workload) -> Result<()> {
        let gate = self.start_gate_for(name, workload.address().to_string())?;
        self.wait_for(gate).await
    }

    async fn wait_for(&mut self, mut gate: Process) -> Result<()> {
        let ready =
            until("the gate", async || gate.ensure_running().is_err() || gate.said().contains("https://")).await;
        ready.with_context(|| format!("warpgate: {}\nedge: {}", gate.said(), self.edge.said()))?;
        gate.ensure_running()?;
        self.gates.push(gate);
        Ok(())
    }

    /// Starts one more Warpgate without waiting for it.
    pub fn start_gate(&mut self) -> Result<Process> {
        let target = self.plan.target.clone().unwrap_or_else(|| self.workload.address().to_string());
        self.start_gate_for(NAME, target)
    }

    fn start_gate_for(&mut self, name: &str, target: String) -> Result<Process> {
        self.started += 1;
        let mut arguments = vec!["http".into(), target, "--name".into(), name.into()];
        arguments.extend(["--edge".into(), format!("{BASE_DOMAIN}:{}", self.target.address.port())]);
        arguments.extend(["--ca".into(), self.path("data/ca.pem"), "--key-file".into(), self.path("data/first-key")]);
        arguments.extend(self.plan.gate_arguments.iter().cloned());
        let log = self.folder.path().join(format!("gate-{}.log", self.started));
        Process::start(&program("warpgate")?, &arguments, log)
    }

    /// Ends the edge (by `TERM`, waiting for its drain) and starts it anew on the same addresses and data.
    pub async fn restart_edge(&mut self) -> Result<()> {
        self.stop_edge().await?;
        self.start_edge().await
    }

    /// Ends the edge, by `TERM`, and waits for its drain.
    pub async fn stop_edge(&mut self) -> Result<()> {
        self.edge.signal("TERM").await?;
        self.edge.ended(Duration::from_secs(45)).await?;
        Ok(())
    }

    /// Starts the edge anew after [`World::stop_edge`].
    pub async fn start_edge(&mut self) -> Result<()> {
        self.edge = start_edge(self.folder.path(), self.ports.addresses(), &self.plan.edge_arguments)?;
        let address = self.target.address;
        let edge = &mut self.edge;
        until("the edge", async || edge.ensure_running().is_err() || TcpStream::connect(address).await.is_ok()).await?;
        self.edge.ensure_running()
    }

    /// The same with other arguments than those of [`Builder::edge`], from now on.
    pub async fn start_edge_with(&mut self, arguments: &[&str]) -> Result<()> {
        self.plan.edge_arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        self.start_edge().await
    }

    /// The route of [`Builder::route`].
    pub fn routed(&self) -> Target {
        self.target.named(&format!("routed.{BASE_DOMAIN}"))
    }

    async fn add_route(&self, more: &[String]) -> Result<()> {
        let host = format!("routed.{BASE_DOMAIN}");
        let mut arguments = vec!["route", "add", &host, "--workload", NAME];
        arguments.extend(more.iter().map(String::as_str));
        self.administer(&arguments).await?;
        let routed = self.routed();
        until("the route", async || match routed.h1().await {
            Ok(mut client) => {
                client.send(crate::Request::new("OPTIONS", "/")).await.is_ok_and(|answer| answer.status != 404)
            }
            Err(_) => false,
        })
        .await
    }

    /// Runs a command of `mezusphere` on the running instance; gives what it printed.
    pub async fn administer(&self, arguments: &[&str]) -> Result<String> {
        let data = self.path("data");
        let mut command = tokio::process::Command::new(program("mezusphere")?);
        let output = command.args(arguments).args(["--data", &data]).kill_on_drop(true).output();
        let output = crate::patiently("a command", output).await??;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success(), "{arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
        Ok(said)
    }

    /// GET on the admin address; the body of a 200, an error otherwise.
    pub async fn admin_get(&self, path: &str) -> Result<String> {
        let mut stream = TcpStream::connect(self.admin).await?;
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n").as_bytes()).await?;
        let mut text = String::new();
        crate::patiently("the admin listener", stream.read_to_string(&mut text)).await??;
        ensure!(text.starts_with("HTTP/1.1 200"), "{path}: {text}");
        Ok(text.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned()))
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub fn ca(&self) -> PathBuf {
        self.folder.path().join("data/ca.pem")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("edge said:\n{}", self.edge.said());
            for gate in &self.gates {
                eprintln!("gate said:\n{}", gate.said());
            }
        }
    }
}

fn start_edge(folder: &Path, [https, http, admin]: [SocketAddr; 3], more: &[String]) -> Result<Process> {
    let mut arguments: Vec<String> = vec!["up".into(), "--data".into(), folder.join("data").display().to_string()];
    for (flag, address) in [("--https", https), ("--http", http), ("--admin", admin)] {
        arguments.extend([flag.into(), address.to_string()]);
    }
    arguments.extend(["--base-domain".into(), BASE_DOMAIN.into()]);
    arguments.extend_from_slice(more);
    Process::start(&program("mezusphere")?, &arguments, folder.join("edge.log"))
}

/// Worlds of this process so far.
static TAKEN: AtomicU64 = AtomicU64::new(0);

/// Three ports that no other world has. An edge shares its port with whoever asks (`SO_REUSEPORT`), so the kernel would
/// not notice two worlds on one: a UDP socket held on the same number is the lock.
struct Ports {
    held: Vec<UdpSocket>,
}

impl Ports {
    fn take() -> Result<Self> {
        let mut held = Vec::new();
        // Below the range from which the kernel takes ports for outgoing connections; begun at a place of our own.
        let start = u64::from(std::process::id()) * 7919 + TAKEN.fetch_add(1, Ordering::Relaxed) * 104_729;
        for port in (0..10_000).map(|step| 20_000 + ((start + step) % 10_000) as u16) {
            let address = (Ipv4Addr::LOCALHOST, port);
            if let Ok(socket) = UdpSocket::bind(address)
                && std::net::TcpListener::bind(address).is_ok()
            {
                held.push(socket);
            }
            if held.len() == 3 {
                return Ok(Self { held });
            }
        }
        anyhow::bail!("no free ports")
    }

    fn addresses(&self) -> [SocketAddr; 3] {
        std::array::from_fn(|at| self.held[at].local_addr().expect("a bound socket has an address"))
    }
}
