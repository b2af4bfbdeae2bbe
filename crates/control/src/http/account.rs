//! Service accounts over HTTP.

use axum::extract::State;
use mezu_api::account::{Account, AccountSpec};
use mezu_api::{Page, Permission};
use mezu_model::AccountId;
use utoipa_axum::routes;

use super::described::{IdPath, IdempotencyHeader, IfMatchHeader, ListQuery, OrgPath};
use super::{Body, Id, IfMatch, Operations, Paged};
use crate::auth::OrgScope;
use crate::{Answer, Control, ops};

pub(crate) fn add(all: Operations) -> Operations {
    all.add("account.list", Permission::AccountRead, routes!(list))
        .add("account.create", Permission::AccountWrite, routes!(create))
        .add("account.read", Permission::AccountRead, routes!(read))
        .add("account.update", Permission::AccountWrite, routes!(update))
        .add("account.delete", Permission::AccountWrite, routes!(delete))
}

/// The service accounts of the org
#[utoipa::path(get, path = "/orgs/{org}/accounts", params(OrgPath, ListQuery),
    responses((status = 200, body = Page<Account>)))]
async fn list(State(control): State<Control>, scope: OrgScope, Paged(slice): Paged) -> Answer<Page<Account>> {
    ops::account::list(&control, &scope, &slice).await
}

/// Make a service account
#[utoipa::path(post, path = "/orgs/{org}/accounts", params(OrgPath, IdempotencyHeader), request_body = AccountSpec,
    responses((status = 201, body = Account)))]
async fn create(State(control): State<Control>, scope: OrgScope, Body(spec): Body<AccountSpec>) -> Answer<Account> {
    ops::account::create(&control, &scope, spec).await
}

/// Read a service account
#[utoipa::path(get, path = "/orgs/{org}/accounts/{id}", params(OrgPath, IdPath),
    responses((status = 200, body = Account)))]
async fn read(State(control): State<Control>, scope: OrgScope, Id(id): Id<AccountId>) -> Answer<Account> {
    ops::account::read(&control, &scope, id).await
}

/// Replace what a service account is called and may do
#[utoipa::path(put, path = "/orgs/{org}/accounts/{id}", params(OrgPath, IdPath, IfMatchHeader),
    request_body = AccountSpec, responses((status = 200, body = Account)))]
async fn update(
    State(control): State<Control>,
    scope: OrgScope,
    Id(id): Id<AccountId>,
    IfMatch(expected): IfMatch,
    Body(spec): Body<AccountSpec>,
) -> Answer<Account> {
    ops::account::update(&control, &scope, id, spec, expected).await
}

/// Delete a service account and revoke its keys
#[utoipa::path(delete, path = "/orgs/{org}/accounts/{id}", params(OrgPath, IdPath, IfMatchHeader),
    responses((status = 204)))]
async fn delete(
    State(control): State<Control>,
    scope: OrgScope,
    Id(id): Id<AccountId>,
    IfMatch(expected): IfMatch,
) -> Answer<()> {
    ops::account::delete(&control, &scope, id, expected).await
}
