//! Decoded fields to request heads and trailers; answers' heads to header blocks.

use mezu_model::{
    Headers, Known, Limits, Method, RequestHead, ResponseHead, Scheme, Upgrade,
    headers::{MAX_NAME, is_value_byte},
    known,
    method::is_token,
};

use crate::http::{
    BadRequest, date,
    fields::{Intake, Version},
    hpack, names, target,
};

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

pub(super) fn violation<T>(rule: &'static str) -> Result<T, Fault> {
    Err(Fault::Protocol(BadRequest::Malformed(rule)))
}

const METHOD: u8 = 1;
const SCHEME: u8 = 2;
const AUTHORITY: u8 = 4;
const PATH: u8 = 8;
const PROTOCOL: u8 = 16;

/// Builds a request head from fields as they are decoded. After the first fault it only listens.
pub(super) struct RequestIntake<'h> {
    head: &'h mut RequestHead,
    spare: &'h mut String,
    limits: &'h Limits,
    intake: Intake,
    fault: Option<Fault>,
    seen: u8,
    regular: bool,
    star: bool,
    websocket: bool,
}

impl<'h> RequestIntake<'h> {
    /// `head` is empty.
    pub(super) fn new(head: &'h mut RequestHead, spare: &'h mut String, limits: &'h Limits) -> Self {
        head.scheme = Scheme::Https;
        Self {
            head,
            spare,
            limits,
            intake: Intake::new(Version::H2, limits),
            fault: None,
            seen: 0,
            regular: false,
            star: false,
            websocket: false,
        }
    }

    pub(super) fn take(&mut self, name: &[u8], value: &[u8]) {
        if self.fault.is_none() {
            let taken = match name.first() {
                Some(b':') => self.pseudo(name, value),
                _ => self.field(name, value),
            };
            self.fault = taken.err();
        }
    }

    /// The end of the head; the declared length of the body.
    pub(super) fn end(mut self) -> Result<Option<u64>, Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        self.intake.end(self.head);
        self.complete()?;
        Ok(self.intake.content_length)
    }

    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        self.regular = true;
        check_value(value)?;
        if name.iter().fold(false, |upper, b| upper | b.is_ascii_uppercase()) {
            return violation("header name in capitals");
        }
        let intake = &mut self.intake;
        intake.field(name, value, self.head).map_err(|problem| match intake.violation || !is_token_name(name) {
            true => Fault::Protocol(problem),
            false => Fault::Request(problem),
        })
    }

    fn pseudo(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        let which = match name {
            b":method" => METHOD,
            b":scheme" => SCHEME,
            b":authority" => AUTHORITY,
            b":path" => PATH,
            b":protocol" => PROTOCOL,
            _ => return violation("unknown pseudo-header"),
        };
        if self.regular || self.seen & which != 0 {
            return violation("pseudo-header twice or behind a field");
        }
        self.seen |= which;
        self.intake.count(name, value)?;
        match which {
            METHOD => self.method(value),
            SCHEME if value.eq_ignore_ascii_case(b"https") || value.eq_ignore_ascii_case(b"http") => Ok(()),
            SCHEME => Err(BadRequest::Malformed("scheme").into()),
            AUTHORITY => Ok(target::authority(value, &mut self.head.host, &mut self.head.port)?),
            PATH => self.path(value),
            _ => {
                self.websocket = value == b"websocket";
                Ok(())
            }
        }
    }

    fn method(&mut self, value: &[u8]) -> Result<(), Fault> {
        match Method::from_bytes(value) {
            Some(method) => {
                self.head.method = method;
                Ok(())
            }
            None if !value.is_empty() && value.iter().all(|b| is_token(*b)) => {
                Err(BadRequest::Malformed("method too long").into())
            }
            None => violation("method"),
        }
    }

    fn path(&mut self, value: &[u8]) -> Result<(), Fault> {
        if value.len() > self.limits.uri_bytes {
            return Err(BadRequest::UriTooLong.into());
        }
        match value.first() {
            None => violation("empty :path"),
            Some(b'*') if value == b"*" => {
                self.star = true;
                self.head.path.push('*');
                Ok(())
            }
            Some(b'/') => Ok(target::path_and_query(value, self.head, self.spare)?),
            Some(_) => violation(":path without a slash"),
        }
    }

    fn complete(&mut self) -> Result<(), Fault> {
        let connect = self.head.method == Method::Connect;
        let extended = self.seen & PROTOCOL != 0;
        if extended && !connect {
            return violation(":protocol without CONNECT");
        }
        let needed = if connect && !extended { METHOD | AUTHORITY } else { METHOD | SCHEME | PATH };
        if self.seen & needed != needed || connect && !extended && self.seen & (SCHEME | PATH) != 0 {
            return violation("pseudo-headers missing");
        }
        if self.head.host.is_empty() {
            return violation("no authority");
        }
        if self.star && self.head.method != Method::Options {
            return violation("asterisk without OPTIONS");
        }
        self.upgrade(connect)
    }

    /// Extended CONNECT (RFC 8441) is a WebSocket or nothing; it goes on as the GET that h1 would have sent.
    fn upgrade(&mut self, connect: bool) -> Result<(), Fault> {
        if connect && self.websocket {
            if self.intake.websocket_version != Some(true) {
                return Err(BadRequest::WebSocketVersion.into());
            }
            self.head.method = Method::Get;
            self.head.upgrade = Some(Upgrade::WebSocket);
        } else if connect || self.head.method == Method::Trace {
            return Err(BadRequest::Method.into());
        }
        Ok(())
    }
}

/// What RFC 9113 §8.2.1 asks of every name.
fn is_token_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|b| is_token(*b) && !b.is_ascii_uppercase())
}

/// What it asks of every value.
#[inline]
fn check_value(value: &[u8]) -> Result<(), Fault> {
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    // No early exit: that way it takes many bytes at a time.
    let bad = value.iter().fold(false, |bad, b| bad | !is_value_byte(*b));
    if bad || blank(value.first()) || blank(value.last()) {
        return violation("header value");
    }
    Ok(())
}

/// Collects the trailers of a request.
pub(super) struct TrailerIntake<'l> {
    headers: Headers,
    count: usize,
    size: usize,
    limits: &'l Limits,
    fault: Option<&'static str>,
}

impl<'l> TrailerIntake<'l> {
    pub(super) fn new(limits: &'l Limits) -> Self {
        Self { headers: Headers::new(), count: 0, size: 0, limits, fault: None }
    }

    pub(super) fn take(&mut self, name: &[u8], value: &[u8]) {
        self.count += 1;
        self.size += name.len() + value.len() + 32;
        if self.count > self.limits.trailer_count || self.size > self.limits.header_bytes / 2 {
            self.fault = Some("trailers too large or too many");
        }
        if self.fault.is_some() {
            return;
        }
        let mut lower = [0u8; MAX_NAME];
        let sound = is_token_name(name) && check_value(value).is_ok();
        match names::lowercase(name, &mut lower) {
            Ok(name) if sound && names::is_trailer(name) => self.headers.push_wire(name, value),
            Ok(_) if sound => {}
            _ => self.fault = Some("trailer"),
        }
    }

    pub(super) fn end(self) -> Result<Headers, &'static str> {
        self.fault.map_or(Ok(self.headers), Err)
    }
}

/// Writes an answer's head; `length` is what `content-length` says.
pub(super) fn response(block: &mut Vec<u8>, head: &ResponseHead, status: u16, length: Option<u64>) {
    hpack::status(block, status);
    let mut dated = status < 200;
    for field in head.headers.iter() {
        if let Some(known) = field.known {
            dated |= known == known::DATE;
            if is_the_fronts(known) {
                continue;
            }
        }
        hpack::field(block, field.known, field.name, field.value);
    }
    if let Some(length) = length {
        let mut digits = [0u8; 20];
        hpack::field(block, Some(known::CONTENT_LENGTH), b"", names::digits(length, &mut digits));
    }
    if !dated {
        hpack::field(block, Some(known::DATE), b"", &date::now());
    }
}

fn is_the_fronts(known: Known) -> bool {
    known == known::CONTENT_LENGTH || known == known::SEC_WEBSOCKET_ACCEPT || names::is_hop_by_hop(known)
}

/// Writes an answer's trailers.
pub(super) fn trailers(block: &mut Vec<u8>, headers: &Headers) {
    for field in headers.iter().filter(|f| names::is_trailer(f.name)) {
        hpack::field(block, field.known, field.name, field.value);
    }
}
