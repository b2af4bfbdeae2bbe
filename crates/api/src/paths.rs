//! Where things are.

use std::fmt::Display;

/// What every path of this version begins with.
pub const BASE: &str = "/api/v1";

/// The name of the cookie that carries a session's secret.
pub const COOKIE: &str = "__Host-mezu-console";

/// The header in which an answer to a change tells the generation that brings it.
pub const GENERATION: &str = "mezu-generation";

/// The header that tells why an edge does not serve a change yet; the status is 202 then.
pub const LATE: &str = "mezu-late";

/// The header that names a request, as its problem and its audit event do.
pub const REQUEST_ID: &str = "mezu-request-id";

/// The path of an org's things: `of("acme", "routes")` is `/api/v1/orgs/acme/routes`.
#[must_use]
pub fn of(org: impl Display, noun: &str) -> String {
    format!("{BASE}/orgs/{org}/{noun}")
}

/// The path of one of an org's things.
#[must_use]
pub fn one(org: impl Display, noun: &str, id: impl Display) -> String {
    format!("{BASE}/orgs/{org}/{noun}/{id}")
}
