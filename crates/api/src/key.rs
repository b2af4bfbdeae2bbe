//! The keys of service accounts, with which a Warpgate opens its tunnels.

use mezu_model::{AccountId, KeyId, Label};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Time, schema};

/// A key. What is kept of it is its public half.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Key {
    #[schema(value_type = schema::Id)]
    pub id: KeyId,
    #[schema(value_type = schema::Label)]
    pub name: Label,
    /// The service account that it is for.
    #[schema(value_type = schema::Id)]
    pub account: AccountId,
    pub created_at: Time,
    pub expires_at: Option<Time>,
    /// About when it was last used.
    pub used_at: Option<Time>,
    pub revoked_at: Option<Time>,
    /// The key itself: in the one answer that makes it, and only if the server was to make it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// A key to be made. An account has at most two live ones, so that one can take over from the other.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    #[schema(value_type = schema::Label)]
    pub name: Label,
    /// The service account; without, the one of the key's name, which is made if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Id>)]
    pub account: Option<AccountId>,
    /// The public half (Ed25519, 64 hex digits) of a key that the client has made: the secret half then never crosses.
    /// Without, the server makes the key and answers with it, once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[0-9a-fA-F]{64}$")]
    pub public_key: Option<String>,
    /// When it ends; without, in 90 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// Whether it never ends by itself.
    #[serde(default)]
    pub never_expires: bool,
}
