//! Routes over HTTP.

use axum::extract::State;
use mezu_api::route::{Placed, Route, RouteSpec};
use mezu_api::{Code, Page, Permission, schema};
use mezu_model::RouteId;
use mezu_store::RouteFilter;
use serde::Deserialize;
use utoipa_axum::routes;

use super::described::{IdPath, IdempotencyHeader, IfMatchHeader, OrgPath};
use super::params::slice;
use super::{Body, Filter, Id, IfMatch, Operations};
use crate::auth::OrgScope;
use crate::{Answer, Control, Refused, ops};

pub(crate) fn add(all: Operations) -> Operations {
    all.add("route.list", Permission::RouteRead, routes!(list))
        .add("route.create", Permission::RouteWrite, routes!(create))
        .add("route.read", Permission::RouteRead, routes!(read))
        .add("route.update", Permission::RouteWrite, routes!(replace))
        .add("route.delete", Permission::RouteWrite, routes!(delete))
}

/// Which routes.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct RouteQuery {
    /// Those of this hostname.
    #[param(value_type = Option<schema::DnsName>)]
    host: Option<String>,
    /// Those to the workload of this id.
    #[param(value_type = Option<schema::Id>)]
    workload: Option<String>,
    /// How many at most; 50 unless told otherwise.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// The `next` of the part before.
    #[param(max_length = 300, pattern = "^[!-~]*$")]
    cursor: Option<String>,
}

/// The routes by host, each host's in the order in which they are asked, and why
#[utoipa::path(get, path = "/orgs/{org}/routes", params(OrgPath, RouteQuery),
    responses((status = 200, body = Page<Placed>)))]
async fn list(
    State(control): State<Control>,
    scope: OrgScope,
    Filter(query): Filter<RouteQuery>,
) -> Answer<Page<Placed>> {
    let slice = slice(query.limit, query.cursor)?;
    let odd = |what: &str| Refused::new(Code::Invalid, format!("{what} is not valid"));
    let filter = RouteFilter {
        host: query.host.map(|text| text.parse().map_err(|_| odd("host"))).transpose()?,
        workload: query.workload.map(|text| text.parse().map_err(|_| odd("workload"))).transpose()?,
    };
    ops::route::list(&control, &scope, &filter, &slice).await
}

/// Make a route
#[utoipa::path(post, path = "/orgs/{org}/routes", params(OrgPath, IdempotencyHeader), request_body = RouteSpec,
    responses((status = 201, body = Route)))]
async fn create(State(control): State<Control>, scope: OrgScope, Body(spec): Body<RouteSpec>) -> Answer<Route> {
    ops::route::create(&control, &scope, spec).await
}

/// Read a route
#[utoipa::path(get, path = "/orgs/{org}/routes/{id}", params(OrgPath, IdPath),
    responses((status = 200, body = Route)))]
async fn read(State(control): State<Control>, scope: OrgScope, Id(id): Id<RouteId>) -> Answer<Route> {
    ops::route::read(&control, &scope, id).await
}

/// Replace what a route says
#[utoipa::path(put, path = "/orgs/{org}/routes/{id}", params(OrgPath, IdPath, IfMatchHeader),
    request_body = RouteSpec, responses((status = 200, body = Route)))]
async fn replace(
    State(control): State<Control>,
    scope: OrgScope,
    Id(id): Id<RouteId>,
    IfMatch(expected): IfMatch,
    Body(spec): Body<RouteSpec>,
) -> Answer<Route> {
    ops::route::replace(&control, &scope, id, spec, expected).await
}

/// Take a route away
#[utoipa::path(delete, path = "/orgs/{org}/routes/{id}", params(OrgPath, IdPath, IfMatchHeader),
    responses((status = 204)))]
async fn delete(
    State(control): State<Control>,
    scope: OrgScope,
    Id(id): Id<RouteId>,
    IfMatch(expected): IfMatch,
) -> Answer<()> {
    ops::route::delete(&control, &scope, id, expected).await
}
