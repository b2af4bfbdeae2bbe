//! The first run over HTTP.

use axum::extract::State;
use axum::http::HeaderMap;
use mezu_api::Permission;
use mezu_api::session::SignedIn;
use mezu_api::setup::{Setup, SetupState};
use utoipa_axum::routes;

use super::session::agent;
use super::{Body, Operations};
use crate::auth::Caller;
use crate::{Answer, Control, ops};

pub(crate) fn add(all: Operations) -> Operations {
    all.add("setup.read", Permission::Enter, routes!(read)).add("setup.complete", Permission::Enter, routes!(complete))
}

/// How far the first run is
#[utoipa::path(get, path = "/setup", responses((status = 200, body = SetupState)))]
async fn read(State(control): State<Control>) -> Answer<SetupState> {
    ops::setup::read(&control).await
}

/// Make the first owner, with the token that `mezusphere up` shows
#[utoipa::path(post, path = "/setup", request_body = Setup, responses((status = 201, body = SignedIn)))]
async fn complete(
    State(control): State<Control>,
    caller: Caller,
    headers: HeaderMap,
    Body(asked): Body<Setup>,
) -> Answer<SignedIn> {
    ops::setup::complete(&control, &caller, asked, &agent(&headers)).await
}
