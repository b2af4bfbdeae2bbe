//! Machines that ask to be let in. There is no list of them: whoever decides knows the code that the machine shows.

use mezu_model::{AccountId, Label, MachineCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Time, schema};

/// A machine that asks to be let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Machine {
    #[schema(value_type = schema::MachineCode)]
    pub code: MachineCode,
    /// Of the machine's key; the machine shows the same one. It has shown that it holds the key.
    pub fingerprint: String,
    /// Where its connection comes from.
    pub address: String,
    pub claims: Claims,
    pub asked_at: Time,
    /// When the request ends by itself.
    pub expires_at: Time,
}

/// What the machine says of itself. Nobody can check any of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Claims {
    /// What the machine is called.
    pub host: String,
    /// Who asks there.
    pub user: String,
    /// Program and version.
    pub program: String,
}

/// The word that lets a machine in: it gets a key of a service account.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// What the key is called.
    #[schema(value_type = schema::Label)]
    pub name: Label,
    /// The fingerprint as it was read: only that key is let in.
    #[schema(max_length = 64)]
    pub fingerprint: String,
    /// The service account; without, the one of the key's name, which is made if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Id>)]
    pub account: Option<AccountId>,
    /// The workloads that a service account made for this may serve, at most 100; without, any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<schema::Label>>, max_items = 100)]
    pub workloads: Option<Vec<Label>>,
    /// The networks that its keys may come from, such as `192.0.2.0/24`, at most 100; without, anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 100)]
    pub cidrs: Option<Vec<String>>,
    /// When the key ends; without, in 90 days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// Whether it never ends by itself.
    #[serde(default)]
    pub never_expires: bool,
}
