//! Hostnames: which org owns which.

use mezu_model::Hostname as Name;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Time, schema};

/// A hostname of an org.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hostname {
    #[schema(value_type = schema::DnsName)]
    pub name: Name,
    /// `held`: claimed, until it is released. `used`: owned because routes stand on it. `released`: given up, and kept
    /// for the org for 30 days.
    #[schema(pattern = "^(held|used|released)$")]
    pub state: String,
    /// What keeps clients from reaching it as things stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    pub created_at: Time,
    pub released_at: Option<Time>,
}

/// A hostname to be claimed: one under the base domain, or one of the org's own domains.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewHostname {
    #[schema(value_type = schema::DnsName)]
    pub name: Name,
}
