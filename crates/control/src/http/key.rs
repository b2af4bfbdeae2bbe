//! Keys of service accounts over HTTP.

use axum::extract::State;
use mezu_api::key::{Key, NewKey};
use mezu_api::{Code, Page, Permission, schema};
use mezu_model::KeyId;
use serde::Deserialize;
use utoipa_axum::routes;

use super::described::{IdPath, IdempotencyHeader, OrgPath};
use super::params::slice;
use super::{Body, Filter, Id, Operations};
use crate::auth::OrgScope;
use crate::{Answer, Control, Refused, ops};

pub(crate) fn add(all: Operations) -> Operations {
    all.add("key.list", Permission::KeyRead, routes!(list))
        .add("key.create", Permission::KeyWrite, routes!(create))
        .add("key.read", Permission::KeyRead, routes!(read))
        .add("key.revoke", Permission::KeyWrite, routes!(revoke))
}

/// Which keys.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct KeyQuery {
    /// Those of this service account.
    #[param(value_type = Option<schema::Id>)]
    account: Option<String>,
    /// How many at most; 50 unless told otherwise.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// The `next` of the part before.
    #[param(max_length = 300, pattern = "^[!-~]*$")]
    cursor: Option<String>,
}

/// The keys of the org, revoked ones too
#[utoipa::path(get, path = "/orgs/{org}/keys", params(OrgPath, KeyQuery),
    responses((status = 200, body = Page<Key>)))]
async fn list(State(control): State<Control>, scope: OrgScope, Filter(query): Filter<KeyQuery>) -> Answer<Page<Key>> {
    let slice = slice(query.limit, query.cursor)?;
    let odd = |_| Refused::new(Code::Invalid, "account must be the id of a service account");
    let account = query.account.map(|text| text.parse().map_err(odd)).transpose()?;
    ops::key::list(&control, &scope, account, &slice).await
}

/// Make a key
///
/// The client makes it and sends its public half; or the server makes it, and the answer holds it, once.
#[utoipa::path(post, path = "/orgs/{org}/keys", params(OrgPath, IdempotencyHeader), request_body = NewKey,
    responses((status = 201, body = Key)))]
async fn create(State(control): State<Control>, scope: OrgScope, Body(new): Body<NewKey>) -> Answer<Key> {
    ops::key::create(&control, &scope, new).await
}

/// Read a key
#[utoipa::path(get, path = "/orgs/{org}/keys/{id}", params(OrgPath, IdPath), responses((status = 200, body = Key)))]
async fn read(State(control): State<Control>, scope: OrgScope, Id(id): Id<KeyId>) -> Answer<Key> {
    ops::key::read(&control, &scope, id).await
}

/// Revoke a key; its tunnels are cut
#[utoipa::path(delete, path = "/orgs/{org}/keys/{id}", params(OrgPath, IdPath), responses((status = 204)))]
async fn revoke(State(control): State<Control>, scope: OrgScope, Id(id): Id<KeyId>) -> Answer<()> {
    ops::key::revoke(&control, &scope, id).await
}
