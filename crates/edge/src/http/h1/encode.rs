//! An answer's head to bytes, appended to one buffer.

use mezu_model::{Headers, ResponseHead, known};

use crate::http::{date, names};

/// How the end of the body is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyFraming {
    /// No body and no length: 1xx, 204, or HEAD without a known length.
    Bare,
    /// `content-length`.
    Length(u64),
    Chunked,
    /// HTTP/1.0: the end of the connection is the end of the body.
    UntilClose,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// Say nothing: h1.1's default.
    Keep,
    /// `connection: keep-alive`, for HTTP/1.0.
    KeepSaid,
    Close,
}

/// Writes a final head.
pub(crate) fn head(out: &mut Vec<u8>, head: &ResponseHead, body: BodyFraming, persistence: Persistence) {
    status_line(out, head.status);
    let dated = fields_of(out, &head.headers);
    if !dated {
        out.extend_from_slice(b"date: ");
        date::append(out);
        out.extend_from_slice(b"\r\n");
    }
    match body {
        BodyFraming::Length(length) => {
            out.extend_from_slice(b"content-length: ");
            decimal(out, length);
            out.extend_from_slice(b"\r\n");
        }
        BodyFraming::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        BodyFraming::Bare | BodyFraming::UntilClose => {}
    }
    out.extend_from_slice(match persistence {
        Persistence::Keep => b"\r\n",
        Persistence::KeepSaid => b"connection: keep-alive\r\n\r\n",
        Persistence::Close => b"connection: close\r\n\r\n",
    });
}

/// Writes a 101 with the key that proves we read the request (RFC 6455 §4.2.2).
pub(crate) fn switching(out: &mut Vec<u8>, head: &ResponseHead, accept: &[u8]) {
    status_line(out, 101);
    out.extend_from_slice(b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ");
    out.extend_from_slice(accept);
    out.extend_from_slice(b"\r\n");
    fields_of(out, &head.headers);
    out.extend_from_slice(b"\r\n");
}

/// Writes an interim head.
pub(crate) fn interim(out: &mut Vec<u8>, head: &ResponseHead) {
    status_line(out, head.status);
    fields_of(out, &head.headers);
    out.extend_from_slice(b"\r\n");
}

/// The line that ends a chunked body, with trailers.
pub(crate) fn last_chunk(out: &mut Vec<u8>, trailers: Option<&Headers>) {
    out.extend_from_slice(b"0\r\n");
    for field in trailers.iter().flat_map(|t| t.iter()) {
        if names::is_trailer(field.name) {
            line(out, field.name, field.value);
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// The line before a chunk's data.
pub(crate) fn chunk_size(out: &mut Vec<u8>, size: usize) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digits = (usize::BITS - size.leading_zeros()).div_ceil(4).max(1);
    for place in (0..digits).rev() {
        out.push(HEX.get((size >> (place * 4)) & 15).copied().unwrap_or(b'0'));
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes all but framing; says whether there was a `date`.
fn fields_of(out: &mut Vec<u8>, headers: &Headers) -> bool {
    let mut dated = false;
    for field in headers.iter() {
        if let Some(known) = field.known {
            dated |= known == known::DATE;
            if known == known::CONTENT_LENGTH || names::is_hop_by_hop(known) || known == known::SEC_WEBSOCKET_ACCEPT {
                continue;
            }
        }
        line(out, field.name, field.value);
    }
    dated
}

#[inline]
fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn status_line(out: &mut Vec<u8>, status: u16) {
    if status == 200 {
        return out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    }
    out.extend_from_slice(b"HTTP/1.1 ");
    decimal(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(reason(status).as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn decimal(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(names::digits(value, &mut [0; 20]));
}

/// For people who read raw answers; no program may rely on it (RFC 9112 §4).
fn reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|s| s.canonical_reason()).unwrap_or("")
}
