//! The audit log: who did what, and what was refused.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Time;

/// An event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// 1, 2, 3 … over all orgs, without a gap.
    pub seq: u64,
    pub at: Time,
    /// `operator`, `system`, `anonymous`, `member:ID`, `token:ID:MEMBER` or `key:ID`.
    pub actor: String,
    /// The actor's address, or `socket`.
    pub source: String,
    pub request_id: String,
    /// Noun and verb, such as `route.create`.
    pub action: String,
    /// The id or name of what it was done to.
    pub object: String,
    /// `done` or `refused`.
    pub outcome: String,
    /// What was there before, without secrets.
    pub before: Option<serde_json::Value>,
    /// What is there now, or why it was refused.
    pub after: Option<serde_json::Value>,
    /// SHA-256, in hex, over this event and the hash of the one before.
    pub hash: String,
}

/// What a walk over the chain of hashes has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditReport {
    pub is_whole: bool,
    /// How many events were walked, if it is whole.
    pub events: Option<u64>,
    /// The hash of the last event, to be kept elsewhere.
    pub head: Option<String>,
    /// The first event that is not as it was written.
    pub broken_at: Option<u64>,
    /// What is wrong with it.
    pub fault: Option<String>,
}
