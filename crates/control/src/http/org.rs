//! Orgs over HTTP.

use axum::extract::State;
use mezu_api::org::{NewOrg, Org, OrgPatch};
use mezu_api::{Page, Permission};
use utoipa_axum::routes;

use super::described::{IdempotencyHeader, IfMatchHeader, ListQuery, OrgPath};
use super::{Body, IfMatch, Operations, Paged};
use crate::auth::{Caller, OrgScope};
use crate::{Answer, Control, ops};

pub(crate) fn add(all: Operations) -> Operations {
    all.add("org.list", Permission::Know, routes!(list))
        .add("org.create", Permission::Operate, routes!(create))
        .add("org.read", Permission::OrgRead, routes!(read))
        .add("org.update", Permission::OrgWrite, routes!(update))
        .add("org.delete", Permission::OrgWrite, routes!(delete))
}

/// The orgs that the asker can see
#[utoipa::path(get, path = "/orgs", params(ListQuery), responses((status = 200, body = Page<Org>)))]
async fn list(State(control): State<Control>, caller: Caller, Paged(slice): Paged) -> Answer<Page<Org>> {
    ops::org::list(&control, &caller, &slice).await
}

/// Make an org
#[utoipa::path(post, path = "/orgs", params(IdempotencyHeader), request_body = NewOrg,
    responses((status = 201, body = Org)))]
async fn create(State(control): State<Control>, caller: Caller, Body(new): Body<NewOrg>) -> Answer<Org> {
    ops::org::create(&control, &caller, new).await
}

/// Read an org
#[utoipa::path(get, path = "/orgs/{org}", params(OrgPath), responses((status = 200, body = Org)))]
async fn read(scope: OrgScope) -> Answer<Org> {
    ops::org::read(&scope).await
}

/// Rename an org
#[utoipa::path(patch, path = "/orgs/{org}", params(OrgPath, IfMatchHeader), request_body = OrgPatch,
    responses((status = 200, body = Org)))]
async fn update(
    State(control): State<Control>,
    scope: OrgScope,
    IfMatch(expected): IfMatch,
    Body(patch): Body<OrgPatch>,
) -> Answer<Org> {
    ops::org::update(&control, &scope, patch, expected).await
}

/// Delete an org
///
/// Nothing may be served in it any more: no routes, workloads, hostnames or live keys. Its audit events stay.
#[utoipa::path(delete, path = "/orgs/{org}", params(OrgPath, IfMatchHeader), responses((status = 204)))]
async fn delete(State(control): State<Control>, scope: OrgScope, IfMatch(expected): IfMatch) -> Answer<()> {
    ops::org::delete(&control, &scope, expected).await
}
