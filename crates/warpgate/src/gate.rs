//! The connections to the edge: dialled, held, and dialled again.
//!
//! One connection per worker of the edge, up to a cap. Trouble with the network never ends Warpgate; a refusal that
//! will not change does, with the edge's own words.

pub(crate) mod dial;
pub(crate) mod link;
pub mod proxy;
pub(crate) mod roots;
pub(crate) mod serve;
pub(crate) mod ways;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use mezu_model::{GateId, Seed};
use mezu_runtime::{Scope, spawn_local};
use mezu_tunnel::{
    Offer, Session,
    proto::{ByteBudget, Config as TunnelConfig, hello::HelloWorkload},
};
use rustls::ClientConfig;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, interval, timeout},
};

use crate::{
    Config, Ended, Health, Link, Status, health,
    stats::Stats,
    status::WorkloadStatus,
    workload::{Shared, Workload, dial::Dialer, request::Rewrite},
};

/// Body bytes that all tunnels together may hold.
const BUDGET: usize = 64 * 1024 * 1024;
/// How often idle workload connections are looked through.
const SWEEP: Duration = Duration::from_secs(5);
/// How long a stop waits for requests in flight.
const DRAIN: Duration = Duration::from_secs(30);

/// How long the closing of the tunnels may take.
const FAREWELL: Duration = Duration::from_millis(100);

/// What all connections share.
pub(crate) struct Gate {
    pub config: Config,
    pub seed: Seed,
    pub offer: Offer,
    pub tunnel: TunnelConfig,
    pub tls: Arc<ClientConfig>,
    /// For an https proxy.
    pub plain_tls: Option<Arc<ClientConfig>>,
    pub workloads: Rc<[Workload]>,
    pub shared: Rc<Shared>,
    pub status: watch::Sender<Status>,
    /// Stops dialling; requests go on.
    pub scope: Scope,
    /// Requests in flight.
    pub requests: Scope,
    pub crew: serve::Crew,
    /// The tunnels' own tasks.
    pub drivers: Scope,
    /// A connection to the edge has come to stand.
    pub came_up: Notify,
    /// Connections that are wanted now.
    pub wanted: Cell<usize>,
    pub sessions: RefCell<Vec<Held>>,
    pub next_id: Cell<u64>,
    pub ways: RefCell<ways::Ways>,
    pub refused: RefCell<Option<Ended>>,
    /// The workloads that are not well, each a bit by its place.
    pub unwell: Cell<u64>,
}

/// A session that has not ended.
pub(crate) struct Held {
    /// Never given twice.
    pub id: u64,
    /// Number of the connection that it is or was.
    pub index: usize,
    pub worker: u32,
    pub session: Session,
}

/// Runs until asked to stop or refused for good. Must run in a `LocalSet`.
pub(crate) async fn run(config: Config, stats: Arc<Stats>, status: watch::Sender<Status>, stop: Scope) -> Ended {
    let gate = match prepare(config, stats, status, stop) {
        Ok(gate) => Rc::new(gate),
        Err(error) => return Ended::Failed(mezu_runtime::Chain(&error).to_string()),
    };
    spawn_local(&gate.scope, "sweep", sweep(gate.clone()));
    for (index, workload) in gate.config.workloads.iter().enumerate() {
        if let Some(check) = workload.health.clone() {
            gate.set_well(index, false);
            spawn_local(&gate.scope, "health", health::watch(gate.clone(), index, check));
        }
    }
    link::start(&gate, 0);
    gate.scope.stopping().await;
    if let Some(refused) = gate.refused.borrow_mut().take() {
        return refused;
    }
    drain(&gate).await
}

/// Lets the edge send no more, waits for what is in flight, then closes.
async fn drain(gate: &Rc<Gate>) -> Ended {
    gate.status.send_modify(|status| status.draining = true);
    gate.crew.dismiss();
    let sessions = std::mem::take(&mut *gate.sessions.borrow_mut());
    for held in &sessions {
        held.session.drain();
    }
    let all = async {
        for held in &sessions {
            held.session.closed().await;
        }
        gate.requests.finished().await;
    };
    let ended = if timeout(DRAIN, all).await.is_ok() { Ended::Drained } else { Ended::Cut };
    // What had to be said is said; the tunnels' farewell is a courtesy.
    let _ = timeout(FAREWELL, gate.drivers.finished()).await;
    ended
}

fn prepare(
    config: Config,
    stats: Arc<Stats>,
    status: watch::Sender<Status>,
    scope: Scope,
) -> Result<Gate, roots::RootsError> {
    let (roots, authorities) = roots::load(config.ca.as_deref())?;
    if let roots::Authorities::Bundled(_) = authorities {
        tracing::info!("this system has no certificate authorities; those that came with warpgate are used");
    }
    // The list of authorities is large: a second copy is made only where it is needed.
    let plain_tls = if needs_plain_tls(&config) { Some(roots::client(roots.clone())?) } else { None };
    let tls = Arc::new(mezu_tunnel::carrier::gate_config(roots)?);
    let shared = Shared::new(config.limits.clone(), stats);
    let mut workloads = Vec::new();
    for it in &config.workloads {
        let tls = if it.insecure_tls { Some(roots::unverified()?) } else { plain_tls.clone() };
        let dialer = Dialer::new(it.target.clone(), tls, config.limits.workload_connect);
        let rewrite = Rewrite { host: it.host_header.clone() };
        workloads.push(Workload::new(it.target.clone(), rewrite, dialer, shared.clone()));
    }
    status.send_modify(|status| {
        let shown = |it: &crate::WorkloadConfig| WorkloadStatus {
            name: it.name.to_string(),
            target: it.target.to_string(),
            url: None,
            health: it.health.as_ref().map(|_| Health::Unknown),
        };
        status.workloads = config.workloads.iter().map(shown).collect();
    });
    Ok(Gate {
        seed: config.seed.clone(),
        offer: offer(&config),
        tunnel: TunnelConfig::new(ByteBudget::new(BUDGET)),
        tls,
        plain_tls,
        workloads: workloads.into(),
        shared,
        status,
        requests: Scope::new(),
        crew: serve::Crew::default(),
        drivers: Scope::new(),
        scope,
        came_up: Notify::new(),
        wanted: Cell::new(1),
        sessions: RefCell::default(),
        next_id: Cell::new(0),
        ways: RefCell::default(),
        refused: RefCell::default(),
        unwell: Cell::new(0),
        config,
    })
}

fn needs_plain_tls(config: &Config) -> bool {
    let https = |it: &crate::WorkloadConfig| matches!(it.target, crate::Target::Https(_));
    config.proxy.as_ref().is_some_and(|proxy| proxy.kind == proxy::Kind::Https) || config.workloads.iter().any(https)
}

fn offer(config: &Config) -> Offer {
    let gate_id: GateId = mezu_runtime::id::new();
    let workload = |it: &crate::WorkloadConfig| HelloWorkload {
        name: it.name.clone(),
        label: it.label.clone(),
        labels: it.labels.clone(),
    };
    Offer {
        gate_id,
        workloads: config.workloads.iter().map(workload).collect(),
        agent: concat!("warpgate/", env!("CARGO_PKG_VERSION")).to_owned(),
    }
}

/// Closes idle workload connections that are too old, and says how the tunnels do.
async fn sweep(gate: Rc<Gate>) {
    let mut ticks = interval(SWEEP);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = gate.scope.stopping() => return,
        }
        let now = Instant::now();
        for workload in gate.workloads.iter() {
            workload.pool.sweep(now);
        }
        for held in gate.sessions.borrow().iter().filter(|held| held.session.is_open()) {
            gate.tell(held.index, Link::Online { worker: held.worker, rtt: held.session.rtt() });
        }
    }
}

impl Gate {
    /// Changes what is told of one connection.
    pub(crate) fn tell(&self, index: usize, link: Link) {
        self.status.send_if_modified(|status| {
            while status.links.len() <= index {
                status.links.push(Link::Closed);
            }
            match status.links.get_mut(index) {
                Some(slot) if *slot != link => {
                    *slot = link;
                    true
                }
                _ => false,
            }
        });
    }

    /// Whether the workload at a place is to get requests: told on every connection, and on those to come.
    pub(crate) fn set_well(&self, index: usize, is_well: bool) {
        let bit = u32::try_from(index).ok().and_then(|index| 1u64.checked_shl(index)).unwrap_or(0);
        let before = self.unwell.get();
        self.unwell.set(if is_well { before & !bit } else { before | bit });
        for held in self.sessions.borrow().iter() {
            held.session.tell_health(self.unwell.get());
        }
    }

    /// Changes what is shown of a workload's health.
    pub(crate) fn note_health(&self, index: usize, health: Health) {
        self.status.send_if_modified(|status| match status.workloads.get_mut(index) {
            Some(workload) if workload.health.as_ref() != Some(&health) => {
                workload.health = Some(health);
                true
            }
            _ => false,
        });
    }

    /// Ends everything because the edge will not change its mind.
    pub(crate) fn refuse(&self, ended: Ended) {
        self.refused.borrow_mut().get_or_insert(ended);
        self.scope.stop();
    }
}

#[cfg(test)]
mod tests;
