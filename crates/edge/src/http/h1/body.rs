//! Where a request body ends.
//!
//! Works on the connection's input buffer: says how many of the bytes at its front are body, takes framing away.
//! Chunk lines are strict and their overhead is bounded; bytes beyond the body are never touched.

use bytes::{Buf, BytesMut};
use mezu_model::{Headers, Limits};

use crate::http::names;

/// The state of one request body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decoder {
    End,
    Sized(u64),
    Chunked(Chunk),
    /// After an upgrade: all is body until the client half-closes.
    Raw,
    /// Malformed, for good: nothing behind it can be told apart.
    Failed(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chunk {
    state: ChunkState,
    /// Framing bytes seen beyond what honest chunks need.
    excess: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ChunkState {
    Size,
    Data(u64),
    DataEnd,
    Trailers,
}

/// What stands at the front of the input.
#[derive(Debug)]
pub(crate) enum Step {
    /// This many bytes (> 0) are body; take them and call [`Decoder::took`].
    Data(usize),
    /// More input is needed.
    More,
    /// Comes at most once, before `End`.
    Trailers(Headers),
    End,
}

/// A chunk line with extension, including CRLF.
const MAX_CHUNK_LINE: usize = 256;
/// Trailer section, bytes.
const MAX_TRAILERS: usize = 8 * 1024;
/// Framing that may be wasted per body, and what each chunk may use without being counted.
const MAX_EXCESS: u64 = 16 * 1024;
const FREE_PER_CHUNK: u64 = 16;

impl Decoder {
    pub(crate) fn chunked() -> Self {
        Self::Chunked(Chunk { state: ChunkState::Size, excess: 0 })
    }

    pub(crate) fn step(&mut self, input: &mut BytesMut, limits: &Limits) -> Result<Step, &'static str> {
        match self {
            Self::End => Ok(Step::End),
            Self::Raw if input.is_empty() => Ok(Step::More),
            Self::Raw => Ok(Step::Data(input.len())),
            Self::Sized(0) => {
                *self = Self::End;
                Ok(Step::End)
            }
            Self::Sized(_) if input.is_empty() => Ok(Step::More),
            Self::Sized(left) => Ok(Step::Data(at_most(input.len(), *left))),
            Self::Chunked(chunk) => {
                let step = chunk.step(input, limits);
                match step {
                    Ok(Step::End | Step::Trailers(_)) => *self = Self::End,
                    Ok(_) => {}
                    Err(rule) => *self = Self::Failed(rule),
                }
                step
            }
            Self::Failed(rule) => Err(rule),
        }
    }

    /// `n` of the bytes that `step` showed were taken from the input.
    pub(crate) fn took(&mut self, n: usize) {
        match self {
            Self::Sized(left) => *left = left.saturating_sub(n as u64),
            Self::Chunked(chunk) => chunk.took(n as u64),
            Self::End | Self::Raw | Self::Failed(_) => {}
        }
    }

    /// Whether `n` bytes at the front of the input, just shown by `step`, are the last of the body.
    pub(crate) fn ends_after(&self, n: usize, input: &[u8]) -> bool {
        match self {
            Self::End => true,
            Self::Sized(left) => *left == n as u64,
            Self::Chunked(Chunk { state: ChunkState::Data(left), .. }) => {
                *left == n as u64 && input.get(n..).is_some_and(|rest| rest.starts_with(b"\r\n0\r\n\r\n"))
            }
            Self::Chunked(_) | Self::Raw | Self::Failed(_) => false,
        }
    }

    /// Called after [`Self::ends_after`] said yes and the data was taken: steps over the last chunk.
    pub(crate) fn skip_last_chunk(&mut self, input: &mut BytesMut) {
        if let Self::Chunked(_) = self {
            input.advance(b"\r\n0\r\n\r\n".len().min(input.len()));
        }
        *self = Self::End;
    }

    /// Body bytes that must still come, as far as that is known.
    pub(crate) fn left(&self) -> u64 {
        match self {
            Self::Sized(left) => *left,
            Self::End | Self::Chunked(_) | Self::Raw | Self::Failed(_) => 0,
        }
    }
}

impl Chunk {
    fn step(&mut self, input: &mut BytesMut, limits: &Limits) -> Result<Step, &'static str> {
        loop {
            match self.state {
                ChunkState::Size => {
                    let Some(size) = self.size_line(input)? else { return Ok(Step::More) };
                    self.state = if size == 0 { ChunkState::Trailers } else { ChunkState::Data(size) };
                }
                ChunkState::Data(_) if input.is_empty() => return Ok(Step::More),
                ChunkState::Data(left) => return Ok(Step::Data(at_most(input.len(), left))),
                ChunkState::DataEnd => match input.as_ref() {
                    [b'\r', b'\n', ..] => {
                        input.advance(2);
                        self.state = ChunkState::Size;
                    }
                    [] | [b'\r'] => return Ok(Step::More),
                    _ => return Err("chunk longer than its size"),
                },
                ChunkState::Trailers => return trailers(input, limits),
            }
        }
    }

    fn took(&mut self, n: u64) {
        if let ChunkState::Data(left) = self.state {
            self.state = match left.saturating_sub(n) {
                0 => ChunkState::DataEnd,
                left => ChunkState::Data(left),
            };
        }
    }

    /// Reads `size [ext] CRLF`.
    fn size_line(&mut self, input: &mut BytesMut) -> Result<Option<u64>, &'static str> {
        let window = input.get(..MAX_CHUNK_LINE).unwrap_or(input);
        let Some(end) = memchr::memchr(b'\n', window) else {
            if input.len() >= MAX_CHUNK_LINE {
                return Err("chunk line too long");
            }
            return Ok(None);
        };
        let line = window.get(..end).and_then(|l| l.strip_suffix(b"\r")).ok_or("bare LF in a chunk line")?;
        let size = chunk_size(line)?;
        let free = FREE_PER_CHUNK.saturating_add(size.saturating_mul(2));
        self.excess = (self.excess + end as u64 + 1).saturating_sub(free);
        if self.excess > MAX_EXCESS {
            return Err("too much chunk framing for too little data");
        }
        input.advance(end + 1);
        Ok(Some(size))
    }
}

/// 1 to 15 hex digits, then nothing or an extension of visible characters. No white space before the semicolon.
fn chunk_size(line: &[u8]) -> Result<u64, &'static str> {
    let digits = line.iter().position(|b| !b.is_ascii_hexdigit()).unwrap_or(line.len());
    let (hex, extension) = line.split_at_checked(digits).unwrap_or_default();
    if hex.is_empty() || hex.len() > 15 {
        return Err("chunk size");
    }
    match extension.split_first() {
        None => {}
        Some((b';', rest)) if !rest.is_empty() && rest.iter().all(|b| matches!(b, b'\t' | b' '..=b'~')) => {}
        Some(_) => return Err("chunk extension"),
    }
    Ok(hex.iter().fold(0, |size, digit| size << 4 | hex_value(*digit)))
}

fn hex_value(digit: u8) -> u64 {
    u64::from(match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit.wrapping_sub(b'A').wrapping_add(10),
    })
}

/// Reads the trailer section, the last chunk's line being taken already.
fn trailers(input: &mut BytesMut, limits: &Limits) -> Result<Step, &'static str> {
    if input.starts_with(b"\r\n") {
        input.advance(2);
        return Ok(Step::End);
    }
    let Some(end) = section_end(input)? else {
        if input.len() > MAX_TRAILERS {
            return Err("trailers too large");
        }
        return Ok(Step::More);
    };
    let section = input.split_to(end);
    let mut room = [httparse::EMPTY_HEADER; 32];
    let room = room.get_mut(..limits.trailer_count.min(32)).unwrap_or_default();
    let Ok(httparse::Status::Complete((_, parsed))) = httparse::parse_headers(&section, room) else {
        return Err("trailers");
    };
    let mut out = Headers::new();
    for field in parsed {
        let mut lower = [0u8; mezu_model::headers::MAX_NAME];
        let name = names::lowercase(field.name.as_bytes(), &mut lower).map_err(|_| "trailer name")?;
        if names::is_trailer(name) {
            out.push_wire(name, field.value);
        }
    }
    Ok(if out.is_empty() { Step::End } else { Step::Trailers(out) })
}

/// Where a section that ends in an empty line ends; refuses bare LF.
fn section_end(input: &[u8]) -> Result<Option<usize>, &'static str> {
    let mut start = 0;
    for end in memchr::memchr_iter(b'\n', input.get(..MAX_TRAILERS).unwrap_or(input)) {
        match input.get(start..end) {
            Some([b'\r']) => return Ok(Some(end + 1)),
            Some([.., b'\r']) => start = end + 1,
            _ => return Err("bare LF in trailers"),
        }
    }
    Ok(None)
}

#[allow(clippy::cast_possible_truncation, reason = "the smaller of the two fits")]
fn at_most(n: usize, limit: u64) -> usize {
    (n as u64).min(limit) as usize
}
