//! The library's front: say what to serve and where the edge is, start, and watch.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use mezu_model::{GateLabel, InvalidName, Label, Limits, Seed};
use mezu_runtime::{Scope, spawn_local};
use tokio::sync::watch;

use crate::{EdgeAddress, Ended, HealthCheck, InvalidHealthCheck, Stats, Status, Target, gate, gate::proxy::Proxy};

/// Connections to one edge, at most.
pub const DEFAULT_CONNECTIONS: usize = 8;

/// Everything a Warpgate needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    pub edge: EdgeAddress,
    pub seed: Seed,
    /// Extra certificate authorities for the edge, in PEM form.
    pub ca: Option<PathBuf>,
    pub proxy: Option<Proxy>,
    /// Connections held at most; the edge says how many it has use for.
    pub connections: usize,
    pub workloads: Vec<WorkloadConfig>,
    pub limits: Limits,
}

/// One workload.
#[derive(Debug, Clone)]
pub struct WorkloadConfig {
    pub name: Label,
    pub target: Target,
    /// Sent as Host instead of the public name.
    pub host_header: Option<String>,
    /// Takes any certificate of an `https` target.
    pub insecure_tls: bool,
    /// Sets this gate apart: it takes only what is sent to this label, such as requests to a preview's host.
    pub label: Option<GateLabel>,
    /// Whether it is well is asked in this way; without one it always is.
    pub health: Option<HealthCheck>,
    pub labels: BTreeMap<String, String>,
}

impl WorkloadConfig {
    pub fn new(name: Label, target: Target) -> Self {
        Self {
            name,
            target,
            host_header: None,
            insecure_tls: false,
            label: None,
            health: None,
            labels: BTreeMap::new(),
        }
    }
}

/// Why a Warpgate was not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("no edge was given")]
    NoEdge,
    #[error("no key was given")]
    NoKey,
    #[error("no workload was given")]
    NoWorkload,
    #[error("two workloads are called {0}")]
    SameName(Label),
    #[error("the workload's name is not valid")]
    Name(#[from] InvalidName),
    #[error("the health check of {0}: {1}")]
    Health(Label, #[source] InvalidHealthCheck),
    #[error("the thread cannot be started")]
    Thread(#[from] io::Error),
}

/// Builds and starts Warpgates.
#[derive(Debug)]
pub struct Warpgate;

/// See [`Warpgate::builder`].
#[derive(Debug, Default)]
pub struct Builder {
    edge: Option<EdgeAddress>,
    seed: Option<Seed>,
    ca: Option<PathBuf>,
    proxy: Option<Proxy>,
    connections: Option<usize>,
    workloads: Vec<WorkloadConfig>,
}

impl Warpgate {
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Starts, on a thread of its own, with a configuration that is already whole.
    pub fn start(config: Config) -> Result<Handle, BuildError> {
        let (handle, there) = assemble(config)?;
        let runtime = runtime()?;
        let thread = std::thread::Builder::new().name("warpgate".into()).spawn(move || {
            mezu_runtime::thread::prefer_batches();
            tokio::task::LocalSet::new().block_on(&runtime, there.run());
            runtime.shutdown_background();
        })?;
        *handle.thread.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
        Ok(handle)
    }

    /// Runs on this thread until `front` is done, which watches and steers by the handle. For programs that do nothing
    /// else: one thread less.
    pub fn run<R>(config: Config, front: impl AsyncFnOnce(&Handle) -> R) -> Result<R, BuildError> {
        let (handle, there) = assemble(config)?;
        let runtime = runtime()?;
        mezu_runtime::thread::prefer_batches();
        let result = tokio::task::LocalSet::new().block_on(&runtime, async {
            spawn_local(&Scope::new(), "gate", there.run());
            front(&handle).await
        });
        runtime.shutdown_background();
        Ok(result)
    }
}

/// What runs on the thread.
struct There {
    config: Config,
    stats: Arc<Stats>,
    status: watch::Sender<Status>,
    stop: Scope,
}

impl There {
    async fn run(self) {
        let ended = gate::run(self.config, self.stats, self.status.clone(), self.stop).await;
        self.status.send_modify(|status| status.ended = Some(ended));
    }
}

fn assemble(config: Config) -> Result<(Handle, There), BuildError> {
    check(&config)?;
    tracing::debug!(edge = %config.edge, workloads = config.workloads.len(), "starting");
    let stats = Arc::new(Stats::default());
    let (sender, status) = watch::channel(Status::default());
    let stop = Scope::new();
    let there = There { config, stats: stats.clone(), status: sender, stop: stop.clone() };
    Ok((Handle { status, stats, stop, thread: Mutex::new(None) }, there))
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(4).build()
}

fn check(config: &Config) -> Result<(), BuildError> {
    if config.workloads.is_empty() {
        return Err(BuildError::NoWorkload);
    }
    for (i, one) in config.workloads.iter().enumerate() {
        if config.workloads.iter().take(i).any(|other| other.name == one.name) {
            return Err(BuildError::SameName(one.name.clone()));
        }
        if let Some(check) = &one.health {
            check.check(&one.target).map_err(|why| BuildError::Health(one.name.clone(), why))?;
        }
    }
    Ok(())
}

impl Builder {
    pub fn edge(mut self, edge: EdgeAddress) -> Self {
        self.edge = Some(edge);
        self
    }

    /// The service-account key's secret.
    pub fn key(mut self, seed: Seed) -> Self {
        self.seed = Some(seed);
        self
    }

    /// A PEM file with certificate authorities to trust besides the system's.
    pub fn ca(mut self, file: impl Into<PathBuf>) -> Self {
        self.ca = Some(file.into());
        self
    }

    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = Some(proxy);
        self
    }

    pub fn connections(mut self, most: usize) -> Self {
        self.connections = Some(most);
        self
    }

    /// Adds a workload under a name, which becomes part of its public URL.
    pub fn workload(mut self, name: Label, target: Target) -> Self {
        self.workloads.push(WorkloadConfig::new(name, target));
        self
    }

    pub fn workload_config(mut self, workload: WorkloadConfig) -> Self {
        self.workloads.push(workload);
        self
    }

    /// Starts on a thread of its own and returns at once.
    pub fn start(self) -> Result<Handle, BuildError> {
        Warpgate::start(Config {
            edge: self.edge.ok_or(BuildError::NoEdge)?,
            seed: self.seed.ok_or(BuildError::NoKey)?,
            ca: self.ca,
            proxy: self.proxy,
            connections: self.connections.unwrap_or(DEFAULT_CONNECTIONS),
            workloads: self.workloads,
            limits: Limits::default(),
        })
    }
}

/// A running Warpgate. Dropping it drains in the background.
#[derive(Debug)]
pub struct Handle {
    status: watch::Receiver<Status>,
    stats: Arc<Stats>,
    stop: Scope,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Handle {
    /// The state now and its changes.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    pub fn stats(&self) -> Arc<Stats> {
        self.stats.clone()
    }

    /// Waits until the edge has given every workload its URL; an error when it will not.
    pub async fn urls(&self) -> Result<Vec<String>, Ended> {
        let mut status = self.status.clone();
        let known =
            status.wait_for(|s| s.ended.is_some() || (s.is_online() && s.workloads.iter().all(|w| w.url.is_some())));
        let known = known.await.map_err(|_| Ended::Cut)?;
        match &known.ended {
            Some(ended) => Err(ended.clone()),
            None => Ok(known.workloads.iter().filter_map(|workload| workload.url.clone()).collect()),
        }
    }

    /// Takes no more requests and finishes those in flight; [`Self::ended`] says when that is done.
    pub fn drain(&self) {
        self.stop.stop();
    }

    /// Whether a drain was asked for.
    pub fn is_draining(&self) -> bool {
        self.stop.is_stopping()
    }

    /// Waits for the end and says why it came.
    pub async fn ended(&self) -> Ended {
        let mut status = self.status.clone();
        match status.wait_for(|status| status.ended.is_some()).await {
            Ok(status) => status.ended.clone().unwrap_or(Ended::Cut),
            Err(_) => Ended::Cut,
        }
    }

    /// Waits for the thread itself, blocking.
    pub fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.stop.stop();
    }
}
