//! What an operation takes from the rest of the request: ids, lists' parts, versions, and the right to act.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Query, RawPathParams};
use axum::http::header;
use axum::http::request::Parts;
use mezu_api::Code;
use mezu_store::{MOST, Slice};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::Refused;
use crate::auth::{Caller, OrgScope};

/// How much a list hands out unless told otherwise.
const USUAL: u16 = 50;
const CURSOR_MOST: usize = 300;

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let lost = || Refused::new(Code::Internal, "an operation asks for a caller that its permission does not give");
        parts.extensions.get::<Self>().cloned().ok_or_else(lost)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for OrgScope {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let lost = || Refused::new(Code::Internal, "an operation asks for an org that its permission does not give");
        parts.extensions.get::<Self>().cloned().ok_or_else(lost)
    }
}

/// The `{id}` of the path. Whatever cannot be an id names nothing.
#[derive(Clone, Copy, Debug)]
pub struct Id<T>(pub T);

impl<T: FromStr, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let no = || Refused::not_found("thing: what stands in the path is no id");
        let params = RawPathParams::from_request_parts(parts, state).await.map_err(|_| no())?;
        let text = params.iter().find(|(name, _)| *name == "id").map(|(_, value)| value);
        text.and_then(|text| text.parse().ok()).map(Self).ok_or_else(no)
    }
}

/// Which part of a list is wanted: `?limit=1..200&cursor=`.
#[derive(Clone, Debug)]
pub struct Paged(pub Slice);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PagedQuery {
    limit: Option<u16>,
    cursor: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for Paged {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let Filter(PagedQuery { limit, cursor }) = Filter::from_request_parts(parts, state).await?;
        slice(limit, cursor).map(Self)
    }
}

/// A list's part from `limit` and `cursor`, for operations whose query has more.
///
/// # Errors
/// [`Code::Invalid`].
pub(crate) fn slice(limit: Option<u16>, cursor: Option<String>) -> Result<Slice, Refused> {
    let limit = limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(Refused::new(Code::Invalid, format!("limit must be 1 to {MOST}")));
    }
    let is_odd = |text: &String| text.len() > CURSOR_MOST || !text.bytes().all(|byte| byte.is_ascii_graphic());
    if cursor.as_ref().is_some_and(is_odd) {
        return Err(Refused::new(Code::Invalid, "cursor must be the next of the part before"));
    }
    Ok(Slice { after: cursor, limit })
}

/// The query as a type; what the type does not know is refused.
#[derive(Clone, Debug)]
pub struct Filter<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Filter<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let query = Query::from_request_parts(parts, state).await;
        query.map(|Query(query)| Self(query)).map_err(|rejection| {
            Refused::new(Code::Invalid, format!("the query is not valid: {}", rejection.body_text()))
        })
    }
}

/// The version that the asker has seen: `If-Match: "3"`. Without it, or with `*`, any.
#[derive(Clone, Copy, Debug)]
pub struct IfMatch(pub Option<i64>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else { return Ok(Self(None)) };
        if value == "*" {
            return Ok(Self(None));
        }
        let bad = || Refused::new(Code::Malformed, "If-Match must be one ETag as it was given, such as \"3\"");
        let text = value.to_str().ok().and_then(|text| text.strip_prefix('"')?.strip_suffix('"'));
        text.and_then(|text| text.parse().ok()).map(|version| Self(Some(version))).ok_or_else(bad)
    }
}
