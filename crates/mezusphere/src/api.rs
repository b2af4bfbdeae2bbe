//! What the instance says of itself over the local socket, beside the API: JSON over HTTP. Times are RFC 3339 in UTC.

use mezu_model::Hostname;
use serde::{Deserialize, Serialize};

/// The name of the socket in the data directory.
pub const SOCKET: &str = "admin.sock";

/// How the instance is. `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    pub pid: u32,
    pub started_at: String,
    pub uptime_seconds: u64,
    pub base_domain: Hostname,
    pub https: String,
    pub http: Option<String>,
    pub admin: String,
    pub data: String,
    /// Where the store is: a file, or a server without the password.
    pub store: String,
    /// The snapshot that the edge is given.
    pub generation: u64,
    /// The one that it serves from. Lower for a moment after a change, or when it refused the newer.
    pub served_generation: u64,
    pub draining: bool,
    pub certificate_not_after: String,
    pub certificate_private: bool,
    pub workloads: usize,
    pub workloads_online: usize,
    pub gates: usize,
    /// What needs a person's attention. Empty is good.
    pub warnings: Vec<String>,
}
