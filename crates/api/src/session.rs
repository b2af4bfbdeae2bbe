//! Sessions: signing in and out, passwords and the second factor.

use mezu_model::{Email, MemberId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Time, schema};

/// To sign in.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    #[schema(value_type = schema::Email)]
    pub email: Email,
    #[schema(max_length = 128, format = Password)]
    pub password: String,
    /// The six digits of the second factor, for who has one, or one of the recovery codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// Who has signed in. The session's secret comes in a cookie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SignedIn {
    #[schema(value_type = schema::Id)]
    pub member: MemberId,
    #[schema(value_type = schema::Email)]
    pub email: Email,
    pub name: String,
    /// When the session ends at the latest.
    pub expires_at: Time,
}

/// A session of the asker's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// Names the session and opens nothing.
    pub id: String,
    /// Whether it is the one that asks.
    pub is_this: bool,
    pub created_at: Time,
    pub seen_at: Time,
    pub expires_at: Time,
    /// The address it was begun from.
    pub source: String,
    /// What the browser called itself.
    pub agent: String,
}

/// A new password. Ends the member's other sessions.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    #[schema(max_length = 128, format = Password)]
    pub current: String,
    #[schema(min_length = 8, max_length = 128, format = Password)]
    pub new: String,
}

/// The password once more, before something that must not be done by whoever finds an open session.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Again {
    #[schema(max_length = 128, format = Password)]
    pub password: String,
}

/// A second factor to be confirmed. Shown once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct NewTotp {
    /// In base32, to be typed.
    pub secret: String,
    /// For a QR code.
    pub uri: String,
}

/// The first code of a new second factor.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Confirm {
    #[schema(pattern = "^[0-9]{6}$")]
    pub code: String,
}

/// Codes that each stand in for the second factor once, should it be lost. Shown once.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct RecoveryCodes {
    /// Ten of them. Codes that were given before work no more.
    pub codes: Vec<String>,
}
