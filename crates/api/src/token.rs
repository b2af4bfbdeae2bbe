//! API tokens: a member's access for programs.

use mezu_model::{MemberId, Role, TokenId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Time, schema};

/// A token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Token {
    #[schema(value_type = schema::Id)]
    pub id: TokenId,
    pub name: String,
    /// Whose it is.
    #[schema(value_type = schema::Id)]
    pub member: MemberId,
    /// Its role, unless its member's is less.
    #[schema(value_type = schema::Role)]
    pub role: Role,
    /// Its last characters.
    pub hint: String,
    pub created_at: Time,
    pub expires_at: Option<Time>,
    /// To the minute.
    pub used_at: Option<Time>,
    pub revoked_at: Option<Time>,
    /// The token itself. Shown once, to who makes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// A token to be made, for the asker.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewToken {
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// At most the asker's own.
    #[schema(value_type = schema::Role)]
    pub role: Role,
    /// At most 366 days from now; without it 90 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}
