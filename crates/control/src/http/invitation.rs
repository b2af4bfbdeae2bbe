//! Invitations over HTTP. Secrets come in bodies: what stands in a path ends up in logs.

use axum::extract::State;
use axum::http::HeaderMap;
use mezu_api::invitation::{Accept, Invitation, Invited, Look, NewInvitation};
use mezu_api::session::SignedIn;
use mezu_api::{Page, Permission};
use mezu_model::InvitationId;
use utoipa_axum::routes;

use super::described::{IdPath, IdempotencyHeader, ListQuery, OrgPath};
use super::session::agent;
use super::{Body, Id, Operations, Paged};
use crate::auth::{Caller, OrgScope};
use crate::{Answer, Control, ops};

pub(crate) fn add(all: Operations) -> Operations {
    all.add("invitation.list", Permission::InvitationRead, routes!(list))
        .add("invitation.create", Permission::InvitationWrite, routes!(create))
        .add("invitation.delete", Permission::InvitationWrite, routes!(delete))
        .add("invitation.look", Permission::Enter, routes!(look))
        .add("invitation.accept", Permission::Enter, routes!(accept))
}

/// The invitations of an org
#[utoipa::path(get, path = "/orgs/{org}/invitations", params(OrgPath, ListQuery),
    responses((status = 200, body = Page<Invitation>)))]
async fn list(State(control): State<Control>, scope: OrgScope, Paged(slice): Paged) -> Answer<Page<Invitation>> {
    ops::invitation::list(&control, &scope, &slice).await
}

/// Invite a person
///
/// The answer holds the secret to hand on, once.
#[utoipa::path(post, path = "/orgs/{org}/invitations", params(OrgPath, IdempotencyHeader),
    request_body = NewInvitation, responses((status = 201, body = Invitation)))]
async fn create(State(control): State<Control>, scope: OrgScope, Body(new): Body<NewInvitation>) -> Answer<Invitation> {
    ops::invitation::create(&control, &scope, new).await
}

/// Take an invitation back
#[utoipa::path(delete, path = "/orgs/{org}/invitations/{id}", params(OrgPath, IdPath), responses((status = 204)))]
async fn delete(State(control): State<Control>, scope: OrgScope, Id(id): Id<InvitationId>) -> Answer<()> {
    ops::invitation::delete(&control, &scope, id).await
}

/// See what an invitation is for
///
/// This does not use it.
#[utoipa::path(post, path = "/invitations/look", request_body = Look, responses((status = 200, body = Invited)))]
async fn look(State(control): State<Control>, caller: Caller, Body(asked): Body<Look>) -> Answer<Invited> {
    ops::invitation::look(&control, &caller, asked).await
}

/// Accept an invitation, and sign in
#[utoipa::path(post, path = "/invitations/accept", request_body = Accept,
    responses((status = 201, body = SignedIn)))]
async fn accept(
    State(control): State<Control>,
    caller: Caller,
    headers: HeaderMap,
    Body(asked): Body<Accept>,
) -> Answer<SignedIn> {
    ops::invitation::accept(&control, &caller, asked, &agent(&headers)).await
}
