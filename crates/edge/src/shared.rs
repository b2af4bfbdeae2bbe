//! What all workers of an edge share: settings, counts of admission, presence of gates, mailboxes.
//!
//! Nothing in here is locked or written while a request is served.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mezu_model::Limits;
use mezu_tunnel::proto::{ByteBudget, Config};
use rustls::ServerConfig;
use tokio::sync::{mpsc, oneshot, watch};

use crate::access_log::{AccessLog, Journal};
use crate::admission::Admission;
use crate::ask::Asked;
use crate::certs::CertStore;
use crate::enrol::Enrol;
use crate::metrics::Metrics;
use crate::placement::{Placement, Seat};
use crate::presence::Presence;
use crate::routes::Table;
use crate::worker::{Command, Worker};

pub(crate) struct Shared {
    pub(crate) limits: Limits,
    pub(crate) https: SocketAddr,
    /// The port that clients know us by.
    pub(crate) public_port: u16,
    pub(crate) certs: Arc<CertStore>,
    /// Towards clients.
    pub(crate) client_tls: Arc<ServerConfig>,
    /// Towards gates.
    pub(crate) tunnel_tls: Arc<ServerConfig>,
    pub(crate) enrol: Arc<dyn Enrol>,
    pub(crate) asked: Option<Arc<dyn Asked>>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) presence: Arc<Presence>,
    pub(crate) placement: Arc<Placement>,
    /// For body bytes: of tunnels, and of clients whose windows have grown.
    pub(crate) memory: ByteBudget,
    /// The newest snapshot, compiled.
    pub(crate) tables: watch::Receiver<Arc<Table>>,
    /// Requests that one worker may have in hand.
    pub(crate) in_flight_per_worker: usize,
    /// Those of one org.
    pub(crate) in_flight_per_org: usize,
    pub(crate) metrics: Arc<Metrics>,
    /// Locked when a worker starts, and taken when the last lines are waited for.
    pub(crate) access_log: Mutex<Option<AccessLog>>,
    pub(crate) mailboxes: Vec<mpsc::Sender<Command>>,
    /// Why the newest snapshot is not served from, if it is not.
    pub(crate) refusal: watch::Sender<Option<Arc<str>>>,
    /// The generation that each worker serves from.
    pub(crate) served: Vec<AtomicU64>,
    /// Client connections per worker.
    pub(crate) loads: Vec<AtomicUsize>,
    /// Set by an explicit call only, cleared by the first step of a drain.
    pub(crate) ready: AtomicBool,
}

impl Shared {
    /// The public URL of a hostname.
    pub(crate) fn url_of(&self, host: &str) -> String {
        if self.public_port == 443 { format!("https://{host}") } else { format!("https://{host}:{}", self.public_port) }
    }

    /// Settings of a tunnel.
    pub(crate) fn tunnel_config(&self, seat: &Seat) -> Config {
        Config::new(seat.memory.clone())
    }

    /// Asks every worker, on its own thread. A worker that does not answer in time, or whose mailbox is full, is passed
    /// over.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        patience: Duration,
        question: impl Fn(&Worker) -> T + Clone + Send + 'static,
    ) -> Vec<T> {
        let mut answers = Vec::with_capacity(self.mailboxes.len());
        let pending = self.mailboxes.iter().filter_map(|mailbox| {
            let (answer, answered) = oneshot::channel();
            let question = question.clone();
            // Nobody listens any more: then nobody needs it.
            let ask = move |worker: &Worker| drop(answer.send(question(worker)));
            mailbox.try_send(Command::Ask(Box::new(ask))).ok().map(|()| answered)
        });
        // All are asked before the first is waited for.
        let pending: Vec<_> = pending.collect();
        let collect = async {
            for answered in pending {
                answers.extend(answered.await);
            }
        };
        let _ = tokio::time::timeout(patience, collect).await;
        answers
    }

    /// A worker's end of the access log.
    pub(crate) fn journal(&self) -> Journal {
        let log = self.access_log.lock().unwrap_or_else(PoisonError::into_inner);
        log.as_ref().map_or_else(Journal::none, AccessLog::journal)
    }

    /// The log itself, to be waited for.
    pub(crate) fn take_access_log(&self) -> Option<AccessLog> {
        self.access_log.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
