//! Sessions over HTTP.

use axum::extract::State;
use axum::http::{HeaderMap, header};
use mezu_api::session::{Session, SignIn, SignedIn};
use mezu_api::{Page, Permission};
use utoipa_axum::routes;

use super::described::SessionPath;
use super::{Body, Id, Operations};
use crate::auth::{Caller, Presented};
use crate::{Answer, Control, ops};

const AGENT_MOST: usize = 200;

pub(crate) fn add(all: Operations) -> Operations {
    all.add("session.create", Permission::Enter, routes!(create))
        .add("session.delete", Permission::Own, routes!(delete))
        .add("session.list", Permission::Own, routes!(list))
        .add("session.delete_one", Permission::Own, routes!(delete_one))
        .add("session.delete_all", Permission::Own, routes!(delete_all))
}

/// Sign in
#[utoipa::path(post, path = "/session", request_body = SignIn, responses((status = 201, body = SignedIn)))]
async fn create(
    State(control): State<Control>,
    caller: Caller,
    headers: HeaderMap,
    Body(asked): Body<SignIn>,
) -> Answer<SignedIn> {
    let old = if let Presented::Session(hash) = Presented::of(&headers) { Some(hash) } else { None };
    ops::session::create(&control, &caller, asked, &agent(&headers), old).await
}

/// Sign out
#[utoipa::path(delete, path = "/session", responses((status = 204)))]
async fn delete(State(control): State<Control>, caller: Caller) -> Answer<()> {
    ops::session::delete(&control, &caller).await
}

/// One's own sessions
#[utoipa::path(get, path = "/sessions", responses((status = 200, body = Page<Session>)))]
async fn list(State(control): State<Control>, caller: Caller) -> Answer<Page<Session>> {
    ops::session::list(&control, &caller).await
}

/// End one of one's own sessions
#[utoipa::path(delete, path = "/sessions/{id}", params(SessionPath), responses((status = 204)))]
async fn delete_one(State(control): State<Control>, caller: Caller, Id(id): Id<String>) -> Answer<()> {
    ops::session::delete_one(&control, &caller, &id).await
}

/// Sign out everywhere
#[utoipa::path(delete, path = "/sessions", responses((status = 204)))]
async fn delete_all(State(control): State<Control>, caller: Caller) -> Answer<()> {
    ops::session::delete_all(&control, &caller).await
}

/// What the browser calls itself, as far as it is worth keeping.
pub(crate) fn agent(headers: &HeaderMap) -> String {
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    agent.chars().take(AGENT_MOST).collect()
}
