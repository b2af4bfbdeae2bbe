//! What an edge is started with. Static: what changes while it runs comes in snapshots.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;

use mezu_model::Limits;

use crate::access_log::AccessLogTarget;
use crate::ask::Asked;
use crate::certs::CertStore;

/// Default of [`EdgeConfig::tunnel_memory`]. When a half of it is gone windows no longer grow, and then what has gone
/// unread the longest is given up: an edge on a small machine must survive thousands of clients that do not read.
const TUNNEL_MEMORY: usize = 64 * 1024 * 1024;

/// Settings of one edge.
#[derive(Debug, Clone)]
pub struct EdgeConfig {
    /// Clients and gates connect here. Port 0: any free one.
    pub https: SocketAddr,
    /// Plain HTTP, for redirects only.
    pub http: Option<SocketAddr>,
    /// Threads that serve, each with its own listeners, connections and tunnels.
    pub workers: NonZeroUsize,
    pub certs: Arc<CertStore>,
    pub limits: Limits,
    /// The port that clients know the edge by, when it is not the one bound (a port mapping in front).
    pub public_port: Option<u16>,
    /// Where a line per request goes; nowhere by default.
    pub access_log: Option<AccessLogTarget>,
    /// Body bytes that all tunnels together may hold, bytes.
    pub tunnel_memory: usize,
    /// Who hears of machines that ask to be let in; none is, by default.
    pub asked: Option<Arc<dyn Asked>>,
}

impl EdgeConfig {
    /// Defaults for everything but the addresses and the certificates: one worker per core.
    pub fn new(https: SocketAddr, http: Option<SocketAddr>, certs: Arc<CertStore>) -> Self {
        let workers = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let limits = Limits::default();
        Self {
            https,
            http,
            workers,
            certs,
            limits,
            public_port: None,
            access_log: None,
            tunnel_memory: TUNNEL_MEMORY,
            asked: None,
        }
    }
}
