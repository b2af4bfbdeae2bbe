//! Hostnames over HTTP.

use axum::extract::State;
use mezu_api::hostname::{Hostname, NewHostname};
use mezu_api::{Page, Permission};
use mezu_model::Hostname as Name;
use utoipa_axum::routes;

use super::described::{IdempotencyHeader, ListQuery, NamePath, OrgPath};
use super::{Body, Id, Operations, Paged};
use crate::auth::OrgScope;
use crate::{Answer, Control, ops};

pub(crate) fn add(all: Operations) -> Operations {
    all.add("hostname.list", Permission::HostnameRead, routes!(list))
        .add("hostname.claim", Permission::HostnameWrite, routes!(claim))
        .add("hostname.read", Permission::HostnameRead, routes!(read))
        .add("hostname.release", Permission::HostnameWrite, routes!(release))
}

/// The hostnames of the org
#[utoipa::path(get, path = "/orgs/{org}/hostnames", params(OrgPath, ListQuery),
    responses((status = 200, body = Page<Hostname>)))]
async fn list(State(control): State<Control>, scope: OrgScope, Paged(slice): Paged) -> Answer<Page<Hostname>> {
    ops::hostname::list(&control, &scope, &slice).await
}

/// Claim a hostname
#[utoipa::path(post, path = "/orgs/{org}/hostnames", params(OrgPath, IdempotencyHeader), request_body = NewHostname,
    responses((status = 201, body = Hostname)))]
async fn claim(State(control): State<Control>, scope: OrgScope, Body(new): Body<NewHostname>) -> Answer<Hostname> {
    ops::hostname::claim(&control, &scope, new).await
}

/// Read a hostname
#[utoipa::path(get, path = "/orgs/{org}/hostnames/{id}", params(OrgPath, NamePath),
    responses((status = 200, body = Hostname)))]
async fn read(State(control): State<Control>, scope: OrgScope, Id(name): Id<Name>) -> Answer<Hostname> {
    ops::hostname::read(&control, &scope, &name).await
}

/// Release a hostname; it is kept for the org for 30 days
#[utoipa::path(delete, path = "/orgs/{org}/hostnames/{id}", params(OrgPath, NamePath), responses((status = 204)))]
async fn release(State(control): State<Control>, scope: OrgScope, Id(name): Id<Name>) -> Answer<()> {
    ops::hostname::release(&control, &scope, &name).await
}
