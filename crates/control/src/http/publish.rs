//! Publishes over HTTP.

use axum::extract::State;
use mezu_api::publish::Publish;
use mezu_api::{Page, Permission};
use mezu_model::PublishId;
use utoipa_axum::routes;

use super::described::{IdPath, IdempotencyHeader, ListQuery, OrgPath};
use super::{Id, Operations, Paged};
use crate::auth::OrgScope;
use crate::{Answer, Control, ops};

pub(crate) fn add(all: Operations) -> Operations {
    all.add("publish.list", Permission::PublishRead, routes!(list))
        .add("publish.read", Permission::PublishRead, routes!(read))
        .add("publish.undo", Permission::PublishWrite, routes!(undo))
}

/// What was published, the newest first
#[utoipa::path(get, path = "/orgs/{org}/publishes", params(OrgPath, ListQuery),
    responses((status = 200, body = Page<Publish>)))]
async fn list(State(control): State<Control>, scope: OrgScope, Paged(slice): Paged) -> Answer<Page<Publish>> {
    ops::publish::list(&control, &scope, &slice).await
}

/// Read a publish
#[utoipa::path(get, path = "/orgs/{org}/publishes/{id}", params(OrgPath, IdPath),
    responses((status = 200, body = Publish)))]
async fn read(State(control): State<Control>, scope: OrgScope, Id(id): Id<PublishId>) -> Answer<Publish> {
    ops::publish::read(&control, &scope, id).await
}

/// Take a publish back
///
/// It is refused, naming the routes, if any of them was changed since.
#[utoipa::path(post, path = "/orgs/{org}/publishes/{id}/undo", params(OrgPath, IdPath, IdempotencyHeader),
    responses((status = 201, body = Publish)))]
async fn undo(State(control): State<Control>, scope: OrgScope, Id(id): Id<PublishId>) -> Answer<Publish> {
    ops::publish::undo(&control, &scope, id).await
}
