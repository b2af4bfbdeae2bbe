//! Machines that ask to be let in, over HTTP. They are found by their code; there is no list.

use axum::extract::State;
use mezu_api::Permission;
use mezu_api::key::Key;
use mezu_api::machine::{Approval, Machine};
use mezu_model::MachineCode;
use utoipa_axum::routes;

use super::described::{CodePath, IdempotencyHeader, OrgPath};
use super::{Body, Id, Operations};
use crate::auth::OrgScope;
use crate::{Answer, Control, ops};

pub(crate) fn add(all: Operations) -> Operations {
    all.add("machine.read", Permission::KeyWrite, routes!(read))
        .add("machine.approve", Permission::KeyWrite, routes!(approve))
        .add("machine.refuse", Permission::KeyWrite, routes!(refuse))
}

/// Look at the machine that shows a code
///
/// What it says of itself nobody can check: compare code and fingerprint with those that the machine shows.
#[utoipa::path(get, path = "/orgs/{org}/machines/{id}", params(OrgPath, CodePath),
    responses((status = 200, body = Machine)))]
async fn read(State(control): State<Control>, scope: OrgScope, Id(code): Id<MachineCode>) -> Answer<Machine> {
    ops::machine::read(&control, &scope, code).await
}

/// Let a machine in: the key that it made becomes one of a service account
///
/// The code is used up. Whoever approves the code of a machine that is not theirs gives the org's name to a stranger.
#[utoipa::path(post, path = "/orgs/{org}/machines/{id}", params(OrgPath, CodePath, IdempotencyHeader),
    request_body = Approval, responses((status = 201, body = Key)))]
async fn approve(
    State(control): State<Control>,
    scope: OrgScope,
    Id(code): Id<MachineCode>,
    Body(approval): Body<Approval>,
) -> Answer<Key> {
    ops::machine::approve(&control, &scope, code, approval).await
}

/// Turn a machine away; the code is used up
#[utoipa::path(delete, path = "/orgs/{org}/machines/{id}", params(OrgPath, CodePath), responses((status = 204)))]
async fn refuse(State(control): State<Control>, scope: OrgScope, Id(code): Id<MachineCode>) -> Answer<()> {
    ops::machine::refuse(&control, &scope, code).await
}
