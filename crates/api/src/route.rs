//! Routes: what leads where.

use mezu_model::{Hostname, Label, RouteId, WorkloadId};
use mezu_policy::PipelineSpec;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Time, schema};

/// What a route says: to be made, or to replace what is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteSpec {
    #[schema(value_type = schema::DnsName)]
    pub host: Hostname,
    /// `/api`: that path and all below. `=/login`: that path alone. `/users/{id}`: with a capture.
    #[serde(default = "root")]
    #[schema(min_length = 1, max_length = 1024)]
    pub path: String,
    /// What a request must have besides; without, nothing.
    #[serde(default, skip_serializing_if = "Matcher::is_empty")]
    pub matcher: Matcher,
    /// The place in the order given by hand, lowest first. Without, the most specific is asked first, after those with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<i64>,
    /// A route that is not enabled is kept and takes no request.
    #[serde(default = "on", skip_serializing_if = "is_on")]
    pub enabled: bool,
    /// The workload's name.
    #[schema(value_type = schema::Label)]
    pub workload: Label,
    /// The capabilities that are switched on.
    #[serde(default)]
    #[schema(value_type = schema::Pipeline)]
    pub pipeline: PipelineSpec,
}

/// Methods and header fields that a request must have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Matcher {
    /// One of these; without, any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 16)]
    pub methods: Vec<String>,
    /// All of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 8)]
    pub headers: Vec<HeaderMatch>,
}

/// A header field that must be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderMatch {
    /// In small letters.
    #[schema(min_length = 1, max_length = 64)]
    pub name: String,
    /// One of these, byte for byte; without, any value will do.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 16)]
    pub values: Vec<String>,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Route {
    #[schema(value_type = schema::Id)]
    pub id: RouteId,
    #[schema(value_type = schema::DnsName)]
    pub host: Hostname,
    pub path: String,
    #[serde(default)]
    pub matcher: Matcher,
    #[serde(default)]
    pub rank: Option<i64>,
    pub enabled: bool,
    /// The workload's name.
    #[schema(value_type = schema::Label)]
    pub workload: Label,
    #[schema(value_type = schema::Id)]
    pub workload_id: WorkloadId,
    #[schema(value_type = schema::Pipeline)]
    pub pipeline: PipelineSpec,
    /// Where it is reached.
    pub url: String,
    /// What keeps clients from reaching it as things stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// The route before it that takes every request that this one would take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Id>)]
    pub shadowed_by: Option<RouteId>,
    pub created_at: Time,
    pub version: i64,
}

/// A route in the order in which the edge asks those of a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Placed {
    #[serde(flatten)]
    pub route: Route,
    /// 1 for the first of its host.
    pub place: u64,
    /// Why it stands there.
    pub reason: String,
}

impl Route {
    /// What the route says.
    #[must_use]
    pub fn spec(&self) -> RouteSpec {
        let Self { host, path, matcher, rank, enabled, workload, pipeline, .. } = self.clone();
        RouteSpec { host, path, matcher, rank, enabled, workload, pipeline }
    }
}

impl Matcher {
    /// Whether any request will do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.methods.is_empty() && self.headers.is_empty()
    }
}

fn root() -> String {
    "/".to_string()
}

const fn on() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
const fn is_on(enabled: &bool) -> bool {
    *enabled
}
