//! The first run: one token makes the first owner, once.

use mezu_model::{Email, Label};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::schema;

/// How far the first run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SetupState {
    /// Whether the first owner is still to be made.
    pub is_open: bool,
}

/// The first owner.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Setup {
    /// What `mezusphere up` shows and keeps in the file `setup-token` of its data directory.
    #[schema(max_length = 128)]
    pub token: String,
    #[schema(value_type = schema::Email)]
    pub email: Email,
    #[schema(min_length = 1, max_length = 128)]
    pub name: String,
    #[schema(min_length = 8, max_length = 128, format = Password)]
    pub password: String,
    /// The org to own: the one of that name, or a new one. Without it the first there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Label>)]
    pub org: Option<Label>,
}
