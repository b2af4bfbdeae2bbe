//! Members: people who administer.

use mezu_model::{Email, MemberId, Role};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Time, schema};

/// A member of an org.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Member {
    #[schema(value_type = schema::Id)]
    pub id: MemberId,
    #[schema(value_type = schema::Email)]
    pub email: Email,
    pub name: String,
    #[schema(value_type = schema::Role)]
    pub role: Role,
    /// Whether signing in needs a code too.
    pub has_second_factor: bool,
    /// Whether the member was kept from signing in.
    pub is_disabled: bool,
    /// When the member came to the org.
    pub since: Time,
    pub version: i64,
}

/// What is to change of a member of an org.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberPatch {
    #[schema(value_type = schema::Role)]
    pub role: Role,
}

/// A member's new password, from the operator. Shown once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reset {
    #[schema(value_type = schema::Id)]
    pub member: MemberId,
    /// To be changed by the member. Null in the answer to a repeated request.
    pub password: Option<String>,
}

/// Who is asking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// `operator`, `member` or `token`.
    pub kind: String,
    /// The member, unless it is the operator.
    #[schema(value_type = Option<schema::Id>)]
    pub member: Option<MemberId>,
    #[schema(value_type = Option<schema::Email>)]
    pub email: Option<Email>,
    pub name: Option<String>,
    pub has_second_factor: bool,
    /// How many recovery codes are left.
    pub recovery_codes: u64,
}
