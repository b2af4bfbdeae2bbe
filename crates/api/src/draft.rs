//! Drafts: changes of routes that are written down, looked at, and then made together.

use mezu_model::{DraftId, RouteId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::route::RouteSpec;
use crate::{Time, schema};

/// A draft.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Draft {
    #[schema(value_type = schema::Id)]
    pub id: DraftId,
    pub name: String,
    pub ops: Vec<RouteOp>,
    pub publish_at: Option<Time>,
    /// Who wrote it down.
    pub created_by: String,
    pub created_at: Time,
    pub version: i64,
}

/// What a draft says: to be made, or to replace what is there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DraftSpec {
    /// 1 to 100 characters.
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// The changes, in order.
    pub ops: Vec<RouteOp>,
    /// When it is to be published by itself; without, when it is told to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub publish_at: Option<Time>,
}

/// One change of one route: exactly one of `put` and `delete`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteOp {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub put: Option<RoutePut>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete: Option<RouteDelete>,
}

/// A route to be made or replaced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoutePut {
    /// The route to be replaced; without, a new one is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Id>)]
    pub id: Option<RouteId>,
    /// The version that is to be replaced; the draft cannot be published over a newer one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    pub route: RouteSpec,
}

/// A route to be taken away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RouteDelete {
    #[schema(value_type = schema::Id)]
    pub id: RouteId,
    /// The version that is to go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
}

/// What publishing a draft would change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Diff {
    pub changes: Vec<Changed>,
}

/// A route before and after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Changed {
    /// The route. One that is yet to be made has no id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Id>)]
    pub id: Option<RouteId>,
    /// Without: it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<RouteSpec>,
    /// Without: it is taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<RouteSpec>,
}
