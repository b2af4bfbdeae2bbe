//! One worker: a thread with its own runtime, listeners, connections and tunnels.
//!
//! Workers share nothing that a request touches. What must cross threads comes through a bounded mailbox: sockets
//! that another worker has too many of, tunnels that this one lacks, requests for a tunnel that only this one has.

use std::cell::{Cell, RefCell};
use std::net::TcpStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mezu_model::{Limits, OrgId, ResponseHead};
use mezu_runtime::{Scope, spawn_local};
use tokio::sync::{mpsc, watch};
use tokio::task::LocalSet;

use crate::access_log::Journal;
use crate::admission::Handshakes;
use crate::deadline::Deadlines;
use crate::drain::Stops;
use crate::gate_accept::{self, Arrival};
use crate::gates::Gates;
use crate::hop::{self, Hop};
use crate::http::Drain;
use crate::listen::{self, Listeners, Place};
use crate::metrics::WorkerMetrics;
use crate::mirror::{self, Mirrors};
use crate::orgs::Orgs;
use crate::recent::Recent;
use crate::room::Room;
use crate::routes::Table;
use crate::shared::Shared;

/// Commands that may wait for a worker. When a mailbox is full the sender does without.
pub(crate) const MAILBOX: usize = 1024;

/// Heads kept for later answers, per worker, and the text each may keep room for.
const SPARE_HEADS: usize = 64;

/// What one worker asks of another.
pub(crate) enum Command {
    /// A client for whom there is more room there.
    Client(TcpStream, Place),
    /// A tunnel that has said its hello.
    Gate(Box<Arrival>),
    /// A request for a workload whose tunnel is there.
    Hop(Box<Hop>),
    /// A question about what only that thread can see.
    Ask(Box<dyn FnOnce(&Worker) + Send>),
}

/// What a worker's thread starts with.
pub(crate) struct Start {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) listeners: Listeners,
    pub(crate) mailbox: mpsc::Receiver<Command>,
    pub(crate) tables: watch::Receiver<Arc<Table>>,
    pub(crate) stops: Stops,
}

/// A snapshot in use. All workers share the inner count; the outer is this thread's own, so that a request touches no
/// cache line of another core.
#[allow(clippy::redundant_allocation, reason = "two counts on purpose, see above")]
pub(crate) type HeldTable = Rc<Arc<Table>>;

/// The state of a worker. Lives on its thread, shared by `Rc`.
pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    /// The limits again, for the connections of this thread.
    pub(crate) limits: Rc<Limits>,
    /// The same with short times for the idle and the slow.
    tight_limits: Rc<Limits>,
    pub(crate) gates: Gates,
    pub(crate) orgs: Orgs,
    /// For encoders of answers.
    pub(crate) encoders: Room<OrgId>,
    pub(crate) mirrors: Mirrors,
    pub(crate) deadlines: Deadlines,
    pub(crate) handshakes: Handshakes,
    /// Tells this worker's client connections that the edge is going away.
    pub(crate) drain: Drain,
    pub(crate) stops: Stops,
    /// Requests in hand.
    pub(crate) in_flight: Cell<usize>,
    pub(crate) journal: Journal,
    pub(crate) recent: Recent,
    pub(crate) metrics: WorkerMetrics,
    spare_heads: RefCell<Vec<ResponseHead>>,
    table: RefCell<HeldTable>,
}

/// Runs a worker to its end on the calling thread.
pub(crate) fn run(runtime: &tokio::runtime::Runtime, start: Start) {
    mezu_runtime::thread::prefer_batches();
    // As a task, so that whoever drains can wait for the worker's end.
    let scope = start.stops.workers.clone();
    LocalSet::new().block_on(runtime, async {
        let _ = spawn_local(&scope, "worker", work(start)).await;
    });
}

async fn work(start: Start) {
    let Start { index, shared, listeners, mailbox, mut tables, stops } = start;
    let first = Arc::clone(&tables.borrow_and_update());
    let (mirrors, copies) = Mirrors::new(&shared.limits);
    let worker = Rc::new(Worker {
        index,
        limits: Rc::new(shared.limits.clone()),
        tight_limits: Rc::new(tightened(&shared.limits)),
        gates: Gates::new(index, Arc::clone(&shared.presence)),
        orgs: Orgs::new(shared.in_flight_per_org),
        encoders: Room::new(shared.limits.encoders, usize::MAX),
        mirrors,
        deadlines: Deadlines::new(),
        handshakes: Handshakes::new(&shared.limits),
        drain: Drain::new(),
        in_flight: Cell::new(0),
        journal: shared.journal(),
        recent: Recent::new(),
        metrics: shared.metrics.worker(index),
        spare_heads: RefCell::default(),
        table: RefCell::new(Rc::new(first)),
        stops,
        shared,
    });
    // It may be a later one than the edge was started with.
    worker.serves(worker.table().generation);
    let house = Scope::new();
    let clock = Rc::clone(&worker);
    spawn_local(&house, "deadlines", async move { clock.deadlines.run().await });
    let scribe = Rc::clone(&worker);
    spawn_local(&house, "access-log", async move { scribe.journal.keep_moving().await });
    spawn_local(&house, "samples", crate::observe::sample(Rc::clone(&worker)));
    spawn_local(&house, "mailbox", Rc::clone(&worker).read_mailbox(mailbox));
    spawn_local(&house, "snapshots", Rc::clone(&worker).follow(tables));
    spawn_local(&house, "mirrors", mirror::run(Rc::clone(&worker), copies));
    spawn_local(&house, "drain", Rc::clone(&worker).pass_drain_on());
    listen::start(&worker, listeners);
    worker.stops.workers.stopping().await;
    // One turn more, so that what was written last is on its way when the sockets are dropped.
    tokio::time::sleep(Duration::from_millis(10)).await;
}

fn tightened(limits: &Limits) -> Limits {
    let (idle, slow) = (limits.keep_alive_under_pressure, limits.patience_under_pressure);
    let (keep_alive_h1, keep_alive_h2) = (limits.keep_alive_h1.min(idle), limits.keep_alive_h2.min(idle));
    let header_read = limits.header_read.min(slow);
    // Grace and window add up to the time that a slow body has.
    let (min_rate_grace, min_rate_window) = (limits.min_rate_grace.min(slow / 2), limits.min_rate_window.min(slow / 2));
    Limits { keep_alive_h1, keep_alive_h2, header_read, min_rate_grace, min_rate_window, ..limits.clone() }
}

impl Worker {
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The limits for a new connection: while places are short, it may neither rest nor dawdle for long.
    pub(crate) fn connection_limits(&self) -> Rc<Limits> {
        // Slow requests fill a gate long before they fill the edge.
        let busy = self.in_flight.get() > self.limits.in_flight_per_gate / 4;
        Rc::clone(if busy || self.shared.admission.under_pressure() { &self.tight_limits } else { &self.limits })
    }

    /// The snapshot to serve a request from. Kept for the request's whole life, it shows one generation throughout.
    #[inline]
    pub(crate) fn table(&self) -> HeldTable {
        Rc::clone(&self.table.borrow())
    }

    /// A head to decode an answer into; it has room from earlier ones.
    #[inline]
    pub(crate) fn spare_head(&self) -> ResponseHead {
        self.spare_heads.borrow_mut().pop().unwrap_or_default()
    }

    /// Keeps a head for the next answer, unless it has grown or enough are kept.
    #[inline]
    pub(crate) fn give_back_head(&self, mut head: ResponseHead) {
        let mut spare = self.spare_heads.borrow_mut();
        if spare.len() < SPARE_HEADS {
            head.clear();
            spare.push(head);
        }
    }

    /// Sends a command to another worker, or gives it back.
    pub(crate) fn send(&self, other: usize, command: Command) -> Result<(), Command> {
        let Some(mailbox) = self.shared.mailboxes.get(other) else { return Err(command) };
        mailbox.try_send(command).map_err(|error| match error {
            mpsc::error::TrySendError::Full(command) | mpsc::error::TrySendError::Closed(command) => command,
        })
    }

    async fn read_mailbox(self: Rc<Self>, mut mailbox: mpsc::Receiver<Command>) {
        while let Some(command) = mailbox.recv().await {
            match command {
                Command::Client(socket, place) => listen::adopt(&self, socket, place),
                Command::Gate(arrival) => gate_accept::settle(&self, *arrival),
                Command::Ask(question) => question(&self),
                Command::Hop(request) => {
                    let worker = Rc::clone(&self);
                    spawn_local(&self.stops.clients, "hop", async move { hop::carry(&worker, *request).await });
                }
            }
        }
    }

    /// Takes over every new snapshot, and closes the tunnels whose key it no longer has.
    async fn follow(self: Rc<Self>, mut tables: watch::Receiver<Arc<Table>>) {
        while tables.changed().await.is_ok() {
            let table = Arc::clone(&tables.borrow_and_update());
            self.table.replace(Rc::new(Arc::clone(&table)));
            self.serves(table.generation);
            gate_accept::close_revoked(&self, &table);
        }
    }

    /// Every request that comes to this worker from now on is served from this generation, or a later one.
    fn serves(&self, generation: u64) {
        if let Some(served) = self.shared.served.get(self.index) {
            served.store(generation, Ordering::Relaxed);
        }
    }

    /// The signal of the process becomes the signal of this thread.
    async fn pass_drain_on(self: Rc<Self>) {
        self.stops.clients.stopping().await;
        self.drain.begin();
        self.stops.gates.stopping().await;
        gate_accept::drain_all(&self);
    }
}
