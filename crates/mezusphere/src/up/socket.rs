//! The JSON API on the local socket. Who may open the socket may do everything: its mode is 0600, in a directory of
//! mode 0700.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, FromRequest, Path as UrlPath, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use mezu_model::{KeyId, PublicKey, RouteId};
use mezu_store::StoreError;
use tokio::net::UnixListener;

use super::ops::{OpError, Ops};
use crate::api;

const BODY: usize = 256 * 1024;

/// Listens on the socket. A file left by a crash is removed: the lock of the data directory says that nobody uses it.
///
/// # Errors
/// The system's, such as a path longer than the 107 bytes that a socket's name may have.
pub(super) fn bind(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// The operations as a router. What it does not know is for the API.
pub(super) fn router(ops: Arc<Ops>) -> Router {
    Router::new()
        .route("/v1/status", get(async |State(ops): State<Arc<Ops>>| answer(ops.status().await)))
        .route("/v1/keys", get(async |State(ops): State<Arc<Ops>>| answer(ops.keys().await)).post(create_key))
        .route("/v1/keys/{id}/revoke", post(revoke_key))
        .route("/v1/workloads", get(async |State(ops): State<Arc<Ops>>| answer(ops.workloads().await)))
        .route("/v1/routes", get(async |State(ops): State<Arc<Ops>>| answer(ops.routes().await)).post(add_route))
        .route("/v1/routes/{id}", delete(remove_route))
        .layer(DefaultBodyLimit::max(BODY))
        .with_state(ops)
}

async fn create_key(State(ops): State<Arc<Ops>>, Body(new): Body<api::NewKey>) -> Response {
    match PublicKey::from_hex(&new.public_key) {
        Some(public) => answer(ops.create_key(new.name, public).await),
        None => problem(StatusCode::BAD_REQUEST, "bad_public_key", "public_key must be 64 hex digits"),
    }
}

async fn revoke_key(State(ops): State<Arc<Ops>>, Id(id): Id<KeyId>) -> Response {
    answer(ops.revoke_key(id).await)
}

async fn add_route(State(ops): State<Arc<Ops>>, Body(new): Body<api::NewRoute>) -> Response {
    answer(ops.add_route(new).await)
}

async fn remove_route(State(ops): State<Arc<Ops>>, Id(id): Id<RouteId>) -> Response {
    answer(ops.remove_route(id).await)
}

/// A JSON body; a bad one is answered by a problem that names the place.
struct Body<T>(T);

impl<T: serde::de::DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Response;

    async fn from_request(request: axum::extract::Request, state: &S) -> Result<Self, Response> {
        let body = Json::<T>::from_request(request, state).await;
        body.map(|Json(body)| Self(body))
            .map_err(|rejection: JsonRejection| problem(rejection.status(), "bad_body", &rejection.body_text()))
    }
}

/// An id from the path.
struct Id<T>(T);

impl<T: std::str::FromStr<Err: std::fmt::Display>, S: Send + Sync> axum::extract::FromRequestParts<S> for Id<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, state: &S) -> Result<Self, Response> {
        let bad = |error: &dyn std::fmt::Display| problem(StatusCode::BAD_REQUEST, "bad_id", &error.to_string());
        let UrlPath(text) = UrlPath::<String>::from_request_parts(parts, state).await.map_err(|error| bad(&error))?;
        text.parse().map(Self).map_err(|error| bad(&error))
    }
}

fn answer<T: serde::Serialize>(result: Result<T, OpError>) -> Response {
    match result {
        Ok(value) => Json(value).into_response(),
        Err(error) => {
            let (status, code) = kind(&error);
            problem(status, code, &error.to_string())
        }
    }
}

fn kind(error: &OpError) -> (StatusCode, &'static str) {
    match error {
        OpError::NoStore | OpError::Slow => (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable"),
        OpError::NotPublished(_) => (StatusCode::INTERNAL_SERVER_ERROR, "not_published"),
        OpError::Pipeline(_) => (StatusCode::BAD_REQUEST, "bad_pipeline"),
        OpError::Store(error) => match error {
            StoreError::NoKey { .. } => (StatusCode::NOT_FOUND, "no_such_key"),
            StoreError::NoWorkload { .. } => (StatusCode::NOT_FOUND, "no_such_workload"),
            StoreError::NoRoute { .. } => (StatusCode::NOT_FOUND, "no_such_route"),
            StoreError::KeyNameTaken { .. } => (StatusCode::CONFLICT, "key_name_taken"),
            StoreError::RouteTaken { .. } => (StatusCode::CONFLICT, "route_taken"),
            StoreError::HostTaken { .. } => (StatusCode::CONFLICT, "host_taken"),
            StoreError::Taken { .. } => (StatusCode::CONFLICT, "taken"),
            StoreError::TooMany { .. } => (StatusCode::CONFLICT, "limit_reached"),
            StoreError::Busy | StoreError::Full => (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "store_fault"),
        },
    }
}

fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    let title = status.canonical_reason().unwrap_or("Error").to_string();
    let body = api::Problem { code: code.to_string(), title, status: status.as_u16(), detail: detail.to_string() };
    (status, [(header::CONTENT_TYPE, "application/problem+json")], Json(body)).into_response()
}
