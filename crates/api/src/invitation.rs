//! Invitations: how people come to an org.

use mezu_model::{Email, InvitationId, Label, MemberId, Role};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Time, schema};

/// An invitation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Invitation {
    #[schema(value_type = schema::Id)]
    pub id: InvitationId,
    #[schema(value_type = schema::Email)]
    pub email: Email,
    #[schema(value_type = schema::Role)]
    pub role: Role,
    /// Null: the operator.
    #[schema(value_type = Option<schema::Id>)]
    pub invited_by: Option<MemberId>,
    pub created_at: Time,
    pub expires_at: Time,
    pub used_at: Option<Time>,
    /// What the invited person needs to accept. Shown once, to who invites.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// An invitation to be made.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewInvitation {
    #[schema(value_type = schema::Email)]
    pub email: Email,
    #[schema(value_type = schema::Role)]
    pub role: Role,
}

/// An invitation's secret, to look at what it is for. Looking does not use it.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Look {
    #[schema(max_length = 128)]
    pub secret: String,
}

/// What an invitation is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Invited {
    #[schema(value_type = schema::Label)]
    pub org: Label,
    #[schema(value_type = schema::Email)]
    pub email: Email,
    #[schema(value_type = schema::Role)]
    pub role: Role,
    pub expires_at: Time,
    /// Whether that address has an account already, so that its password is to be given.
    pub has_account: bool,
}

/// To accept an invitation: with the password of the account, or with a new one and a name.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Accept {
    #[schema(max_length = 128)]
    pub secret: String,
    #[schema(max_length = 128, format = Password)]
    pub password: String,
    /// The code of the second factor, for an account that has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// For a new account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1, max_length = 128)]
    pub name: Option<String>,
}
