//! `mezusphere up`: all roles in one process.
//!
//! ```text
//! data directory (lock) ─► certificate ─► store ─► first key ─► publisher ─► edge ─► admin listener, local socket
//! ```
//!
//! Each step needs the one before. When the store fails and a last good snapshot is on disk, the instance starts from
//! that and opens the store when it can: requests are served, changes are refused. Stopping runs the other way round:
//! see [`Running::drain`].
//!
//! Everything here runs on the caller's runtime, the edge on threads of its own: control may be slow, requests not.

mod admin;
mod asked;
mod authority;
mod backup;
mod certificates;
mod clock;
mod data_dir;
mod edge_view;
mod enrol;
mod error;
mod first_key;
mod key_uses;
mod last_good;
mod live;
mod local_http;
mod new_names;
mod ops;
mod places;
mod ports;
mod publisher;
mod saver;
mod seal_key;
mod settings;
mod setup_token;
mod socket;
mod store_slot;

pub use authority::Source;
pub use backup::{backup, restore, verify_audit};
pub use error::UpError;
pub use settings::{ADMIN, BASE_DOMAIN, HttpWish, Settings};

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mezu_control::{Control, Machines, Parts};
use mezu_edge::{Edge, EdgeConfig};
use mezu_model::{Hostname, Seed};
use mezu_runtime::Scope;
use tokio::net::{TcpListener, UnixListener};

use asked::AskedControl;
use certificates::Certificates;
use data_dir::DataDir;
use enrol::Enroller;
use key_uses::KeyUses;
use last_good::LastGood;
use live::Live;
use ops::{Ops, Place};
use publisher::Publisher;

/// A running instance.
pub struct Running {
    ops: Arc<Ops>,
    key_uses: KeyUses,
    scope: Scope,
    first_key: Option<Seed>,
    notes: Vec<String>,
    drain_timeout: Duration,
    // Last: the lock is let go only after everything else is.
    data: Arc<DataDir>,
}

impl Running {
    /// Starts all roles; returns once requests are served.
    ///
    /// # Errors
    /// Says what stands in the way and what to do.
    pub async fn start(settings: Settings) -> Result<Self, UpError> {
        let scope = Scope::new();
        let started = start(settings, &scope).await;
        if started.is_err() {
            scope.stop();
            scope.finished().await;
        }
        started
    }

    #[must_use]
    pub fn https_addr(&self) -> SocketAddr {
        self.ops.place.https
    }

    #[must_use]
    pub fn http_addr(&self) -> Option<SocketAddr> {
        self.ops.place.http
    }

    /// The port that clients use: that of [`Running::https_addr`] unless a mapping in front changes it.
    #[must_use]
    pub fn public_port(&self) -> u16 {
        self.ops.place.public_port
    }

    #[must_use]
    pub fn admin_addr(&self) -> SocketAddr {
        self.ops.place.admin
    }

    #[must_use]
    pub fn base_domain(&self) -> &Hostname {
        &self.ops.place.base
    }

    #[must_use]
    pub fn data(&self) -> &Path {
        self.data.path()
    }

    /// Where the store is, without the password.
    #[must_use]
    pub fn store(&self) -> &str {
        &self.ops.place.store
    }

    /// The certificate of the private CA. None when the operator brought a certificate.
    #[must_use]
    pub fn ca_file(&self) -> Option<PathBuf> {
        self.ops.certificates.is_private().then(|| self.data.file("ca.pem"))
    }

    /// The file that holds the first key, whether it was made now or at an earlier start.
    #[must_use]
    pub fn first_key_file(&self) -> PathBuf {
        self.data.file(first_key::FILE)
    }

    /// The first key, if it was made by this start. It can be taken once, so that it does not stay in memory.
    pub fn take_first_key(&mut self) -> Option<Seed> {
        self.first_key.take()
    }

    /// The file that holds the token of the first run.
    #[must_use]
    pub fn setup_token_file(&self) -> PathBuf {
        self.data.file(setup_token::FILE)
    }

    /// The token that makes the first owner, while nobody is a member.
    #[must_use]
    pub fn setup_token(&self) -> Option<String> {
        setup_token::read(&self.data)
    }

    /// Whether no workload was ever connected.
    #[must_use]
    pub fn awaits_first_workload(&self) -> bool {
        self.ops.publisher.current().workloads.is_empty()
    }

    /// What a person should know about this start.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Stops in order, each step for a reason:
    /// 1. readiness goes, so that balancers look elsewhere;
    /// 2. the edge drains: it refuses nothing that has begun, and gates move over before their tunnels close;
    /// 3. the admin listener and the socket go last but for the store, so that the drain can be watched;
    /// 4. the store closes, then the directory is free for the next process.
    pub async fn drain(self) {
        self.ops.draining.store(true, Ordering::Relaxed);
        tracing::info!(seconds = self.drain_timeout.as_secs(), "draining");
        if let Some(edge) = self.ops.live.edge() {
            edge.drain().await;
        }
        self.key_uses.finish().await;
        self.scope.stop();
        self.scope.finished().await;
        if let Some(store) = self.ops.store.get() {
            store.close().await;
        }
        let _ = std::fs::remove_file(self.data.file(crate::api::SOCKET));
        tracing::info!("stopped");
    }
}

impl Drop for Running {
    /// Without a drain everything is cut.
    fn drop(&mut self) {
        self.scope.stop();
    }
}

async fn start(settings: Settings, scope: &Scope) -> Result<Running, UpError> {
    if !settings.admin.ip().is_loopback() && !settings.admin_public {
        return Err(UpError::AdminPublic(settings.admin));
    }
    let started = (Instant::now(), clock::now());
    let data = Arc::new(DataDir::open(&settings.data)?);
    let base = settings.base_domain.clone();
    let certificates = Certificates::open(settings.certificate.clone(), Arc::clone(&data), base.clone())?;
    let certificates = Arc::new(certificates);

    let directory = data.file("snapshots");
    let last_good = LastGood::open(directory.clone()).map_err(|source| UpError::DataDir { path: directory, source })?;
    let known = last_good.load();
    let seal = seal_key::ensure(&data)?;
    let store_url = store_slot::url(data.path(), settings.store.as_ref());
    let (store, first_key) = store_slot::open(&data, &store_url, known.is_some(), scope).await?;
    let publisher = Publisher::start(scope, store.clone(), base.clone(), last_good, known).await;

    // Bound before the edge serves: whoever sees it serve can also ask it.
    let admin = listen_admin(settings.admin).await?;
    let admin_addr = admin.local_addr().map_err(|source| listen_fault(settings.admin, "admin", source))?;
    let socket = bind_socket(&data)?;
    let live = Live::default();
    let enroller = Arc::new(Enroller::new(store.clone(), publisher.clone(), live.clone(), base.clone()));
    let machines = Machines::default();
    let asked = Arc::new(AskedControl::new(machines.clone()));
    let (https, http, notes) =
        start_edge(&settings, &certificates, &publisher, (enroller, Arc::clone(&asked)), &live).await?;
    certificates.keep_fresh(scope);

    let (started, started_at) = started;
    let place = Place {
        base,
        https,
        public_port: settings.public_port.unwrap_or(https.port()),
        http,
        admin: admin_addr,
        data: data.path().to_path_buf(),
        store: store_url.to_string(),
        started,
        started_at,
    };
    let draining = Arc::new(AtomicBool::new(false));
    let (seen, proofs) = (place.clone(), Arc::clone(&certificates));
    let seen = edge_view::Seen { publisher: publisher.clone(), live: live.clone(), certificates: proofs, place: seen };
    let names = vec![place.base.clone()];
    let parts = Parts { store: Arc::clone(&store), edge: Arc::new(seen), names, machines, scope: scope.clone(), seal };
    let control = Control::new(parts);
    asked.set(&control);
    go_rounds(scope, &control);
    let key_uses = KeyUses::start(scope, live.clone(), Arc::clone(&store));
    let ops = Arc::new(Ops { store, publisher, live, certificates, place, draining });
    let admin_router = admin::router(Arc::clone(&ops)).fallback_service(mezu_control::http::router(&control));
    let operators = mezu_control::http::operator_router(&control);
    let socket_router = socket::router(Arc::clone(&ops)).fallback_service(operators);
    local_http::serve(scope, "admin", admin, admin_router);
    local_http::serve(scope, "socket", socket, socket_router);
    Ok(Running { ops, key_uses, scope: scope.clone(), first_key, notes, drain_timeout: settings.drain_timeout, data })
}

/// Publishes by the clock, until the instance stops.
fn go_rounds(scope: &Scope, control: &Control) {
    let (task, control) = (scope.clone(), control.clone());
    mezu_runtime::spawn(scope, "rounds", async move {
        tokio::select! {
            () = task.stopping() => {}
            () = mezu_control::rounds::run(&control) => {}
        }
    });
}

async fn start_edge(
    settings: &Settings,
    certificates: &Certificates,
    publisher: &Publisher,
    (enroller, asked): (Arc<Enroller>, Arc<AskedControl>),
    live: &Live,
) -> Result<(SocketAddr, Option<SocketAddr>, Vec<String>), UpError> {
    let https = ports::https(settings.https)?;
    let http = match settings.http {
        HttpWish::Off => None,
        HttpWish::Default => Some(ports::http(None)?),
        HttpWish::At(address) => Some(ports::http(Some(address))?),
    };
    let mut config = EdgeConfig::new(https.address, http.as_ref().map(|choice| choice.address), certificates.store());
    if let Some(workers) = settings.workers {
        config.workers = workers;
    }
    config.limits = settings.limits.clone();
    config.limits.drain = settings.drain_timeout;
    config.public_port = settings.public_port;
    config.access_log = settings.access_log.clone();
    config.asked = Some(asked);
    let edge = Edge::start(config, publisher.snapshots(), enroller)
        .map_err(|error| UpError::Edge(mezu_runtime::Chain(&error).to_string()))?;
    let (https_addr, http_addr) = (edge.https_addr(), edge.http_addr());
    live.set(edge);
    let notes = [https.note, http.and_then(|choice| choice.note), certificates.warning()];
    let notes = notes.into_iter().flatten().collect();
    Ok((https_addr, http_addr, notes))
}

async fn listen_admin(address: SocketAddr) -> Result<TcpListener, UpError> {
    TcpListener::bind(address).await.map_err(|source| listen_fault(address, "admin", source))
}

fn bind_socket(data: &DataDir) -> Result<UnixListener, UpError> {
    let path = data.file(crate::api::SOCKET);
    socket::bind(&path).map_err(|source| UpError::Socket { path, source })
}

fn listen_fault(address: SocketAddr, flag: &'static str, source: std::io::Error) -> UpError {
    UpError::Listen { address, flag, source }
}

#[cfg(test)]
mod tests;
