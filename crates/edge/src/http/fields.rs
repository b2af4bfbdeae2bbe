//! Which fields of a request may pass, and what the others say about framing.
//!
//! One pass per field, for h1 and h2 alike: framing fields are taken out and remembered, hop-by-hop, forwarding
//! and reserved fields are dropped before anything else sees them (threats 1, 4, 13), all else goes into the
//! head. Nothing is ever removed later because a client said so, except what `Connection` may nominate.

use mezu_model::{Headers, Known, Limits, RequestHead, headers::MAX_NAME, known};

use super::{BadRequest, target};

type Outcome = Result<(), BadRequest>;

/// The rules differ by version: h2 forbids what h1 only uses between neighbours (RFC 9113 §8.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    H10,
    H11,
    H2,
}

/// Collects the fields of one request head.
#[derive(Debug)]
pub(crate) struct Intake {
    version: Version,
    pub content_length: Option<u64>,
    pub chunked: bool,
    pub host_seen: bool,
    pub close: bool,
    pub keep_alive: bool,
    pub te_trailers: bool,
    pub expect: bool,
    upgrade_option: bool,
    pub upgrade_websocket: bool,
    pub websocket_key: Option<[u8; 24]>,
    pub websocket_version: Option<bool>,
    /// What made the head malformed breaks the protocol, not only our rules: h2 answers with a reset.
    pub violation: bool,
    /// `Connection` values that name other fields.
    nominating: Vec<u8>,
    cookies: usize,
    fields: usize,
    size: usize,
    max_count: usize,
    max_size: usize,
}

impl Intake {
    pub(crate) fn new(version: Version, limits: &Limits) -> Self {
        Self {
            version,
            content_length: None,
            chunked: false,
            host_seen: false,
            close: false,
            keep_alive: false,
            te_trailers: false,
            expect: false,
            upgrade_option: false,
            upgrade_websocket: false,
            websocket_key: None,
            websocket_version: None,
            violation: false,
            nominating: Vec::new(),
            cookies: 0,
            fields: 0,
            size: 0,
            max_count: limits.header_count,
            max_size: limits.header_bytes,
        }
    }

    /// Takes one field. The value holds no control character but tab and no white space around it (the codecs
    /// see to that); the name may hold anything.
    pub(crate) fn field(&mut self, name: &[u8], value: &[u8], head: &mut RequestHead) -> Outcome {
        self.fields += 1;
        self.count(name, value)?;
        if self.fields > self.max_count {
            return Err(BadRequest::HeadersTooLarge);
        }
        let mut lower = [0u8; MAX_NAME];
        let name = lowercase(name, &mut lower)?;
        match Known::lookup(name) {
            Some(known) => self.known(known, value, head),
            None => {
                if !is_dropped(name) {
                    head.headers.push_wire(name, value);
                }
                Ok(())
            }
        }
    }

    /// Counts a field's size (RFC 9113 §6.5.2), pseudo-headers too.
    #[inline]
    pub(crate) fn count(&mut self, name: &[u8], value: &[u8]) -> Outcome {
        self.size += name.len() + value.len() + 32;
        if self.size > self.max_size { Err(BadRequest::HeadersTooLarge) } else { Ok(()) }
    }

    fn known(&mut self, known: Known, value: &[u8], head: &mut RequestHead) -> Outcome {
        match known {
            known::HOST => return self.host(value, head),
            known::CONTENT_LENGTH => return self.content_length(value, head),
            known::COOKIE => return self.cookie(value, head),
            known::EXPECT => return self.expect(value, head),
            known::TE => return self.te(value, head),
            known::CONNECTION
            | known::TRANSFER_ENCODING
            | known::UPGRADE
            | known::KEEP_ALIVE
            | known::PROXY_CONNECTION => return self.between_neighbours(known, value),
            known::SEC_WEBSOCKET_KEY => return self.websocket_key(value),
            known::SEC_WEBSOCKET_VERSION => self.websocket_version = Some(value == b"13"),
            known::PROXY_AUTHENTICATE
            | known::PROXY_AUTHORIZATION
            | known::FORWARDED
            | known::X_REAL_IP
            | known::X_FORWARDED_FOR
            | known::X_FORWARDED_HOST
            | known::X_FORWARDED_PORT
            | known::X_FORWARDED_PROTO
            | known::X_FORWARDED_SERVER
            | known::MEZU_RAY
            | known::SEC_WEBSOCKET_ACCEPT => return Ok(()),
            _ => {}
        }
        head.headers.push_known(known, value);
        Ok(())
    }

    /// The connection-specific fields: an error in h2, framing in h1.
    fn between_neighbours(&mut self, known: Known, value: &[u8]) -> Outcome {
        if self.version == Version::H2 {
            return self.violates("connection-specific field in HTTP/2");
        }
        match known {
            known::CONNECTION => self.connection(value),
            known::TRANSFER_ENCODING => self.transfer_encoding(value),
            known::UPGRADE => {
                self.upgrade_websocket |= tokens(value).any(|t| t.eq_ignore_ascii_case(b"websocket"));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn host(&mut self, value: &[u8], head: &mut RequestHead) -> Outcome {
        if self.version == Version::H2 {
            return self.host_beside_authority(value, head);
        }
        if std::mem::replace(&mut self.host_seen, true) {
            return Err(BadRequest::Malformed("more than one Host"));
        }
        target::authority(value, &mut head.host, &mut head.port)
    }

    /// `:authority` is in the head already; a Host beside it must say the same (RFC 9113 §8.3.1).
    fn host_beside_authority(&mut self, value: &[u8], head: &mut RequestHead) -> Outcome {
        if std::mem::replace(&mut self.host_seen, true) {
            return self.violates("more than one Host");
        }
        if head.host.is_empty() {
            return target::authority(value, &mut head.host, &mut head.port);
        }
        target::same_authority(value, head).or_else(|_| self.violates("Host is not :authority"))
    }

    pub(crate) fn violates(&mut self, rule: &'static str) -> Outcome {
        self.violation = true;
        Err(BadRequest::Malformed(rule))
    }

    fn content_length(&mut self, value: &[u8], head: &mut RequestHead) -> Outcome {
        if self.content_length.is_some() {
            return self.violates("more than one Content-Length");
        }
        let Some(length) = decimal(value) else {
            return self.violates("Content-Length is not a number");
        };
        self.content_length = Some(length);
        head.headers.push_known(known::CONTENT_LENGTH, value);
        Ok(())
    }

    /// Only `chunked`, alone and once: any list, parameter or other coding is refused, not interpreted.
    fn transfer_encoding(&mut self, value: &[u8]) -> Outcome {
        if self.version != Version::H11 {
            return Err(BadRequest::Malformed("Transfer-Encoding in HTTP/1.0"));
        }
        if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
            return Err(BadRequest::Malformed("Transfer-Encoding other than chunked"));
        }
        self.chunked = true;
        Ok(())
    }

    fn connection(&mut self, value: &[u8]) -> Outcome {
        let mut nominates = false;
        for token in tokens(value) {
            if token.eq_ignore_ascii_case(b"close") {
                self.close = true;
            } else if token.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if token.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade_option = true;
            } else {
                nominates = true;
            }
        }
        if nominates {
            self.nominating.extend_from_slice(value);
            self.nominating.push(b',');
        }
        Ok(())
    }

    /// RFC 6265 §5.4 lets h1 send one Cookie field, RFC 9113 §8.2.3 lets h2 split it: either way one field goes on.
    /// Crumbs were counted one by one before.
    fn cookie(&mut self, value: &[u8], head: &mut RequestHead) -> Outcome {
        self.cookies += 1;
        head.headers.push_known(known::COOKIE, value);
        Ok(())
    }

    fn expect(&mut self, value: &[u8], head: &mut RequestHead) -> Outcome {
        if self.version == Version::H10 {
            return Ok(()); // RFC 9110 §10.1.1: to be ignored
        }
        if !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(BadRequest::Expectation);
        }
        if !std::mem::replace(&mut self.expect, true) {
            head.headers.push_known(known::EXPECT, b"100-continue");
        }
        Ok(())
    }

    /// `TE: trailers` is the one that goes on: gRPC servers insist on it.
    fn te(&mut self, value: &[u8], head: &mut RequestHead) -> Outcome {
        let trailers = tokens(value).any(|t| t.eq_ignore_ascii_case(b"trailers"));
        if self.version == Version::H2 && !value.eq_ignore_ascii_case(b"trailers") {
            return self.violates("TE other than trailers in HTTP/2");
        }
        if trailers && !std::mem::replace(&mut self.te_trailers, true) {
            head.headers.push_known(known::TE, b"trailers");
        }
        Ok(())
    }

    fn websocket_key(&mut self, value: &[u8]) -> Outcome {
        let key = <[u8; 24]>::try_from(value).ok().filter(is_websocket_key);
        if self.websocket_key.is_some() || key.is_none() {
            return Err(BadRequest::Malformed("bad Sec-WebSocket-Key"));
        }
        self.websocket_key = key;
        Ok(())
    }

    /// Ends the head: joins cookie crumbs and removes what `Connection` nominated.
    pub(crate) fn end(&mut self, head: &mut RequestHead) {
        if self.cookies > 1 {
            join_cookies(head);
        }
        for token in tokens(&self.nominating) {
            let mut lower = [0u8; MAX_NAME];
            if let Ok(name) = lowercase(token, &mut lower)
                && !is_protected(name)
            {
                head.headers.remove_name(name);
            }
        }
    }

    /// Whether h1 asks for a WebSocket: both halves must say so (RFC 6455 §4.1).
    pub(crate) fn asks_websocket(&self) -> bool {
        self.upgrade_option && self.upgrade_websocket
    }
}

/// Removes from an answer what is between the workload and Warpgate only, and what only the edge may say.
/// Framing is the front's own business: `content-length` stays for [`super::framing`] to read.
pub fn strip_response(headers: &mut Headers) {
    headers.retain(|h| match h.known {
        Some(known) => !is_hop_by_hop(known) && known != known::MEZU_RAY,
        None => !is_reserved(h.name) && !h.name.starts_with(b"proxy-"),
    });
}

/// Fields that never cross the edge (RFC 9110 §7.6.1).
pub(crate) fn is_hop_by_hop(known: Known) -> bool {
    matches!(
        known,
        known::CONNECTION
            | known::KEEP_ALIVE
            | known::PROXY_CONNECTION
            | known::PROXY_AUTHENTICATE
            | known::PROXY_AUTHORIZATION
            | known::TE
            | known::TRANSFER_ENCODING
            | known::UPGRADE
    )
}

/// Whether a trailer may go on: never what frames, routes, authenticates or is reserved (RFC 9110 §6.5.1).
pub(crate) fn is_trailer(name: &[u8]) -> bool {
    match Known::lookup(name) {
        Some(known) => {
            !is_hop_by_hop(known)
                && !matches!(
                    known,
                    known::HOST
                        | known::CONTENT_LENGTH
                        | known::CONTENT_TYPE
                        | known::CONTENT_ENCODING
                        | known::CONTENT_RANGE
                        | known::TRAILER
                        | known::EXPECT
                        | known::AUTHORIZATION
                        | known::COOKIE
                        | known::SET_COOKIE
                        | known::FORWARDED
                        | known::X_REAL_IP
                        | known::X_FORWARDED_FOR
                        | known::X_FORWARDED_HOST
                        | known::X_FORWARDED_PORT
                        | known::X_FORWARDED_PROTO
                        | known::X_FORWARDED_SERVER
                        | known::CACHE_CONTROL
                        | known::MEZU_RAY
                )
        }
        None => !is_dropped(name),
    }
}

/// Lowercases into `lower`; anything outside `[A-Za-z0-9-]` is refused (threat 1: `_` and `.` are read as `-` by
/// many workloads).
#[inline]
pub(crate) fn lowercase<'l>(name: &[u8], lower: &'l mut [u8; MAX_NAME]) -> Result<&'l [u8], BadRequest> {
    const BAD: BadRequest = BadRequest::Malformed("header name outside letters, digits and hyphens");
    let out = lower.get_mut(..name.len()).ok_or(BadRequest::HeadersTooLarge)?;
    let mut valid = !name.is_empty();
    for (to, from) in out.iter_mut().zip(name) {
        let byte = NAME_BYTE.get(usize::from(*from)).copied().unwrap_or(0);
        valid &= byte != 0;
        *to = byte;
    }
    if valid { Ok(out) } else { Err(BAD) }
}

/// Lowercase form of each byte that may stand in a name, 0 for the others.
static NAME_BYTE: [u8; 256] = name_bytes();

#[allow(clippy::indexing_slicing, reason = "runs at compile time")]
const fn name_bytes() -> [u8; 256] {
    let mut table = [0u8; 256];
    let mut byte = 0u8;
    while byte < 128 {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            table[byte as usize] = byte.to_ascii_lowercase();
        }
        byte += 1;
    }
    table
}

/// The comma-separated members of a list field.
pub(crate) fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|t| !t.is_empty())
}

/// Digits only, at most 19: no sign, no white space, no list (RFC 9110 §8.6).
pub(crate) fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() || value.len() > 19 {
        return None;
    }
    value.iter().try_fold(0u64, |sum, b| b.is_ascii_digit().then(|| sum * 10 + u64::from(b - b'0')))
}

/// Whether a message is part of a gRPC call, in which either side may rest for long at any time.
pub(crate) fn is_conversation(headers: &Headers) -> bool {
    is_of_kind(headers, b"application/grpc")
}

/// Whether the content type begins so.
pub(crate) fn is_of_kind(headers: &Headers, kind: &[u8]) -> bool {
    let start = headers.find(known::CONTENT_TYPE).and_then(|value| value.get(..kind.len()));
    start.is_some_and(|start| start.eq_ignore_ascii_case(kind))
}

/// A number's digits, written into `room`.
pub(crate) fn digits(mut value: u64, room: &mut [u8; 20]) -> &[u8] {
    let mut used = 0;
    for slot in room.iter_mut().rev() {
        *slot = b'0' + (value % 10) as u8;
        value /= 10;
        used += 1;
        if value == 0 {
            break;
        }
    }
    room.get(20 - used..).unwrap_or_default()
}

/// Lowercase names that are dropped wherever they come from a client.
#[inline]
fn is_dropped(name: &[u8]) -> bool {
    match name.first() {
        Some(b'x') => {
            is_reserved(name)
                || name.starts_with(b"x-forwarded-")
                || name == b"x-forwarded"
                || name.starts_with(b"x-original-")
                || name.starts_with(b"x-rewrite-")
        }
        Some(b'm') => is_reserved(name),
        Some(b'p') => name.starts_with(b"proxy-"),
        Some(b'h') => name == b"http2-settings",
        _ => false,
    }
}

/// Names only Mezusphere may set.
fn is_reserved(name: &[u8]) -> bool {
    name.starts_with(b"mezu-") || name.starts_with(b"x-mezu-")
}

/// What a client cannot nominate away by `Connection`.
fn is_protected(name: &[u8]) -> bool {
    matches!(
        name,
        b"te" | b"host" | b"content-length" | b"expect" | b"cookie" | b"authorization" | b"content-type" | b"close"
    )
}

fn is_websocket_key(key: &[u8; 24]) -> bool {
    key.iter().take(22).all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')) && key.ends_with(b"==")
}

fn join_cookies(head: &mut RequestHead) {
    let joined = head.headers.find_all(known::COOKIE).collect::<Vec<_>>().join(&b"; "[..]);
    head.headers.set_known(known::COOKIE, &joined);
}
