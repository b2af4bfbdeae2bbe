//! What a refusal looks like: a problem document (RFC 9457).

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Code;

/// Why a request was not done. Media type `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Names the kind of problem: `urn:mezusphere:problem:` and the code.
    #[serde(rename = "type")]
    #[schema(example = "urn:mezusphere:problem:not_found")]
    pub kind: String,
    /// The kind in a few words.
    pub title: String,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What is wrong here and what to do, for a person.
    pub detail: String,
    /// Stable, for programs; `docs/api-errors.md` lists all.
    #[schema(example = "not_found")]
    pub code: String,
    /// The place of the fault in the request's body, as a JSON pointer (RFC 6901).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Seconds to wait before it makes sense to try again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// Names the request, in the log and in the audit log.
    pub request_id: String,
}

impl Problem {
    /// A problem of a kind. `detail` says what is wrong and what to do.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:mezusphere:problem:{}", code.as_str()),
            title: code.title().to_string(),
            status: code.status(),
            detail: detail.into(),
            code: code.as_str().to_string(),
            pointer: None,
            retry_after: None,
            request_id: String::new(),
        }
    }

    /// The same with the place of the fault in the body.
    #[must_use]
    pub fn at(self, pointer: impl Into<String>) -> Self {
        Self { pointer: Some(pointer.into()), ..self }
    }
}
