//! Which fields of a request may pass, and what the others say about framing.
//!
//! One pass per field, for h1 and h2 alike: framing fields are taken out and remembered, hop-by-hop, forwarding
//! and reserved fields are dropped before anything else sees them (threats 1, 4, 13), all else goes into the
//! head. Nothing is ever removed later because a client said so, except what `Connection` may nominate.

use mezu_model::{Known, Limits, RequestHead, headers::MAX_NAME, known};

use super::{
    BadRequest,
    names::{decimal, is_dropped, lowercase, tokens},
    target,
};

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
