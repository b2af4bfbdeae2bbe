//! Members over HTTP.

use axum::extract::State;
use mezu_api::member::{Member, MemberPatch};
use mezu_api::{Page, Permission};
use mezu_model::MemberId;
use utoipa_axum::routes;

use super::described::{IdPath, IfMatchHeader, ListQuery, OrgPath};
use super::{Body, Id, IfMatch, Operations, Paged};
use crate::auth::OrgScope;
use crate::{Answer, Control, ops};

pub(crate) fn add(all: Operations) -> Operations {
    all.add("member.list", Permission::MemberRead, routes!(list))
        .add("member.read", Permission::MemberRead, routes!(read))
        .add("member.update", Permission::MemberWrite, routes!(update))
        .add("member.delete", Permission::MemberWrite, routes!(delete))
}

/// The members of an org
#[utoipa::path(get, path = "/orgs/{org}/members", params(OrgPath, ListQuery),
    responses((status = 200, body = Page<Member>)))]
async fn list(State(control): State<Control>, scope: OrgScope, Paged(slice): Paged) -> Answer<Page<Member>> {
    ops::member::list(&control, &scope, &slice).await
}

/// Read a member of an org
#[utoipa::path(get, path = "/orgs/{org}/members/{id}", params(OrgPath, IdPath),
    responses((status = 200, body = Member)))]
async fn read(State(control): State<Control>, scope: OrgScope, Id(id): Id<MemberId>) -> Answer<Member> {
    ops::member::read(&control, &scope, id).await
}

/// Give a member another role
#[utoipa::path(patch, path = "/orgs/{org}/members/{id}", params(OrgPath, IdPath, IfMatchHeader),
    request_body = MemberPatch, responses((status = 200, body = Member)))]
async fn update(
    State(control): State<Control>,
    scope: OrgScope,
    Id(id): Id<MemberId>,
    IfMatch(expected): IfMatch,
    Body(patch): Body<MemberPatch>,
) -> Answer<Member> {
    ops::member::update(&control, &scope, id, patch, expected).await
}

/// Take a member out of an org
#[utoipa::path(delete, path = "/orgs/{org}/members/{id}", params(OrgPath, IdPath, IfMatchHeader),
    responses((status = 204)))]
async fn delete(
    State(control): State<Control>,
    scope: OrgScope,
    Id(id): Id<MemberId>,
    IfMatch(expected): IfMatch,
) -> Answer<()> {
    ops::member::delete(&control, &scope, id, expected).await
}
