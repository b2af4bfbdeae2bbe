//! Service accounts: what machines are known as.

use mezu_model::{AccountId, Label};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Time, schema};

/// A service account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Account {
    #[schema(value_type = schema::Id)]
    pub id: AccountId,
    #[schema(value_type = schema::Label)]
    pub name: Label,
    /// The workloads that its keys may serve; without, any.
    #[schema(value_type = Option<Vec<schema::Label>>)]
    pub workloads: Option<Vec<Label>>,
    /// The networks that its keys may come from; without, anywhere.
    pub cidrs: Option<Vec<String>>,
    pub created_at: Time,
    pub version: i64,
}

/// What a service account is called and may do: to be made, or to replace what is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountSpec {
    #[schema(value_type = schema::Label)]
    pub name: Label,
    /// The workloads that its keys may serve, at most 100; without, any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<schema::Label>>, max_items = 100)]
    pub workloads: Option<Vec<Label>>,
    /// The networks that its keys may come from, such as `192.0.2.0/24`, at most 100; without, anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 100)]
    pub cidrs: Option<Vec<String>>,
}
