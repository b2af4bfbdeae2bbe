//! Frames (RFC 9113 §4, §6): numbers, headers, and how ours are written.

pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(super) const HEADER: usize = 9;
/// The largest payload that we take, and the default of what clients take.
pub(super) const MAX_PAYLOAD: usize = 16 * 1024;
/// The window both sides begin with, and the largest there is.
pub(super) const DEFAULT_WINDOW: i64 = 65_535;
pub(super) const MAX_WINDOW: i64 = 0x7fff_ffff;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const ACK: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
pub(super) const PADDED: u8 = 8;
pub(super) const PRIORITISED: u8 = 0x20;

/// Settings (§6.5.2, RFC 8441 §3).
pub(super) mod setting {
    pub(in crate::http::h2) const HEADER_TABLE_SIZE: u16 = 1;
    pub(in crate::http::h2) const ENABLE_PUSH: u16 = 2;
    pub(in crate::http::h2) const MAX_CONCURRENT_STREAMS: u16 = 3;
    pub(in crate::http::h2) const INITIAL_WINDOW_SIZE: u16 = 4;
    pub(in crate::http::h2) const MAX_FRAME_SIZE: u16 = 5;
    pub(in crate::http::h2) const MAX_HEADER_LIST_SIZE: u16 = 6;
    pub(in crate::http::h2) const ENABLE_CONNECT_PROTOCOL: u16 = 8;
}

/// Error codes (§7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    NoError = 0,
    Protocol = 1,
    Internal = 2,
    FlowControl = 3,
    StreamClosed = 5,
    FrameSize = 6,
    Refused = 7,
    Cancel = 8,
    Compression = 9,
    Calm = 11,
}

/// What stands before every payload.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) length: usize,
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
}

impl Head {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, kind, flags, s0, s1, s2, s3] = *bytes.first_chunk::<HEADER>()?;
        Some(Self {
            length: usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c),
            kind,
            flags,
            stream: u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]),
        })
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Appends a frame.
#[inline]
pub(super) fn write(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    out.reserve(HEADER + payload.len());
    out.extend_from_slice(&head(payload.len(), kind, flags, stream));
    out.extend_from_slice(payload);
}

/// A frame's first nine bytes.
#[inline]
pub(super) fn head(length: usize, kind: u8, flags: u8, stream: u32) -> [u8; HEADER] {
    let [.., a, b, c] = length.to_be_bytes();
    let [s0, s1, s2, s3] = stream.to_be_bytes();
    [a, b, c, kind, flags, s0, s1, s2, s3]
}

pub(super) fn reset(out: &mut Vec<u8>, stream: u32, reason: Reason) {
    write(out, RST_STREAM, 0, stream, &(reason as u32).to_be_bytes());
}

pub(super) fn window_update(out: &mut Vec<u8>, stream: u32, increment: u32) {
    write(out, WINDOW_UPDATE, 0, stream, &increment.to_be_bytes());
}

pub(super) fn go_away(out: &mut Vec<u8>, last: u32, reason: Reason) {
    let [a, b, c, d] = last.to_be_bytes();
    let [e, f, g, h] = (reason as u32).to_be_bytes();
    write(out, GOAWAY, 0, 0, &[a, b, c, d, e, f, g, h]);
}

pub(super) fn settings(out: &mut Vec<u8>, values: &[(u16, u32)]) {
    out.extend_from_slice(&head(values.len() * 6, SETTINGS, 0, 0));
    for (id, value) in values {
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
}

/// Appends a header block that `encode` writes, as HEADERS and, where it is too long for one, CONTINUATION.
pub(super) fn header_block(
    out: &mut Vec<u8>,
    stream: u32,
    end_stream: bool,
    max_payload: usize,
    encode: impl FnOnce(&mut Vec<u8>),
) {
    let start = out.len();
    out.extend_from_slice(&[0; HEADER]);
    encode(out);
    let length = out.len() - start - HEADER;
    let flags = if end_stream { END_STREAM } else { 0 };
    if length <= max_payload {
        if let Some(place) = out.get_mut(start..start + HEADER) {
            place.copy_from_slice(&head(length, HEADERS, flags | END_HEADERS, stream));
        }
        return;
    }
    let block = out.split_off(start + HEADER);
    out.truncate(start);
    let last = length.div_ceil(max_payload) - 1;
    for (n, piece) in block.chunks(max_payload).enumerate() {
        let kind = if n == 0 { HEADERS } else { CONTINUATION };
        let flags = if n == 0 { flags } else { 0 } | if n == last { END_HEADERS } else { 0 };
        write(out, kind, flags, stream, piece);
    }
}

/// The payload without padding (§6.1).
pub(super) fn unpad<'p>(head: &Head, payload: &'p [u8]) -> Option<&'p [u8]> {
    if !head.has(PADDED) {
        return Some(payload);
    }
    let (padding, rest) = payload.split_first()?;
    rest.get(..rest.len().checked_sub(usize::from(*padding))?)
}
