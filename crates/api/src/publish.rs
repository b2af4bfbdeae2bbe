//! Publishes: changes of routes that were made together, and can be taken back together.

use mezu_model::PublishId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::draft::Changed;
use crate::{Time, schema};

/// A publish.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Publish {
    #[schema(value_type = schema::Id)]
    pub id: PublishId,
    pub at: Time,
    /// Who did it.
    pub actor: String,
    pub summary: String,
    /// The publish that this one takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Id>)]
    pub undo_of: Option<PublishId>,
    /// The publish that has taken this one back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Id>)]
    pub undone_by: Option<PublishId>,
    /// The generation that brought it to the edge. Publishes of older versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    pub changes: Vec<Changed>,
}
