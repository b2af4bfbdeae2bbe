//! Header names by what they may do: pass, end here, or be said by nobody but us.
//!
//! Must never: tell one name from another by how it is spelled; all are lowercased and checked first.

pub(crate) use mezu_model::fields::{is_dropped, is_hop_by_hop};
use mezu_model::{Headers, Known, fields, headers::MAX_NAME, known};

use super::BadRequest;

/// Removes from an answer what is between the workload and Warpgate only, and what only the edge may say.
/// Framing is the front's own business: `content-length` stays for [`super::framing`] to read.
pub fn strip_response(headers: &mut Headers) {
    headers.retain(|h| match h.known {
        Some(known) => !is_hop_by_hop(known) && known != known::MEZU_RAY,
        None => !fields::is_reserved(None, h.name) && !h.name.starts_with(b"proxy-"),
    });
}

/// Whether a trailer may go on.
pub(crate) fn is_trailer(name: &[u8]) -> bool {
    fields::is_trailer(Known::lookup(name), name)
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
