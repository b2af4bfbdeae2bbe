//! Starting and stopping an edge.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use mezu_model::{Aim, GateLabel, WorkloadId};
use mezu_runtime::Chain;
use mezu_snapshot::Snapshot;
use mezu_tunnel::proto::ByteBudget;
use mezu_tunnel::{carrier, tls};
use rustls::server::ResolvesServerCert;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, watch};
use tracing::{error, info};

use crate::access_log::AccessLog;
use crate::admission::Admission;
use crate::config::EdgeConfig;
use crate::drain::{self, Stops};
use crate::enrol::Enrol;
use crate::listen::{self, Listeners};
use crate::metrics::Metrics;
use crate::nofile;
use crate::placement::{KeysUsed, Placement};
use crate::presence::Presence;
use crate::routes::{Compiled, Table, Uncompilable};
use crate::shared::Shared;
use crate::worker::{self, Command, MAILBOX, Start};

/// Why an edge did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {address}")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("cannot open the access log")]
    AccessLog(#[source] io::Error),
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    #[error("TLS settings")]
    Tls(#[from] rustls::Error),
    #[error("the first snapshot cannot be served from")]
    Snapshot(#[from] Uncompilable),
}

/// An edge to be started.
pub struct Edge;

/// A running edge. Dropping it stops the edge at once; [`EdgeHandle::drain`] stops it without losing anything.
pub struct EdgeHandle {
    pub(crate) shared: Arc<Shared>,
    stops: Stops,
    http: Option<SocketAddr>,
}

impl Edge {
    /// Binds, starts the workers and serves. Returns once connections are taken.
    pub fn start(
        config: EdgeConfig,
        snapshots: watch::Receiver<Arc<Snapshot>>,
        enrol: Arc<dyn Enrol>,
    ) -> Result<EdgeHandle, StartError> {
        let first = Compiled::first(Arc::clone(&snapshots.borrow()))?;
        let (tables_out, tables) = watch::channel(Arc::clone(&first.table));
        let workers = config.workers.get();
        let (https, mut https_listeners) = bind_all(config.https, workers)?;
        let (http, mut http_listeners) = match config.http {
            Some(address) => bind_all(address, workers).map(|(address, all)| (Some(address), all))?,
            None => (None, Vec::new()),
        };
        let (mailboxes, mut inboxes): (Vec<_>, Vec<_>) =
            (0..workers).map(|_| mpsc::channel::<Command>(MAILBOX)).unzip();
        let shared = Arc::new(shared(config, https, enrol, tables.clone(), mailboxes)?);
        let stops = Stops::default();
        // Held from here on, so that an error half-way stops the threads that run already.
        let handle = EdgeHandle { shared: Arc::clone(&shared), stops: stops.clone(), http };
        for (index, mailbox) in inboxes.drain(..).enumerate().rev() {
            let Some(https) = https_listeners.pop() else { break };
            let listeners = Listeners { https, http: http_listeners.pop() };
            let (shared, stops, tables) = (Arc::clone(&shared), stops.clone(), tables.clone());
            let start = Start { index, shared, listeners, mailbox, tables, stops };
            spawn_thread(format!("edge-{index}"), move |runtime| worker::run(runtime, start))?;
        }
        let ends = stops.workers.clone();
        let told = Arc::clone(&shared);
        spawn_thread("edge-snapshots".to_owned(), move |runtime| {
            runtime.block_on(async {
                tokio::select! {
                    () = follow(snapshots, first, tables_out, &told) => {}
                    () = ends.stopping() => {}
                }
            });
        })?;
        shared.ready.store(true, Ordering::Relaxed);
        Ok(handle)
    }
}

fn bind_all(address: SocketAddr, workers: usize) -> Result<(SocketAddr, Vec<std::net::TcpListener>), StartError> {
    let fail = |source| StartError::Listen { address, source };
    let first = listen::bind(address).map_err(fail)?;
    // Port 0 is chosen once and shared.
    let bound = first.local_addr().map_err(fail)?;
    let mut all = vec![first];
    for _ in 1..workers {
        all.push(listen::bind(bound).map_err(fail)?);
    }
    Ok((bound, all))
}

fn shared(
    config: EdgeConfig,
    https: SocketAddr,
    enrol: Arc<dyn Enrol>,
    tables: watch::Receiver<Arc<Table>>,
    mailboxes: Vec<mpsc::Sender<Command>>,
) -> Result<Shared, StartError> {
    let EdgeConfig { certs, mut limits, public_port, tunnel_memory, access_log, asked, .. } = config;
    limits.connections = nofile::connections(limits.connections);
    let workers = mailboxes.len();
    let resolver: Arc<dyn ResolvesServerCert> = Arc::clone(&certs) as Arc<dyn ResolvesServerCert>;
    let metrics = Metrics::new(workers);
    let memory = ByteBudget::new(tunnel_memory);
    let generation = tables.borrow().generation;
    let access_log = access_log.map(|target| AccessLog::open(&target, metrics.log_drops())).transpose();
    Ok(Shared {
        https,
        public_port: public_port.unwrap_or(https.port()),
        client_tls: Arc::new(tls::client_facing(Arc::clone(&resolver))?),
        tunnel_tls: Arc::new(carrier::edge_config(resolver)?),
        certs,
        enrol,
        asked,
        admission: Arc::new(Admission::new(&limits)),
        presence: Arc::new(Presence::new(workers)),
        placement: Arc::new(Placement::new(workers, limits.tunnels_per_key, memory.clone())),
        memory,
        in_flight_per_worker: limits.in_flight.div_ceil(workers),
        in_flight_per_org: limits.in_flight_per_org.div_ceil(workers),
        tables,
        mailboxes,
        refusal: watch::channel(None).0,
        served: (0..workers).map(|_| AtomicU64::new(generation)).collect(),
        loads: (0..workers).map(|_| AtomicUsize::new(0)).collect(),
        metrics,
        access_log: Mutex::new(access_log.map_err(StartError::AccessLog)?),
        ready: AtomicBool::new(false),
        limits,
    })
}

/// Starts a thread with a runtime of its own.
fn spawn_thread(name: String, body: impl FnOnce(&Runtime) + Send + 'static) -> Result<(), StartError> {
    let runtime = Builder::new_current_thread().enable_all().build().map_err(StartError::Thread)?;
    let thread = thread::Builder::new().name(name).spawn(move || body(&runtime));
    thread.map(drop).map_err(StartError::Thread)
}

/// Compiles every new snapshot, off the hot path. One that cannot be served from is reported and the last good one
/// stays.
async fn follow(
    mut snapshots: watch::Receiver<Arc<Snapshot>>,
    mut served: Compiled,
    tables: watch::Sender<Arc<Table>>,
    shared: &Shared,
) {
    while snapshots.changed().await.is_ok() {
        let snapshot = Arc::clone(&snapshots.borrow_and_update());
        let generation = snapshot.generation;
        match served.next(snapshot) {
            Ok(next) => {
                info!(generation, "snapshot");
                tables.send_replace(Arc::clone(&next.table));
                served = next;
                shared.refusal.send_replace(None);
            }
            Err(problem) => {
                shared.refusal.send_replace(Some(Chain(&problem).to_string().into()));
                shared.metrics.refused_snapshot();
                error!(generation, problem = %Chain(&problem), "snapshot refused; the last good one stays");
            }
        }
    }
    // Control is gone: what is known stays in force.
    std::future::pending().await
}

impl EdgeHandle {
    /// Where clients and gates connect.
    pub fn https_addr(&self) -> SocketAddr {
        self.shared.https
    }

    /// Where plain HTTP is redirected from.
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.http
    }

    /// Whether new connections are welcome.
    pub fn is_ready(&self) -> bool {
        self.shared.ready.load(Ordering::Relaxed)
    }

    /// The generation of the snapshot that every worker serves from, or a later one.
    pub fn generation(&self) -> u64 {
        let served = self.shared.served.iter().map(|served| served.load(Ordering::Relaxed));
        served.min().unwrap_or_default()
    }

    /// Why the newest snapshot is not served from, if it is not.
    pub fn refusal(&self) -> Option<Arc<str>> {
        self.shared.refusal.borrow().clone()
    }

    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.shared.metrics)
    }

    /// Gates that serve a workload now.
    pub fn gates(&self, workload: WorkloadId) -> u32 {
        self.shared.presence.reach(workload).gates()
    }

    /// Gates that are connected for a workload and take no requests, because it is not well there.
    pub fn unwell_gates(&self, workload: WorkloadId) -> u32 {
        self.shared.presence.reach(workload).unwell()
    }

    /// The labels that gates of a workload wear now, and how many gates wear each.
    pub fn labels(&self, workload: WorkloadId) -> Vec<(GateLabel, u32)> {
        let labels = &self.shared.presence.labels;
        let gates = |label: GateLabel| {
            let aim = Aim { workload, label: Some(label.clone()) };
            Some((label, labels.reach(&aim)?.gates()))
        };
        labels.of(workload).into_iter().filter_map(gates).collect()
    }

    /// Which keys have tunnels, or had since this was asked before.
    pub fn keys_used(&self) -> KeysUsed {
        self.shared.placement.keys_used()
    }

    /// Client connections open now.
    pub fn connections(&self) -> usize {
        self.shared.admission.open()
    }

    /// Stops without losing anything; see [`drain::drain`] for the order.
    pub async fn drain(&self) {
        drain::drain(&self.shared, &self.stops).await;
    }
}

impl Drop for EdgeHandle {
    fn drop(&mut self) {
        self.shared.ready.store(false, Ordering::Relaxed);
        self.stops.workers.stop();
    }
}
