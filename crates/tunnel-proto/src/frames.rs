//! The frame header and the table of kinds (docs/protocol.md §3).
//!
//! ```text
//!  0        3      4          8
//!  | length | kind | stream   | payload …        length: bytes of payload, all numbers big-endian
//! ```
//! Bit 7 of `kind` is END: it closes the sender's direction of the stream. Bit 6 marks a kind that whoever does not
//! know it may skip; an unknown kind without it is a violation.

use crate::error::Violation;

/// Bytes of a frame header.
pub const HEADER_LEN: usize = 8;
/// Largest payload of an ordinary frame: with its header it fills one TLS record.
pub const MAX_PAYLOAD: usize = 16_384 - HEADER_LEN;
/// Largest payload of REQUEST and RESPONSE: heads may be larger than a record.
pub const MAX_HEAD_PAYLOAD: usize = 65_536;
/// END, in the kind byte.
pub const END: u8 = 0x80;
/// May be skipped when unknown, in the kind byte.
pub const SKIPPABLE: u8 = 0x40;
/// The highest stream id; an edge opens a new carrier before it gets there.
pub const MAX_STREAM: u32 = (1 << 31) - 1;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Kind {
    /// Gate → edge, the first frame of a carrier. JSON.
    Hello = 0x01,
    /// Edge → gate, the answer to HELLO. JSON.
    Welcome = 0x02,
    /// Either way at any time: the sender closes, and says why. JSON.
    Refused = 0x03,
    /// Asks for a PONG with the same 8 bytes.
    Ping = 0x04,
    /// Answers a PING.
    Pong = 0x05,
    /// No more requests: the edge's DRAIN is a promise, the gate's is a wish. 4 bytes: last stream id opened.
    Drain = 0x06,
    /// The receiver may be sent 4-byte-number more body bytes, on one stream or (stream 0) on the carrier.
    Credit = 0x07,
    /// Edge → gate: context, head and the first body bytes.
    Request = 0x08,
    /// Gate → edge: status, head and the first body bytes.
    Response = 0x09,
    /// Body bytes.
    Data = 0x0a,
    /// Fields after the body; always with END.
    Trailers = 0x0b,
    /// Both directions end here; 1 byte of reason.
    Reset = 0x0c,
    /// Gate → edge: the parked request is held whole and waits for GO.
    Ready = 0x0d,
    /// Edge → gate: the parked request may be delivered.
    Go = 0x0e,
    /// Gate → edge, instead of HELLO: a machine asks to be let in, or gives its key up. JSON.
    Ask = 0x0f,
    /// Edge → gate: how the ASK stands. JSON.
    Told = 0x10,
    /// Gate → edge: which of its workloads are not to be sent requests now. An edge that does not know it sends them on.
    Health = 0x51,
}

impl Kind {
    /// The kind with this number (without END), if it is known.
    #[inline]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0x01 => Self::Hello,
            0x02 => Self::Welcome,
            0x03 => Self::Refused,
            0x04 => Self::Ping,
            0x05 => Self::Pong,
            0x06 => Self::Drain,
            0x07 => Self::Credit,
            0x08 => Self::Request,
            0x09 => Self::Response,
            0x0a => Self::Data,
            0x0b => Self::Trailers,
            0x0c => Self::Reset,
            0x0d => Self::Ready,
            0x0e => Self::Go,
            0x0f => Self::Ask,
            0x10 => Self::Told,
            0x51 => Self::Health,
            _ => return None,
        })
    }

    const fn max_payload(self) -> usize {
        match self {
            Self::Request | Self::Response => MAX_HEAD_PAYLOAD,
            _ => MAX_PAYLOAD,
        }
    }

    const fn may_end(self) -> bool {
        matches!(self, Self::Request | Self::Response | Self::Data | Self::Trailers)
    }

    const fn stream_fits(self, stream: u32) -> bool {
        match self {
            Self::Credit => stream <= MAX_STREAM,
            Self::Hello | Self::Welcome | Self::Refused | Self::Ask | Self::Told => stream == 0,
            Self::Ping | Self::Pong | Self::Drain | Self::Health => stream == 0,
            _ => stream != 0 && stream <= MAX_STREAM,
        }
    }
}

/// A frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// `None`: a kind that may be skipped.
    pub kind: Option<Kind>,
    pub end: bool,
    pub stream: u32,
    /// Bytes of payload.
    pub len: usize,
}

impl Header {
    /// Reads the header at the front of `input`, as soon as it is there: a frame too long is refused before it is
    /// waited for.
    ///
    /// # Errors
    /// The frame can never be right, whatever its payload.
    #[inline]
    pub fn parse(input: &[u8]) -> Result<Option<Self>, Violation> {
        let Some(bytes) = input.first_chunk::<HEADER_LEN>() else { return Ok(None) };
        let word = u64::from_be_bytes(*bytes);
        #[allow(clippy::cast_possible_truncation, reason = "fields of a 64-bit word, masked by the cast")]
        let (len, byte, stream) = ((word >> 40) as usize, (word >> 32) as u8, word as u32);
        let end = byte & END != 0;
        let Some(kind) = Kind::from_byte(byte & !END) else { return Self::skippable(byte, stream, len) };
        if len > kind.max_payload() {
            return Err(Violation::TooLong { kind: byte, len });
        }
        if end && !kind.may_end() {
            return Err(Violation::MisplacedEnd);
        }
        if !kind.stream_fits(stream) {
            return Err(Violation::BadStreamId);
        }
        Ok(Some(Self { kind: Some(kind), end, stream, len }))
    }

    #[cold]
    fn skippable(byte: u8, stream: u32, len: usize) -> Result<Option<Self>, Violation> {
        if byte & SKIPPABLE == 0 || byte & END != 0 {
            return Err(Violation::UnknownKind(byte));
        }
        if len > MAX_PAYLOAD {
            return Err(Violation::TooLong { kind: byte, len });
        }
        Ok(Some(Self { kind: None, end: false, stream, len }))
    }
}

/// The 8 bytes of a header.
#[inline]
pub const fn header(kind: Kind, end: bool, stream: u32, len: usize) -> [u8; HEADER_LEN] {
    let byte = kind as u8 | if end { END } else { 0 };
    ((len as u64) << 40 | (byte as u64) << 32 | stream as u64).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_round_trip() {
        for byte in 0..END {
            let Some(kind) = Kind::from_byte(byte) else { continue };
            let stream = if kind.stream_fits(0) { 0 } else { 0x0102_0304 };
            for end in [false, kind.may_end()] {
                let bytes = header(kind, end, stream, 0x0123);
                assert_eq!(bytes[..3], [0, 1, 0x23]);
                assert_eq!(bytes[3], byte | if end { 0x80 } else { 0 });
                let parsed = Header::parse(&bytes);
                assert_eq!(parsed, Ok(Some(Header { kind: Some(kind), end, stream, len: 0x0123 })));
            }
        }
    }

    #[test]
    fn a_cut_header_is_waited_for() {
        let bytes = header(Kind::Data, true, 1, 1);
        for cut in 0..HEADER_LEN {
            assert_eq!(Header::parse(&bytes[..cut]), Ok(None));
        }
    }

    #[test]
    fn impossible_headers_are_refused_before_their_payload() {
        let refused = |bytes: [u8; 8]| Header::parse(&bytes).err();
        assert_eq!(
            refused(header(Kind::Data, false, 1, MAX_PAYLOAD + 1)),
            Some(Violation::TooLong { kind: 0x0a, len: MAX_PAYLOAD + 1 })
        );
        assert!(refused(header(Kind::Request, false, 1, MAX_HEAD_PAYLOAD)).is_none());
        assert!(refused(header(Kind::Request, false, 1, MAX_HEAD_PAYLOAD + 1)).is_some());
        assert_eq!(refused(header(Kind::Ping, true, 0, 8)), Some(Violation::MisplacedEnd));
        assert_eq!(refused(header(Kind::Ping, false, 1, 8)), Some(Violation::BadStreamId));
        assert_eq!(refused(header(Kind::Data, false, 0, 8)), Some(Violation::BadStreamId));
        assert_eq!(refused(header(Kind::Data, false, MAX_STREAM + 1, 8)), Some(Violation::BadStreamId));
        assert_eq!(refused([0, 0, 0, 0x11, 0, 0, 0, 0]), Some(Violation::UnknownKind(0x11)));
        assert_eq!(refused([0, 0, 0, 0, 0, 0, 0, 0]), Some(Violation::UnknownKind(0)));
        assert_eq!(refused([0, 0, 0, 0xc1, 0, 0, 0, 0]), Some(Violation::UnknownKind(0xc1)));
        assert_eq!(refused([0, 0, 0, 0x41, 0, 0, 0, 7]), None);
        assert!(refused([1, 0, 0, 0x41, 0, 0, 0, 7]).is_some());
    }
}
