//! Drafts over HTTP.

use axum::extract::State;
use mezu_api::draft::{Diff, Draft, DraftSpec};
use mezu_api::publish::Publish;
use mezu_api::{Page, Permission};
use mezu_model::DraftId;
use utoipa_axum::routes;

use super::described::{IdPath, IdempotencyHeader, IfMatchHeader, ListQuery, OrgPath};
use super::{Body, Id, IfMatch, Operations, Paged};
use crate::auth::OrgScope;
use crate::{Answer, Control, ops};

pub(crate) fn add(all: Operations) -> Operations {
    all.add("draft.list", Permission::DraftRead, routes!(list))
        .add("draft.create", Permission::DraftWrite, routes!(create))
        .add("draft.read", Permission::DraftRead, routes!(read))
        .add("draft.update", Permission::DraftWrite, routes!(update))
        .add("draft.delete", Permission::DraftWrite, routes!(delete))
        .add("draft.diff", Permission::DraftRead, routes!(diff))
        .add("draft.publish", Permission::PublishWrite, routes!(publish))
}

/// The drafts of the org
#[utoipa::path(get, path = "/orgs/{org}/drafts", params(OrgPath, ListQuery),
    responses((status = 200, body = Page<Draft>)))]
async fn list(State(control): State<Control>, scope: OrgScope, Paged(slice): Paged) -> Answer<Page<Draft>> {
    ops::draft::list(&control, &scope, &slice).await
}

/// Write a draft down
#[utoipa::path(post, path = "/orgs/{org}/drafts", params(OrgPath, IdempotencyHeader), request_body = DraftSpec,
    responses((status = 201, body = Draft)))]
async fn create(State(control): State<Control>, scope: OrgScope, Body(spec): Body<DraftSpec>) -> Answer<Draft> {
    ops::draft::create(&control, &scope, spec).await
}

/// Read a draft
#[utoipa::path(get, path = "/orgs/{org}/drafts/{id}", params(OrgPath, IdPath),
    responses((status = 200, body = Draft)))]
async fn read(State(control): State<Control>, scope: OrgScope, Id(id): Id<DraftId>) -> Answer<Draft> {
    ops::draft::read(&control, &scope, id).await
}

/// Replace what a draft says, or when it is published
#[utoipa::path(put, path = "/orgs/{org}/drafts/{id}", params(OrgPath, IdPath, IfMatchHeader),
    request_body = DraftSpec, responses((status = 200, body = Draft)))]
async fn update(
    State(control): State<Control>,
    scope: OrgScope,
    Id(id): Id<DraftId>,
    IfMatch(expected): IfMatch,
    Body(spec): Body<DraftSpec>,
) -> Answer<Draft> {
    ops::draft::update(&control, &scope, id, spec, expected).await
}

/// Throw a draft away
#[utoipa::path(delete, path = "/orgs/{org}/drafts/{id}", params(OrgPath, IdPath, IfMatchHeader),
    responses((status = 204)))]
async fn delete(
    State(control): State<Control>,
    scope: OrgScope,
    Id(id): Id<DraftId>,
    IfMatch(expected): IfMatch,
) -> Answer<()> {
    ops::draft::delete(&control, &scope, id, expected).await
}

/// What publishing a draft would change as things are
#[utoipa::path(get, path = "/orgs/{org}/drafts/{id}/diff", params(OrgPath, IdPath),
    responses((status = 200, body = Diff)))]
async fn diff(State(control): State<Control>, scope: OrgScope, Id(id): Id<DraftId>) -> Answer<Diff> {
    ops::draft::diff(&control, &scope, id).await
}

/// Publish a draft: all of its changes or none
#[utoipa::path(post, path = "/orgs/{org}/drafts/{id}/publish",
    params(OrgPath, IdPath, IfMatchHeader, IdempotencyHeader), responses((status = 201, body = Publish)))]
async fn publish(
    State(control): State<Control>,
    scope: OrgScope,
    Id(id): Id<DraftId>,
    IfMatch(expected): IfMatch,
) -> Answer<Publish> {
    ops::draft::publish(&control, &scope, id, expected).await
}
