//! From replies and refusals to responses.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use mezu_api::{Problem, paths};
use serde::Serialize;

use crate::reply::json;
use crate::{Refused, Reply};

const GENERATION: HeaderName = HeaderName::from_static(paths::GENERATION);
const LATE: HeaderName = HeaderName::from_static(paths::LATE);

impl<T: Serialize> IntoResponse for Reply<T> {
    fn into_response(self) -> Response {
        let mut status = self.status;
        let mut response = text(self.body.as_ref().map(json));
        let headers = response.headers_mut();
        if let Some(version) = self.version {
            set(headers, header::ETAG, &format!("\"{version}\""));
        }
        if let Some(published) = self.published {
            set(headers, GENERATION, &published.generation.to_string());
            if let Some(why) = published.late {
                status = 202;
                set(headers, LATE, &why);
            }
        }
        if let Some(cookie) = self.cookie {
            set(headers, header::SET_COOKIE, &cookie);
        }
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
        response
    }
}

/// The answer to a request that was done before.
pub(crate) fn again(status: u16, body: String, generation: u64) -> Response {
    let mut response = text(Some(body).filter(|body| !body.is_empty()));
    set(response.headers_mut(), GENERATION, &generation.to_string());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    response
}

/// What a refusal was about, on its way to the audit log.
#[derive(Clone)]
pub(crate) struct About(pub(crate) Option<Box<str>>);

impl IntoResponse for Refused {
    /// The problem goes along as a value: the front writes it, once it knows the request's id.
    fn into_response(self) -> Response {
        let Self { problem, about } = self;
        let mut response = Response::default();
        *response.status_mut() = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response.extensions_mut().insert(*problem);
        response.extensions_mut().insert(About(about));
        response
    }
}

/// Writes the problem of a response into it.
pub(crate) fn problem(response: &mut Response, problem: Problem) {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if problem.status == 401 {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"mezusphere\""));
    }
    if matches!(problem.status, 429 | 503) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(problem.retry_after.unwrap_or(5)));
    }
    *response.body_mut() = json(&problem).into();
}

fn text(body: Option<String>) -> Response {
    let Some(body) = body else { return Response::default() };
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}

/// Sets a header; what cannot stand in one is left out.
fn set(headers: &mut axum::http::HeaderMap, name: HeaderName, value: &str) {
    let plain: String = value.chars().filter(|c| c.is_ascii() && !c.is_ascii_control()).collect();
    if let Ok(value) = HeaderValue::from_str(&plain) {
        headers.insert(name, value);
    }
}
