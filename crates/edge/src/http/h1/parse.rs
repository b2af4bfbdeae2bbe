//! Bytes to a request head, by RFC 9112 read strictly (threat 3).
//!
//! httparse cuts the lines; what it forgives is refused here: bare LF, empty lines before the request, names outside
//! `[A-Za-z0-9-]`, and every framing that two parsers could read differently.

use std::mem::MaybeUninit;

use mezu_model::{Limits, Method, RequestHead, Scheme, Upgrade};

use crate::http::{
    BadRequest, BodyLength,
    fields::{Intake, Version},
    target,
};

/// What the head says about the message and the connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Framing {
    pub(crate) http10: bool,
    pub(crate) keep_alive: bool,
    pub(crate) body: BodyLength,
    /// The client takes trailers.
    pub(crate) te_trailers: bool,
    /// The client waits for a 100 before it sends its body.
    pub(crate) expect: bool,
    pub(crate) websocket_key: Option<[u8; 24]>,
}

/// How far the input was searched for the end of the head. Each byte is looked at once, however slowly it comes.
#[derive(Debug, Default)]
pub(crate) struct Search {
    seen: usize,
    lines: usize,
    line_start: usize,
}

impl Search {
    /// The length of the head once it is here whole. Fails as soon as a line ends in a bare LF or a limit is passed.
    pub(crate) fn head_end(&mut self, input: &[u8], limits: &Limits) -> Result<Option<usize>, BadRequest> {
        while let Some(at) = memchr::memchr(b'\n', input.get(self.seen..).unwrap_or_default()) {
            let line_end = self.seen + at;
            let line = input.get(self.line_start..line_end).unwrap_or_default();
            self.seen = line_end + 1;
            match line {
                [b'\r'] if self.lines == 0 => return Err(BadRequest::Malformed("empty line before the request")),
                [b'\r'] => return self.check(line_end + 1, limits).map(|()| Some(line_end + 1)),
                [.., b'\r'] => self.lines += 1,
                _ => return Err(BadRequest::Malformed("bare LF")),
            }
            self.line_start = self.seen;
        }
        self.seen = input.len();
        self.check(input.len(), limits).map(|()| None)
    }

    fn check(&self, length: usize, limits: &Limits) -> Result<(), BadRequest> {
        /// Method, two spaces, version, CRLF.
        const REST_OF_LINE: usize = Method::MAX_LEN + 12;
        if self.lines == 0 && length > limits.uri_bytes + REST_OF_LINE {
            return Err(BadRequest::UriTooLong);
        }
        if length > limits.uri_bytes + REST_OF_LINE + limits.header_bytes {
            return Err(BadRequest::HeadersTooLarge);
        }
        Ok(())
    }
}

/// The most fields httparse is given room for; `Limits::header_count` decides.
const MAX_FIELDS: usize = 128;

/// Parses a whole head (as [`Search::head_end`] found it) into `head`, which is empty.
pub(crate) fn parse(
    bytes: &[u8],
    head: &mut RequestHead,
    spare: &mut String,
    limits: &Limits,
) -> Result<Framing, BadRequest> {
    let mut room = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut []);
    let status = request.parse_with_uninit_headers(bytes, &mut room).map_err(refusal)?;
    if status != httparse::Status::Complete(bytes.len()) {
        return Err(BadRequest::Malformed("request head"));
    }
    let method = request.method.unwrap_or_default();
    head.method = Method::from_bytes(method.as_bytes()).ok_or(BadRequest::Malformed("method"))?;
    head.scheme = Scheme::Https;
    let http10 = request.version == Some(0);
    let mut intake = Intake::new(if http10 { Version::H10 } else { Version::H11 }, limits);
    for field in &*request.headers {
        intake.field(field.name.as_bytes(), field.value, head)?;
    }
    intake.end(head);
    if !intake.host_seen {
        return Err(BadRequest::Malformed("no Host"));
    }
    if matches!(head.method, Method::Connect | Method::Trace) {
        return Err(BadRequest::Method);
    }
    target::request_target(request.path.unwrap_or_default().as_bytes(), head, spare, limits)?;
    framing(&intake, http10, head)
}

fn refusal(error: httparse::Error) -> BadRequest {
    use httparse::Error;
    match error {
        Error::TooManyHeaders => BadRequest::HeadersTooLarge,
        Error::Version => BadRequest::Version,
        Error::HeaderName => BadRequest::Malformed("header name"),
        Error::HeaderValue => BadRequest::Malformed("header value"),
        Error::NewLine => BadRequest::Malformed("line end"),
        Error::Token | Error::Status => BadRequest::Malformed("request line"),
    }
}

fn framing(intake: &Intake, http10: bool, head: &mut RequestHead) -> Result<Framing, BadRequest> {
    let body = match (intake.chunked, intake.content_length) {
        (true, Some(_)) => return Err(BadRequest::Malformed("Content-Length and Transfer-Encoding")),
        (true, None) => BodyLength::Unknown,
        (false, None | Some(0)) => BodyLength::Empty,
        (false, Some(length)) => BodyLength::Sized(length),
    };
    let websocket_key = websocket(intake, http10, body, head)?;
    Ok(Framing {
        http10,
        // After an upgrade request the connection serves nothing else: bytes behind it may be meant for either
        // protocol (threat 5).
        keep_alive: !intake.close && (!http10 || intake.keep_alive) && websocket_key.is_none(),
        body,
        te_trailers: intake.te_trailers && !http10,
        expect: intake.expect && body != BodyLength::Empty,
        websocket_key,
    })
}

/// Only `Upgrade: websocket` is known; other upgrades are ignored as RFC 9110 §7.8 allows.
fn websocket(
    intake: &Intake,
    http10: bool,
    body: BodyLength,
    head: &mut RequestHead,
) -> Result<Option<[u8; 24]>, BadRequest> {
    if http10 || !intake.asks_websocket() {
        return Ok(None);
    }
    if head.method != Method::Get || body != BodyLength::Empty {
        return Err(BadRequest::Malformed("a WebSocket is asked for by GET without a body"));
    }
    if intake.websocket_version != Some(true) {
        return Err(BadRequest::WebSocketVersion);
    }
    let key = intake.websocket_key.ok_or(BadRequest::Malformed("no Sec-WebSocket-Key"))?;
    head.upgrade = Some(Upgrade::WebSocket);
    Ok(Some(key))
}
