//! What operations take besides a body, for the document. The extractors in [`super::params`] and the gate do the reading.

#![allow(dead_code, reason = "these types describe; nothing makes one")]

use mezu_api::schema;
use utoipa::IntoParams;

/// The org in the path, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct OrgPath {
    /// The org's name.
    #[param(value_type = schema::Label)]
    org: String,
}

/// The id in the path, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct IdPath {
    #[param(value_type = schema::Id)]
    id: String,
}

/// A list's part, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListQuery {
    /// How many at most; 50 unless told otherwise.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// The `next` of the part before.
    #[param(max_length = 300, pattern = "^[!-~]*$")]
    cursor: Option<String>,
}

/// The version that the asker has seen, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct IfMatchHeader {
    /// The `ETag` as it was read; the change is refused with 412 if there is a newer version.
    #[param(rename = "If-Match", nullable = false, pattern = "^(\\*|\"[0-9]{1,18}\")$")]
    if_match: Option<String>,
}

/// The key of a request that may be repeated, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct IdempotencyHeader {
    /// The same key with the same request is answered the same for 24 hours, and does nothing again.
    #[param(rename = "Idempotency-Key", nullable = false, min_length = 1, max_length = 128, pattern = "^[!-~]+$")]
    idempotency_key: Option<String>,
}

/// The name of a session in the path, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct SessionPath {
    /// The session's `id`.
    #[param(pattern = "^[0-9a-f]{32}$")]
    id: String,
}

/// The ray id in the path, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct RayPath {
    /// The `mezu-ray` of an answer.
    #[param(pattern = "^[0-9a-fA-F]{32}$")]
    id: String,
}

/// The machine's code in the path, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct CodePath {
    /// The code that the machine shows; small letters and a missing hyphen do not matter.
    #[param(pattern = "^[A-HJKMNP-TV-Za-hjkmnp-tv-z2-9]{4}-?[A-HJKMNP-TV-Za-hjkmnp-tv-z2-9]{4}$")]
    id: String,
}

/// The hostname in the path, for the document.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct NamePath {
    /// The hostname.
    #[param(value_type = schema::DnsName)]
    id: String,
}
