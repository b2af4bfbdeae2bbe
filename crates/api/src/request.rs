//! Requests: what would become of one that is only thought of, and what became of those that came.

use mezu_model::{DraftId, GateId, GateLabel, Label, RouteId, WorkloadId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Time, schema};

/// A request that somebody thinks of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    #[serde(default = "get")]
    #[schema(min_length = 1, max_length = 64)]
    pub method: String,
    /// `https://host/path?query`; the scheme may be left out.
    #[schema(min_length = 1, max_length = 16384)]
    pub url: String,
    /// Its header fields, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 100)]
    pub headers: Vec<Field>,
    /// The address that it comes from; without, that of whoever asks this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// Bytes of its body, if it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<u64>,
    /// The draft that is supposed to be published; without, what is served answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Id>)]
    pub draft: Option<DraftId>,
}

/// A header field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Field {
    #[schema(min_length = 1, max_length = 256)]
    pub name: String,
    #[schema(max_length = 16384)]
    pub value: String,
}

/// What would become of a request. Nothing was sent and nothing counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tried {
    /// Of the snapshot that was asked.
    pub generation: u64,
    /// The draft that was supposed to be published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Id>)]
    pub draft: Option<DraftId>,
    pub method: String,
    pub host: String,
    /// In the form in which paths are matched.
    pub path: String,
    /// Whether any route leads from the host.
    pub host_known: bool,
    /// The routes of the host that were looked at, in the order in which they are asked.
    pub candidates: Vec<Candidate>,
    /// Routes of the host that are not listed, because they take other paths.
    pub others: u64,
    /// The route that takes the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Id>)]
    pub route: Option<RouteId>,
    /// What the route's stages said, up to the one that answered.
    pub stages: Vec<Verdict>,
    pub outcome: Outcome,
}

/// A route that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Candidate {
    #[schema(value_type = schema::Id)]
    pub route: RouteId,
    pub path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<i64>,
    #[schema(value_type = schema::Id)]
    pub workload_id: WorkloadId,
    /// The workload's name, as long as it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Label>)]
    pub workload: Option<Label>,
    /// What the captures of its path took.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub captures: Vec<Capture>,
    /// Why it does not take the request; nothing for the one that does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unmatched: Option<Unmatched>,
    /// The route before it that takes every request that this one would take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Id>)]
    pub shadowed_by: Option<RouteId>,
}

/// What a capture of a path took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Capture {
    pub name: String,
    pub value: String,
}

/// Why a route does not take a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum Unmatched {
    /// It is switched off.
    Off,
    Path,
    Method,
    /// A header field is missing or says something else.
    Header {
        name: String,
    },
    /// It would have taken it, but a route before it does.
    Later,
}

/// What one stage said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verdict {
    /// The capability's name.
    pub stage: String,
    /// Whether the request went on to the next stage.
    pub passed: bool,
    /// Why, where there is more to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What the client would get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Outcome {
    /// One of the gates takes it, and the workload answers.
    Forwarded(Forwarded),
    /// A stage gives the answer that the route is configured to give.
    Replied(Replied),
    /// The edge refuses it or cannot do it.
    Refused(Refusal),
}

/// Where a request would go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Forwarded {
    #[schema(value_type = schema::Id)]
    pub workload_id: WorkloadId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Label>)]
    pub workload: Option<Label>,
    /// The label that these gates wear; without, they wear none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Label>)]
    pub label: Option<GateLabel>,
    /// The gates among which it is dealt out, each to the less busy of two.
    pub gates: Vec<Gate>,
}

/// A gate that may take a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Gate {
    #[schema(value_type = schema::Id)]
    pub gate: GateId,
    /// The edge's worker whose tunnel it is.
    pub worker: u64,
    /// Requests that it has in hand.
    pub in_flight: u64,
    /// Whether it takes another request of this client now.
    pub is_free: bool,
}

/// An answer of a stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Replied {
    pub stage: String,
    pub status: u16,
}

/// An answer of the edge's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Refusal {
    /// The stage that refused, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<String>,
    /// `MEZU-…`; each has a page in docs/errors.
    pub code: String,
    pub status: u16,
    pub title: String,
}

/// What became of a request that came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Recorded {
    /// Its ray id: the `mezu-ray` of its answer.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    pub ray: String,
    /// When it ended.
    pub at: Time,
    /// Of the snapshot that it was answered by.
    pub generation: u64,
    /// The route that took it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Id>)]
    pub route: Option<RouteId>,
    /// Host and path of the route, as long as it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// Where it went or would have gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Id>)]
    pub workload_id: Option<WorkloadId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Label>)]
    pub workload: Option<Label>,
    /// The route's stages, up to the one that answered.
    pub stages: Vec<Verdict>,
    /// The last gate that got it, if it was one of the worker's that read the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Id>)]
    pub gate: Option<GateId>,
    /// 0: the client went before there was an answer.
    pub status: u16,
    /// `MEZU-…`, when the edge answered by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// What the code means.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    pub duration_us: u64,
    /// To the first byte of the workload's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload_us: Option<u64>,
}

fn get() -> String {
    "GET".to_string()
}
