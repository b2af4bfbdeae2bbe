//! Chunked bodies of workloads (RFC 9112 §7.1), decoded in the buffer they were read into.
//!
//! Strict: sizes are hexadecimal digits and nothing else, lines end with CRLF, extensions and trailers are bounded.
//! The decoder must never take a byte past the end of the body: what follows would be the next response.

use std::ops::Range;

use mezu_model::{Headers, fields};

use super::BadResponse;

/// Longest chunk-size line with its extension, and most bytes of trailers.
const MAX_LINE: usize = 256;
const MAX_TRAILERS: usize = 8 * 1024;
const MAX_TRAILER_FIELDS: usize = 16;

/// Where in the coding we are.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    state: State,
    trailers: Option<Box<Headers>>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    #[default]
    Size,
    Data(u64),
    /// After a chunk's data, before its CRLF.
    DataEnd,
    Trailers,
    Done,
}

/// What one pass over a buffer gave.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    /// Body bytes, now contiguous in the buffer.
    pub payload: Range<usize>,
    /// Bytes of the buffer that are done with; the rest is to be offered again, with more behind it.
    pub consumed: usize,
    pub done: bool,
}

impl Decoder {
    /// Decodes as much as there is. Chunks after the first are moved up to the first one's end, so that many small
    /// chunks of one read go on as one piece.
    pub(crate) fn decode(&mut self, buffer: &mut [u8]) -> Result<Decoded, BadResponse> {
        let mut at = 0;
        let mut payload = 0..0;
        while let Some(rest) = buffer.get(at..) {
            match self.state {
                State::Size => match size_line(rest)? {
                    None => break,
                    Some((0, used)) => {
                        at += used;
                        self.state = State::Trailers;
                    }
                    Some((size, used)) => {
                        at += used;
                        self.state = State::Data(size);
                    }
                },
                State::Data(left) => {
                    if rest.is_empty() {
                        break;
                    }
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    if payload.is_empty() {
                        payload = at..at + take;
                    } else {
                        buffer.copy_within(at..at + take, payload.end);
                        payload.end += take;
                    }
                    at += take;
                    let left = left - take as u64;
                    self.state = if left == 0 { State::DataEnd } else { State::Data(left) };
                }
                State::DataEnd => match rest {
                    [b'\r', b'\n', ..] => {
                        at += 2;
                        self.state = State::Size;
                    }
                    [] | [b'\r'] => break,
                    _ => return Err(BadResponse::Chunk),
                },
                State::Trailers => match trailer_section(rest)? {
                    None => break,
                    Some((trailers, used)) => {
                        at += used;
                        self.trailers = trailers;
                        self.state = State::Done;
                    }
                },
                State::Done => break,
            }
        }
        Ok(Decoded { payload, consumed: at, done: self.state == State::Done })
    }

    /// The trailers, once done.
    pub(crate) fn take_trailers(&mut self) -> Option<Box<Headers>> {
        self.trailers.take()
    }
}

/// Parses `size [;extension] CRLF`; `None` when it is not all there yet.
fn size_line(rest: &[u8]) -> Result<Option<(u64, usize)>, BadResponse> {
    let mut size = 0u64;
    let mut digits = 0;
    for byte in rest {
        let Some(value) = char::from(*byte).to_digit(16) else { break };
        if digits == 15 {
            return Err(BadResponse::Chunk);
        }
        size = size << 4 | u64::from(value);
        digits += 1;
    }
    let after = rest.get(digits..).unwrap_or_default();
    match after {
        [] | [b'\r'] => Ok(None),
        _ if digits == 0 => Err(BadResponse::Chunk),
        [b'\r', b'\n', ..] => Ok(Some((size, digits + 2))),
        [b';' | b' ' | b'\t', ..] => extension(after).map(|used| used.map(|used| (size, digits + used))),
        _ => Err(BadResponse::Chunk),
    }
}

/// Skips an extension, which means nothing to us; its bytes must be what RFC 9112 §7.1.1 allows.
fn extension(after: &[u8]) -> Result<Option<usize>, BadResponse> {
    let window = after.get(..MAX_LINE).unwrap_or(after);
    match window.iter().position(|b| *b == b'\r' || *b == b'\n') {
        None if after.len() >= MAX_LINE => Err(BadResponse::Chunk),
        None => Ok(None),
        Some(end) => {
            let text = after.get(..end).unwrap_or_default();
            if !text.iter().all(|b| *b == b'\t' || (0x20..0x7f).contains(b)) {
                return Err(BadResponse::Chunk);
            }
            match after.get(end..) {
                Some([b'\r', b'\n', ..]) => Ok(Some(end + 2)),
                Some([b'\r']) => Ok(None),
                _ => Err(BadResponse::Chunk),
            }
        }
    }
}

type Trailers = Option<Box<Headers>>;

fn trailer_section(rest: &[u8]) -> Result<Option<(Trailers, usize)>, BadResponse> {
    match rest {
        [b'\r', b'\n', ..] => return Ok(Some((None, 2))),
        [] | [b'\r'] => return Ok(None),
        _ => {}
    }
    let mut room = [httparse::EMPTY_HEADER; MAX_TRAILER_FIELDS];
    match httparse::parse_headers(rest, &mut room) {
        Ok(httparse::Status::Partial) if rest.len() > MAX_TRAILERS => Err(BadResponse::TooLarge),
        Ok(httparse::Status::Partial) => Ok(None),
        Ok(httparse::Status::Complete((used, parsed))) => {
            if used > MAX_TRAILERS || has_bare_line_feed(rest.get(..used).unwrap_or_default()) {
                return Err(BadResponse::Head);
            }
            let mut trailers = Box::new(Headers::new());
            for field in parsed {
                // Names outside [A-Za-z0-9-] are left out; bad values are not forgiven.
                match trailers.push(field.name.as_bytes(), field.value) {
                    Ok(()) | Err(mezu_model::InvalidHeader::Name) => {}
                    Err(_) => return Err(BadResponse::Head),
                }
            }
            trailers.retain(|field| fields::is_trailer(field.known, field.name));
            Ok(Some((Some(trailers), used)))
        }
        Err(httparse::Error::TooManyHeaders) => Err(BadResponse::TooLarge),
        Err(_) => Err(BadResponse::Head),
    }
}

/// Whether some line of a head ends with LF alone, which httparse lets pass and others read differently.
pub(crate) fn has_bare_line_feed(head: &[u8]) -> bool {
    let after = head.get(1..).unwrap_or_default();
    // No early end: so it is compared many bytes at a time.
    let bare =
        head.iter().zip(after).fold(false, |bare, (before, byte)| bare | ((*byte == b'\n') & (*before != b'\r')));
    bare || head.first() == Some(&b'\n')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use mezu_model::known;

    use super::*;

    type Whole = (Vec<u8>, usize, bool, Trailers);

    fn whole(input: &[u8]) -> Result<Whole, BadResponse> {
        let mut decoder = Decoder::default();
        let mut buffer = input.to_vec();
        let decoded = decoder.decode(&mut buffer)?;
        Ok((buffer[decoded.payload].to_vec(), decoded.consumed, decoded.done, decoder.take_trailers()))
    }

    #[test]
    fn many_chunks_become_one_piece() {
        let input = b"3\r\nabc\r\n2;x=y\r\nde\r\n0a\r\n0123456789\r\n0\r\n\r\nNEXT";
        let (payload, consumed, done, trailers) = whole(input).unwrap();
        assert_eq!((payload.as_slice(), consumed, done), (&b"abcde0123456789"[..], input.len() - 4, true));
        assert!(trailers.is_none());
    }

    #[test]
    fn every_split_gives_the_same() {
        let input = b"3\r\nabc\r\n5 ;e\r\nhello\r\n0\r\nGrpc-Status: 0\r\nContent-Length: 3\r\n\r\n";
        for step in 1..input.len() {
            let mut decoder = Decoder::default();
            let (mut kept, mut body, mut done) = (Vec::new(), Vec::new(), false);
            for piece in input.chunks(step) {
                kept.extend_from_slice(piece);
                let decoded = decoder.decode(&mut kept).unwrap();
                body.extend_from_slice(&kept[decoded.payload]);
                kept.drain(..decoded.consumed);
                done = decoded.done;
            }
            assert!(done && kept.is_empty(), "step {step}");
            assert_eq!(body, b"abchello");
            let trailers = decoder.take_trailers().unwrap();
            assert_eq!(trailers.len(), 1);
            assert_eq!(trailers.find(known::GRPC_STATUS), Some(&b"0"[..]));
        }
    }

    #[test]
    fn bad_chunks_are_refused() {
        let long = [&b"1;"[..], &[b'x'; 400]].concat();
        for input in [
            &b"x\r\n"[..],
            b"-1\r\n",
            b"+1\r\n",
            b"0x1\r\n",
            b"1\nA",
            b"1\r\nAB\r\n",
            b"1\r\nA\n",
            b"\r\n",
            b";a\r\n",
            b"1;\x01\r\n",
            b"1;a\nA",
            b"fffffffffffffffff\r\n",
            &long,
            b"0\r\nbad header\r\n\r\n",
            b"0\r\na: b\n\r\n",
            b"0\r\na : b\r\n\r\n",
            b"1 2\n",
        ] {
            assert!(whole(input).is_err(), "{:?} was taken", String::from_utf8_lossy(input));
        }
    }

    #[test]
    fn trailers_are_bounded() {
        let many: Vec<u8> = [b"0\r\n".to_vec(), b"a: b\r\n".repeat(17), b"\r\n".to_vec()].concat();
        assert_eq!(whole(&many), Err(BadResponse::TooLarge));
        let big = [&b"0\r\na: "[..], &vec![b'x'; 9000]].concat();
        assert_eq!(whole(&big), Err(BadResponse::TooLarge));
    }
}
