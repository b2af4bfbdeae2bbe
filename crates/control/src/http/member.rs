//! Members over HTTP.

use axum::extract::State;
use mezu_api::member::{Member, MemberPatch, Reset};
use mezu_api::{Page, Permission};
use mezu_model::MemberId;
use utoipa_axum::routes;

use super::described::{IdPath, IdempotencyHeader, IfMatchHeader, ListQuery, OrgPath};
use super::{Body, Id, IfMatch, Operations, Paged};
use crate::auth::{Caller, OrgScope};
use crate::{Answer, Control, ops};

pub(crate) fn add(all: Operations) -> Operations {
    all.add("member.list", Permission::MemberRead, routes!(list))
        .add("member.read", Permission::MemberRead, routes!(read))
        .add("member.update", Permission::MemberWrite, routes!(update))
        .add("member.delete", Permission::MemberWrite, routes!(delete))
        .add("member.leave", Permission::MemberLeave, routes!(leave))
        .add("member.disable", Permission::Operate, routes!(disable))
        .add("member.enable", Permission::Operate, routes!(enable))
        .add("member.reset", Permission::Operate, routes!(reset))
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

/// Leave an org, oneself
///
/// The last owner cannot. It takes a session: a token cannot take its member out.
#[utoipa::path(delete, path = "/orgs/{org}/members/me", params(OrgPath), responses((status = 204)))]
async fn leave(State(control): State<Control>, scope: OrgScope) -> Answer<()> {
    ops::member::leave(&control, &scope).await
}

/// Keep a member from signing in
#[utoipa::path(post, path = "/members/{id}/disable", params(IdPath, IdempotencyHeader), responses((status = 204)))]
async fn disable(State(control): State<Control>, caller: Caller, Id(id): Id<MemberId>) -> Answer<()> {
    ops::member::disable(&control, &caller, id).await
}

/// Let a member sign in again
#[utoipa::path(post, path = "/members/{id}/enable", params(IdPath, IdempotencyHeader), responses((status = 204)))]
async fn enable(State(control): State<Control>, caller: Caller, Id(id): Id<MemberId>) -> Answer<()> {
    ops::member::enable(&control, &caller, id).await
}

/// Give a member a new password, and take the second factor away
///
/// The answer holds the password, once.
#[utoipa::path(post, path = "/members/{id}/reset", params(IdPath, IdempotencyHeader),
    responses((status = 200, body = Reset)))]
async fn reset(State(control): State<Control>, caller: Caller, Id(id): Id<MemberId>) -> Answer<Reset> {
    ops::member::reset(&control, &caller, id).await
}
