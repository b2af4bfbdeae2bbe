//! A workload's response bytes made into heads, body pieces and trailers. Pure: it is given bytes, it waits for none.
//!
//! The workload is not trusted (threat 25): everything is bounded, framing is judged strictly by RFC 9112 §6, and a
//! response that is in doubt is refused as a whole rather than passed on.

use std::{mem::MaybeUninit, ops::Range};

use mezu_model::{Headers, InvalidHeader, Known, ResponseHead, known};

use super::{
    BadResponse,
    chunked::{Decoder, has_bare_line_feed},
};

/// Hard bounds on a response head.
const MAX_HEAD: usize = 32 * 1024;
const MAX_FIELDS: usize = 100;
pub(crate) const MAX_INTERIM: u32 = 8;

/// What was asked, as far as it decides how the answer is framed.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Asked {
    pub head_only: bool,
    pub upgrade: bool,
    /// The request waits to be told to go on with its body.
    pub expect: bool,
}

/// Reads one response.
#[derive(Debug)]
pub(crate) struct Reader {
    asked: Asked,
    state: State,
    interim: u32,
    /// The request was told to go on with its body.
    continued: bool,
    keep_alive: bool,
    /// Seconds after which the workload says it closes an idle connection.
    idle_hint: Option<u64>,
}

#[derive(Debug)]
enum State {
    Head,
    Length(u64),
    Chunked(Box<Decoder>),
    UntilClose,
    Raw,
    Done,
}

/// What the next bytes were. Ranges and counts are of the buffer given.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Not enough there; offer the same bytes again with more behind them.
    More,
    /// A 1xx head, now in the head given; another follows.
    Interim { consumed: usize },
    /// The final head, now in the head given.
    Final { consumed: usize },
    /// Body bytes, perhaps none; `done` with the last of them.
    Body { payload: Range<usize>, consumed: usize, done: bool },
}

impl Reader {
    pub(crate) fn new(asked: Asked) -> Self {
        Self { asked, state: State::Head, interim: 0, continued: false, keep_alive: false, idle_hint: None }
    }

    /// Takes the next step over `buffer`, which must not be empty.
    pub(crate) fn step(&mut self, buffer: &mut [u8], head: &mut ResponseHead) -> Result<Step, BadResponse> {
        match &mut self.state {
            State::Head => self.head(buffer, head),
            State::Length(left) => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len());
                *left -= take as u64;
                let done = *left == 0;
                if done {
                    self.state = State::Done;
                }
                Ok(Step::Body { payload: 0..take, consumed: take, done })
            }
            State::Chunked(decoder) => {
                let decoded = decoder.decode(buffer)?;
                if decoded.consumed == 0 && !decoded.done {
                    return Ok(Step::More);
                }
                Ok(Step::Body { payload: decoded.payload, consumed: decoded.consumed, done: decoded.done })
            }
            State::UntilClose | State::Raw => {
                Ok(Step::Body { payload: 0..buffer.len(), consumed: buffer.len(), done: false })
            }
            State::Done => Err(BadResponse::Surplus),
        }
    }

    /// The workload closed. Fine only where closing is what ends the body.
    pub(crate) fn closed(&mut self) -> Result<(), BadResponse> {
        match self.state {
            State::UntilClose | State::Raw | State::Done => {
                self.state = State::Done;
                Ok(())
            }
            State::Head => Err(BadResponse::ClosedInHead),
            State::Length(_) | State::Chunked(_) => Err(BadResponse::ClosedInBody),
        }
    }

    /// Whether a final head was read.
    pub(crate) fn has_begun(&self) -> bool {
        !matches!(self.state, State::Head)
    }

    /// Whether the body is over, or there is none.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Whether the connection may carry another request, as far as this response decides it.
    pub(crate) fn keeps_alive(&self) -> bool {
        self.keep_alive
    }

    /// Whether the workload, its answer given, still takes the rest of the request. One that was asked whether it wants
    /// a body and answered instead is not to be trusted with it: it might read it as the next request.
    pub(crate) fn awaits_body(&self) -> bool {
        self.keep_alive && (!self.asked.expect || self.continued)
    }

    pub(crate) fn idle_hint(&self) -> Option<u64> {
        self.idle_hint
    }

    pub(crate) fn take_trailers(&mut self) -> Option<Box<Headers>> {
        match &mut self.state {
            State::Chunked(decoder) => {
                let trailers = decoder.take_trailers();
                self.state = State::Done;
                trailers
            }
            _ => None,
        }
    }

    fn head(&mut self, buffer: &[u8], head: &mut ResponseHead) -> Result<Step, BadResponse> {
        let mut fields = [const { MaybeUninit::<httparse::Header<'_>>::uninit() }; MAX_FIELDS];
        let mut parsed = httparse::Response::new(&mut []);
        let status = httparse::ParserConfig::default()
            .parse_response_with_uninit_headers(&mut parsed, buffer, &mut fields)
            .map_err(|error| match error {
                httparse::Error::TooManyHeaders => BadResponse::TooLarge,
                _ => BadResponse::Head,
            })?;
        let httparse::Status::Complete(consumed) = status else {
            return if buffer.len() > MAX_HEAD { Err(BadResponse::TooLarge) } else { Ok(Step::More) };
        };
        if consumed > MAX_HEAD {
            return Err(BadResponse::TooLarge);
        }
        if has_bare_line_feed(buffer.get(..consumed).unwrap_or_default()) {
            return Err(BadResponse::Head);
        }
        head.clear();
        head.status = parsed.code.ok_or(BadResponse::Head)?;
        let http11 = parsed.version == Some(1);
        let framing = read_fields(parsed.headers, &mut head.headers)?;
        self.judge(head, &framing, http11)?;
        if head.is_interim() { Ok(Step::Interim { consumed }) } else { Ok(Step::Final { consumed }) }
    }

    /// RFC 9112 §6.3, in its order.
    fn judge(&mut self, head: &mut ResponseHead, framing: &Framing, http11: bool) -> Result<(), BadResponse> {
        if !(100..=999).contains(&head.status) {
            return Err(BadResponse::Status);
        }
        if framing.chunked && (framing.length.is_some() || !http11) {
            return Err(BadResponse::Framing);
        }
        self.keep_alive = http11 && !framing.close;
        self.idle_hint = framing.idle_hint;
        if head.is_interim() {
            self.interim += 1;
            self.continued |= head.status == 100;
            if self.interim > MAX_INTERIM {
                return Err(BadResponse::TooManyInterim);
            }
            head.headers.remove(known::CONTENT_LENGTH);
            return Ok(());
        }
        self.state = match head.status {
            101 if self.asked.upgrade && framing.upgrade && framing.websocket && http11 => State::Raw,
            101 => return Err(BadResponse::Status),
            204 => {
                // A body here, announced or not, is none of ours; the connection is in doubt if one was announced.
                head.headers.remove(known::CONTENT_LENGTH);
                self.keep_alive &= !framing.chunked && framing.length.unwrap_or(0) == 0;
                State::Done
            }
            304 => State::Done,
            _ if self.asked.head_only => State::Done,
            _ if framing.chunked => State::Chunked(Box::default()),
            _ => match framing.length {
                Some(0) => State::Done,
                Some(length) => State::Length(length),
                None => State::UntilClose,
            },
        };
        if matches!(self.state, State::UntilClose | State::Raw) {
            self.keep_alive = false;
        }
        Ok(())
    }
}

/// What the hop-by-hop fields said. They are not in the head.
#[derive(Debug, Default)]
struct Framing {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    upgrade: bool,
    websocket: bool,
    idle_hint: Option<u64>,
    /// Other names that Connection lists, lowercase.
    listed: Vec<Vec<u8>>,
}

/// Sorts the fields: what concerns this hop into the framing, what is reserved nowhere, the rest into the list.
fn read_fields(fields: &[httparse::Header<'_>], headers: &mut Headers) -> Result<Framing, BadResponse> {
    let mut framing = Framing::default();
    for field in fields {
        let name = field.name.as_bytes();
        if let Some(hop) = hop_by_hop(name) {
            note(&mut framing, hop, field.value)?;
            continue;
        }
        if is_reserved(name) {
            continue;
        }
        match headers.push(name, field.value) {
            Ok(()) => {}
            // A name we do not carry is left out: nobody past us sees it, so nobody can read it differently.
            Err(InvalidHeader::Name) => {}
            Err(_) => return Err(BadResponse::Head),
        }
    }
    for value in headers.find_all(known::CONTENT_LENGTH) {
        if framing.length.replace(content_length(value)?).is_some() {
            return Err(BadResponse::Framing);
        }
    }
    if !framing.listed.is_empty() {
        // None that frames the message or sets a cookie can be named away.
        let kept = |known| matches!(known, Some(known::CONTENT_LENGTH | known::SET_COOKIE));
        headers.retain(|field| kept(field.known) || !framing.listed.iter().any(|name| name == field.name));
    }
    Ok(framing)
}

/// Which hop-by-hop field a name is, told mostly by its length.
fn hop_by_hop(name: &[u8]) -> Option<Known> {
    let is = |known: Known| name.eq_ignore_ascii_case(known.as_str().as_bytes()).then_some(known);
    match name.len() {
        2 => is(known::TE),
        7 => is(known::UPGRADE),
        10 => is(known::CONNECTION).or_else(|| is(known::KEEP_ALIVE)),
        16 => is(known::PROXY_CONNECTION),
        17 => is(known::TRANSFER_ENCODING),
        18 => is(known::PROXY_AUTHENTICATE),
        _ => None,
    }
}

/// Whether a name in any case is one that only Mezusphere may say.
fn is_reserved(name: &[u8]) -> bool {
    let begins = |prefix: &[u8]| name.get(..prefix.len()).is_some_and(|front| front.eq_ignore_ascii_case(prefix));
    match name.first() {
        Some(b'm' | b'M') => begins(b"mezu-"),
        Some(b'x' | b'X') => begins(b"x-mezu-"),
        _ => false,
    }
}

/// Notes what a hop-by-hop field says of framing.
fn note(framing: &mut Framing, name: Known, value: &[u8]) -> Result<(), BadResponse> {
    match name {
        known::TRANSFER_ENCODING => {
            if framing.chunked || !value.trim_ascii().eq_ignore_ascii_case(b"chunked") {
                return Err(BadResponse::Framing);
            }
            framing.chunked = true;
        }
        known::CONNECTION => {
            for token in tokens(value) {
                if token.eq_ignore_ascii_case(b"close") {
                    framing.close = true;
                } else if token.eq_ignore_ascii_case(b"upgrade") {
                    framing.upgrade = true;
                } else if !token.eq_ignore_ascii_case(b"keep-alive") {
                    framing.listed.push(token.to_ascii_lowercase());
                }
            }
        }
        known::UPGRADE => framing.websocket = value.trim_ascii().eq_ignore_ascii_case(b"websocket"),
        known::KEEP_ALIVE => framing.idle_hint = idle_hint(value),
        _ => {}
    }
    Ok(())
}

fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

/// Digits only: no sign, no list, no white space (RFC 9110 §8.6).
fn content_length(value: &[u8]) -> Result<u64, BadResponse> {
    if value.is_empty() || value.len() > 18 {
        return Err(BadResponse::Framing);
    }
    value.iter().try_fold(0u64, |length, byte| match byte {
        b'0'..=b'9' => Ok(length * 10 + u64::from(byte - b'0')),
        _ => Err(BadResponse::Framing),
    })
}

/// `timeout=N` of a Keep-Alive field.
fn idle_hint(value: &[u8]) -> Option<u64> {
    let text = tokens(value).find_map(|token| token.strip_prefix(b"timeout="))?;
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
