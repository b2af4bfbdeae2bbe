//! Heads between the h2 crate's types and ours.

use std::cell::RefCell;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, request::Parts};
use mezu_model::{Headers, Known, Limits, Method, RequestHead, ResponseHead, Scheme, Upgrade, known};

use crate::http::{
    BadRequest, date,
    fields::{self, Intake, Version},
    target,
};

/// What a request's head says beside what stands in the [`RequestHead`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) content_length: Option<u64>,
}

/// Why a request is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It breaks the protocol: the stream is reset (RFC 9113 §8.1.1).
    Protocol(BadRequest),
    /// It breaks our rules: it gets an answer.
    Request(BadRequest),
}

impl From<BadRequest> for Fault {
    fn from(problem: BadRequest) -> Self {
        Self::Request(problem)
    }
}

/// Reads a request head into `head`, which is empty.
pub(super) fn request(
    parts: &Parts,
    head: &mut RequestHead,
    spare: &mut String,
    limits: &Limits,
) -> Result<Facts, Fault> {
    head.method =
        Method::from_bytes(parts.method.as_str().as_bytes()).ok_or(BadRequest::Malformed("method"))?;
    head.scheme = Scheme::Https;
    pseudo(parts, head, spare, limits)?;
    let mut intake = Intake::new(Version::H2, limits);
    for (name, value) in &parts.headers {
        field(&mut intake, name, value, head).map_err(|problem| match intake.violation {
            true => Fault::Protocol(problem),
            false => Fault::Request(problem),
        })?;
    }
    intake.end(head);
    if head.host.is_empty() {
        return Err(Fault::Protocol(BadRequest::Malformed("no authority")));
    }
    upgrade(parts, &intake, head)?;
    Ok(Facts { content_length: intake.content_length })
}

fn field(
    intake: &mut Intake,
    name: &HeaderName,
    value: &HeaderValue,
    head: &mut RequestHead,
) -> Result<(), BadRequest> {
    let value = value.as_bytes();
    if value.first().is_some_and(is_blank) || value.last().is_some_and(is_blank) {
        return intake.violates("white space around a header value");
    }
    intake.field(name.as_str().as_bytes(), value, head)
}

fn is_blank(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn pseudo(parts: &Parts, head: &mut RequestHead, spare: &mut String, limits: &Limits) -> Result<(), BadRequest> {
    if !matches!(parts.uri.scheme_str(), Some("https" | "http")) {
        return Err(BadRequest::Malformed("scheme"));
    }
    if let Some(authority) = parts.uri.authority() {
        target::authority(authority.as_str().as_bytes(), &mut head.host, &mut head.port)?;
    }
    let path = parts.uri.path_and_query().map_or("", |p| p.as_str());
    if path.len() > limits.uri_bytes {
        return Err(BadRequest::UriTooLong);
    }
    if path == "*" && head.method == Method::Options {
        head.path.push('*');
        return Ok(());
    }
    target::path_and_query(path.as_bytes(), head, spare)
}

/// Extended CONNECT (RFC 8441) is a WebSocket or nothing; it goes on as the GET that h1 would have sent.
fn upgrade(parts: &Parts, intake: &Intake, head: &mut RequestHead) -> Result<(), BadRequest> {
    match (&head.method, parts.extensions.get::<h2::ext::Protocol>()) {
        (Method::Connect, Some(protocol)) if protocol.as_str() == "websocket" => {
            if intake.websocket_version != Some(true) {
                return Err(BadRequest::WebSocketVersion);
            }
            head.method = Method::Get;
            head.upgrade = Some(Upgrade::WebSocket);
            Ok(())
        }
        (Method::Connect | Method::Trace, _) => Err(BadRequest::Method),
        _ => Ok(()),
    }
}

/// Trailers of a request; what must not be in them is left out.
pub(super) fn request_trailers(map: &HeaderMap, limits: &Limits) -> Result<Headers, &'static str> {
    if map.len() > limits.trailer_count {
        return Err("too many trailers");
    }
    let mut trailers = Headers::new();
    for (name, value) in map {
        let mut lower = [0u8; mezu_model::headers::MAX_NAME];
        let name = fields::lowercase(name.as_str().as_bytes(), &mut lower).map_err(|_| "trailer name")?;
        if fields::is_trailer(name) {
            trailers.push(name, value.as_bytes()).map_err(|_| "trailer value")?;
        }
    }
    Ok(trailers)
}

/// An answer's head for the wire. `length` is what `content-length` says.
pub(super) fn response(head: &ResponseHead, status: u16, length: Option<u64>) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let map = response.headers_mut();
    map.reserve(head.headers.len() + 2);
    copy(&head.headers, map, |known| {
        known != known::CONTENT_LENGTH && known != known::SEC_WEBSOCKET_ACCEPT && !fields::is_hop_by_hop(known)
    });
    if let Some(length) = length {
        map.insert(http::header::CONTENT_LENGTH, length.into());
    }
    if status >= 200 && !map.contains_key(http::header::DATE) {
        map.insert(http::header::DATE, date_value());
    }
    response
}

/// Trailers of an answer for the wire.
pub(super) fn response_trailers(headers: &Headers) -> HeaderMap {
    let mut map = HeaderMap::with_capacity(headers.len());
    copy(headers, &mut map, |known| fields::is_trailer(known.as_str().as_bytes()));
    map
}

/// All values lie in one allocation that the map's values share.
fn copy(headers: &Headers, map: &mut HeaderMap, keep: impl Fn(Known) -> bool) {
    let size = headers.iter().map(|h| h.value.len()).sum();
    let mut text = BytesMut::with_capacity(size);
    headers.iter().for_each(|h| text.extend_from_slice(h.value));
    let mut text = text.freeze();
    for field in headers.iter() {
        let value = text.split_to(field.value.len());
        let name = match field.known {
            Some(known) if keep(known) => known_name(known),
            Some(_) => None,
            None => HeaderName::from_bytes(field.name).ok(),
        };
        if let (Some(name), Ok(value)) = (name, HeaderValue::from_maybe_shared(value)) {
            map.append(name, value);
        }
    }
}

thread_local! {
    static NAMES: RefCell<Vec<Option<HeaderName>>> = const { RefCell::new(Vec::new()) };
    static DATE: RefCell<([u8; 29], Option<HeaderValue>)> = const { RefCell::new(([0; 29], None)) };
}

/// Parsed once per thread and name.
fn known_name(known: Known) -> Option<HeaderName> {
    NAMES.with_borrow_mut(|names| {
        let index = usize::from(known.index());
        if names.len() <= index {
            names.resize(256, None);
        }
        let slot = names.get_mut(index)?;
        if slot.is_none() {
            *slot = HeaderName::from_bytes(known.as_str().as_bytes()).ok();
        }
        slot.clone()
    })
}

fn date_value() -> HeaderValue {
    let now = date::now();
    DATE.with_borrow_mut(|(text, value)| {
        if *text != now || value.is_none() {
            *text = now;
            *value = HeaderValue::from_maybe_shared(Bytes::copy_from_slice(&now)).ok();
        }
        value.clone().unwrap_or_else(|| HeaderValue::from_static(""))
    })
}
