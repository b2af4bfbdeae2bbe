//! Orgs: the tenants that own everything else.

use mezu_model::{Label, OrgId, Role};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Time, schema};

/// An org.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Org {
    #[schema(value_type = schema::Id)]
    pub id: OrgId,
    /// What it is called in paths.
    #[schema(value_type = schema::Label)]
    pub name: Label,
    /// The asker's role in it.
    #[schema(value_type = schema::Role)]
    pub role: Role,
    pub created_at: Time,
    pub version: i64,
}

/// An org to be made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewOrg {
    #[schema(value_type = schema::Label)]
    pub name: Label,
}

/// What is to change of an org.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrgPatch {
    #[schema(value_type = schema::Label)]
    pub name: Label,
}
