//! What every request passes, whatever it asks for: its id, the name it calls us by, the site it comes from, a deadline;
//! and on the way back the form of problems.

use std::net::IpAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use mezu_api::{Code, Problem, paths};
use mezu_model::Hostname;

use super::render;
use crate::auth::{Door, has_cookie};
use crate::{Control, Refused};

/// How long an operation may take: waiting for the store and for the edge have shorter deadlines of their own.
const DEADLINE: Duration = Duration::from_secs(30);
const REQUEST_ID: HeaderName = HeaderName::from_static(paths::REQUEST_ID);

/// Where a request comes from: an address, or `socket`. The listener puts it into the request's extensions.
#[derive(Clone, Debug)]
pub struct Source(pub String);

/// What the request is called.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

/// Puts the front around a router, and answers what it does not know.
pub(crate) fn around(router: Router, control: &Control, door: Door) -> Router {
    router
        .fallback(async || Refused::new(Code::NoOperation, "there is no such operation; see openapi/v1.json"))
        .method_not_allowed_fallback(async || Refused::new(Code::WrongMethod, "this path has no such method"))
        .layer(from_fn_with_state((control.clone(), door), front))
}

async fn front(State((control, door)): State<(Control, Door)>, request: Request, next: Next) -> Response {
    let id = mezu_runtime::id::ray().to_string();
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(RequestId(id.clone()));
    let refused = if door == Door::Http { outsider(&control, &parts) } else { None };
    let mut response = match refused {
        Some(refused) => refused.into_response(),
        None => {
            let work = tokio::time::timeout(DEADLINE, next.run(Request::from_parts(parts, body)));
            let late = |_| Refused::new(Code::Busy, "this took too long; look whether it was done, then try again");
            let done = control.see_through(work).await.and_then(|done| done.map_err(late));
            done.unwrap_or_else(Refused::into_response)
        }
    };
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        render::problem(&mut response, Problem { request_id: id.clone(), ..problem });
    }
    let headers = response.headers_mut();
    // What is said here is for the asker alone, and no browser is to take it for a page.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, id);
    }
    response
}

/// Refuses what a page of another site has made a browser send.
fn outsider(control: &Control, parts: &Parts) -> Option<Refused> {
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let host = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().unwrap_or_default(),
        _ => "",
    };
    if !is_ours(host, control.names()) {
        // A name that an attacker's DNS leads here would make this server part of the attacker's site.
        let detail = "call this server by localhost, by its address or by a name that it was given";
        return Some(Refused::new(Code::WrongHost, detail));
    }
    if matches!(parts.method, Method::GET | Method::HEAD) {
        return None;
    }
    let cross = || Some(Refused::new(Code::CrossSite, "a change must come from this server's own pages or a program"));
    let one = |name: HeaderName| parts.headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let origin = one(header::ORIGIN);
    let site = one(HeaderName::from_static("sec-fetch-site"));
    if origin.is_some_and(|origin| !is_same(origin, host)) || site.is_some_and(|site| site != "same-origin") {
        return cross();
    }
    // A browser says where a change comes from; a cookie from what does not say so is not taken.
    let is_silent = origin.is_none() && site.is_none();
    if is_silent && has_cookie(&parts.headers) {
        return cross();
    }
    None
}

/// Whether a `Host` names this server: an address cannot be made to lead elsewhere, and neither can `localhost`.
fn is_ours(host: &str, names: &[Hostname]) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok()
        || names.iter().any(|own| own.as_str().eq_ignore_ascii_case(name))
}

/// Whether an `Origin` is that of a `Host`.
fn is_same(origin: &str, host: &str) -> bool {
    let name = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    name.is_some_and(|name| name.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_dns_could_turn_are_not_ours() {
        let names = ["console.example.com".parse().unwrap()];
        for host in
            ["localhost", "LOCALHOST:80", "127.0.0.1:9901", "[::1]:9901", "10.0.0.7", "console.example.com:9901"]
        {
            assert!(is_ours(host, &names), "{host}");
        }
        for host in
            ["", ":80", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example:9901", "localhost:x", "[::1"]
        {
            assert!(!is_ours(host, &names), "{host}");
        }
    }

    #[test]
    fn only_the_same_origin_is_the_same() {
        assert!(is_same("http://localhost:9901", "localhost:9901"));
        assert!(is_same("https://console.example.com", "console.example.com"));
        for origin in ["null", "", "http://localhost:9902", "http://localhost:9901.evil.example", "localhost:9901"] {
            assert!(!is_same(origin, "localhost:9901"), "{origin}");
        }
    }
}
