//! Requests over HTTP: the dry run, and what became of those that came.

use axum::extract::State;
use mezu_api::request::{Recorded, Trial, Tried};
use mezu_api::{Code, Page, Permission, schema};
use mezu_model::RayId;
use serde::Deserialize;
use utoipa_axum::routes;

use super::described::{OrgPath, RayPath};
use super::params::slice;
use super::{Body, Filter, Id, Operations};
use crate::auth::OrgScope;
use crate::ops::request::Past;
use crate::{Answer, Control, Refused, ops};

pub(crate) fn add(all: Operations) -> Operations {
    all.add("request.try", Permission::TraceRead, routes!(try_one))
        .add("request.list", Permission::TraceRead, routes!(list))
        .add("request.read", Permission::TraceRead, routes!(read))
}

/// Which requests.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RequestQuery {
    /// Those that the route of this id took.
    #[param(value_type = Option<schema::Id>)]
    route: Option<String>,
    /// Those to the workload of this id.
    #[param(value_type = Option<schema::Id>)]
    workload: Option<String>,
    /// Those with this status, such as `404`, or of this class, such as `5xx`; `0` where there was no answer.
    #[param(pattern = "^(0|[1-5]([0-9][0-9]|xx))$")]
    status: Option<String>,
    /// How many at most; 50 unless told otherwise.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// The `next` of the part before.
    #[param(max_length = 300, pattern = "^[!-~]*$")]
    cursor: Option<String>,
}

/// Say what would become of a request: each stage's verdict, and the answer
///
/// The edge's own code judges. Nothing is sent and nothing counted.
#[utoipa::path(post, path = "/orgs/{org}/try", params(OrgPath), request_body = Trial,
    responses((status = 200, body = Tried)))]
async fn try_one(State(control): State<Control>, scope: OrgScope, Body(trial): Body<Trial>) -> Answer<Tried> {
    ops::request::try_one(&control, &scope, trial).await
}

/// The org's last requests, as far as the edge remembers, the newest first
#[utoipa::path(get, path = "/orgs/{org}/requests", params(OrgPath, RequestQuery),
    responses((status = 200, body = Page<Recorded>)))]
async fn list(
    State(control): State<Control>,
    scope: OrgScope,
    Filter(query): Filter<RequestQuery>,
) -> Answer<Page<Recorded>> {
    let slice = slice(query.limit, query.cursor)?;
    let odd = |what: &str| Refused::new(Code::Invalid, format!("{what} is not valid"));
    let statuses = match query.status {
        Some(text) => statuses(&text).ok_or_else(|| odd("status"))?,
        None => 0..=999,
    };
    let past = Past {
        route: query.route.map(|text| text.parse().map_err(|_| odd("route"))).transpose()?,
        workload: query.workload.map(|text| text.parse().map_err(|_| odd("workload"))).transpose()?,
        statuses,
    };
    ops::request::list(&control, &scope, past, slice).await
}

/// What became of a request: its route, what the stages said, and the answer
#[utoipa::path(get, path = "/orgs/{org}/requests/{id}", params(OrgPath, RayPath),
    responses((status = 200, body = Recorded)))]
async fn read(State(control): State<Control>, scope: OrgScope, Id(ray): Id<RayId>) -> Answer<Recorded> {
    ops::request::read(&control, &scope, ray).await
}

/// `404`, `5xx` or `0`.
fn statuses(text: &str) -> Option<std::ops::RangeInclusive<u16>> {
    if text == "0" {
        return Some(0..=0);
    }
    let (first, rest) = text.split_at_checked(1)?;
    let class = first.parse::<u16>().ok().filter(|class| (1..=5).contains(class))? * 100;
    if rest == "xx" {
        return Some(class..=class + 99);
    }
    let is_two_digits = rest.len() == 2 && rest.bytes().all(|byte| byte.is_ascii_digit());
    let status = class + rest.parse::<u16>().ok().filter(|_| is_two_digits)?;
    Some(status..=status)
}

#[cfg(test)]
mod tests {
    use super::statuses;

    #[test]
    fn a_status_or_a_class_of_them() {
        for (text, expected) in [
            ("404", Some(404..=404)),
            ("5xx", Some(500..=599)),
            ("0", Some(0..=0)),
            ("", None),
            ("00", None),
            ("6xx", None),
            ("4x4", None),
            ("+404", None),
            ("4+4", None),
            ("4040", None),
            ("ä", None),
        ] {
            assert_eq!(statuses(text), expected, "{text}");
        }
    }
}
