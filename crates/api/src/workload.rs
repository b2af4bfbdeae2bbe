//! Workloads: what answers behind a Warpgate.

use std::collections::BTreeMap;

use mezu_model::{Label, WorkloadId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Time, schema};

/// A workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Workload {
    #[schema(value_type = schema::Id)]
    pub id: WorkloadId,
    #[schema(value_type = schema::Label)]
    pub name: Label,
    #[schema(value_type = BTreeMap<String, String>)]
    pub labels: BTreeMap<Label, String>,
    /// Gates that serve it now; none means offline.
    pub gates: u64,
    /// Gates that are connected and get no requests, because their health check fails.
    pub unwell_gates: u64,
    /// Where it is reached.
    pub urls: Vec<String>,
    pub created_at: Time,
    pub version: i64,
}

/// A workload to be made before its first Warpgate comes.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWorkload {
    #[schema(value_type = schema::Label)]
    pub name: Label,
    /// Words to sort workloads by: at most 32, each value of at most 63 characters.
    #[serde(default)]
    #[schema(value_type = BTreeMap<String, String>)]
    pub labels: BTreeMap<Label, String>,
}

/// What is to change of a workload. Its routes and hostnames stay.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkloadPatch {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Label>)]
    pub name: Option<Label>,
    /// All labels as they shall be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BTreeMap<String, String>>)]
    pub labels: Option<BTreeMap<Label, String>>,
}
