//! API tokens over HTTP.

use axum::extract::State;
use mezu_api::token::{NewToken, Token};
use mezu_api::{Page, Permission};
use mezu_model::TokenId;
use utoipa_axum::routes;

use super::described::{IdPath, IdempotencyHeader, ListQuery, OrgPath};
use super::{Body, Id, Operations, Paged};
use crate::auth::OrgScope;
use crate::{Answer, Control, ops};

pub(crate) fn add(all: Operations) -> Operations {
    all.add("token.list", Permission::TokenRead, routes!(list))
        .add("token.create", Permission::TokenWrite, routes!(create))
        .add("token.delete", Permission::TokenWrite, routes!(delete))
}

/// One's own tokens for an org; for an admin, all
#[utoipa::path(get, path = "/orgs/{org}/tokens", params(OrgPath, ListQuery),
    responses((status = 200, body = Page<Token>)))]
async fn list(State(control): State<Control>, scope: OrgScope, Paged(slice): Paged) -> Answer<Page<Token>> {
    ops::token::list(&control, &scope, &slice).await
}

/// Make a token
///
/// It takes a session. The answer holds the token itself, once.
#[utoipa::path(post, path = "/orgs/{org}/tokens", params(OrgPath, IdempotencyHeader), request_body = NewToken,
    responses((status = 201, body = Token)))]
async fn create(State(control): State<Control>, scope: OrgScope, Body(new): Body<NewToken>) -> Answer<Token> {
    ops::token::create(&control, &scope, new).await
}

/// Revoke a token
#[utoipa::path(delete, path = "/orgs/{org}/tokens/{id}", params(OrgPath, IdPath), responses((status = 204)))]
async fn delete(State(control): State<Control>, scope: OrgScope, Id(id): Id<TokenId>) -> Answer<()> {
    ops::token::delete(&control, &scope, id).await
}
