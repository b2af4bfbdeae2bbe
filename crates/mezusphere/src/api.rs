//! What the commands and the running instance say to each other over the local socket: JSON over HTTP.
//!
//! Times are RFC 3339 in UTC, ids are UUIDs. A secret key never crosses: the command makes it and sends the public
//! half. Unknown fields are refused.

use mezu_model::{Hostname, KeyId, Label, RouteId, WorkloadId};
use mezu_policy::PipelineSpec;
use mezu_snapshot::PathRule;
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

/// A service-account key. `GET /v1/keys`, and the answer to `POST /v1/keys`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Key {
    pub id: KeyId,
    pub name: Label,
    pub created_at: String,
    pub revoked_at: Option<String>,
}

/// `POST /v1/keys`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    pub name: Label,
    /// 64 hex digits.
    pub public_key: String,
}

/// `GET /v1/workloads`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Workload {
    pub id: WorkloadId,
    pub name: Label,
    /// Gates connected now.
    pub gates: usize,
    pub urls: Vec<String>,
    pub created_at: String,
}

/// `GET /v1/routes`, and the answer to `POST /v1/routes`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Route {
    pub id: RouteId,
    pub host: Hostname,
    pub path: PathRule,
    pub url: String,
    pub workload: Label,
    pub pipeline: PipelineSpec,
    pub created_at: String,
    /// What keeps the route from being reached as it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// `POST /v1/routes`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewRoute {
    pub host: Hostname,
    #[serde(default)]
    pub path: PathRule,
    pub workload: Label,
    #[serde(default)]
    pub pipeline: PipelineSpec,
}

/// A refusal: an RFC 9457 problem document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Stable, for programs.
    pub code: String,
    pub title: String,
    pub status: u16,
    /// A sentence for a person: what is wrong and what to do.
    pub detail: String,
}
