//! Reading heads. Every byte is hostile.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use mezu_model::headers::{is_name, is_value_byte};
use mezu_model::{Context, Headers, Known, Method, Protocol, RayId, RequestHead, ResponseHead, Scheme, Upgrade};

use super::{HeadLimits, METHODS, REQUEST_PREFIX, RESPONSE_PREFIX, RequestPrefix, ResponsePrefix, flag};
use crate::error::HeadError;
use crate::varint;

/// Reads what precedes the head of a REQUEST; `None` when that is no REQUEST at all, which is a violation.
pub fn read_request_prefix(payload: &[u8]) -> Option<RequestPrefix> {
    let prefix = payload.first_chunk::<REQUEST_PREFIX>()?;
    let (ray, rest) = prefix.split_first_chunk::<16>()?;
    let (addr, rest) = rest.split_first_chunk::<16>()?;
    let [p1, p2, e1, e2, flags, l1, l2, l3] = *rest.first_chunk::<8>()?;
    let protocol = match (flags & flag::PROTOCOL) >> flag::PROTOCOL_SHIFT {
        0 => Protocol::H1,
        1 => Protocol::H2,
        2 => Protocol::H3,
        _ => return None,
    };
    let head_end = REQUEST_PREFIX + u32::from_be_bytes([0, l1, l2, l3]) as usize;
    if head_end > payload.len() {
        return None;
    }
    let client = SocketAddr::new(IpAddr::V6(Ipv6Addr::from(*addr)).to_canonical(), u16::from_be_bytes([p1, p2]));
    let context = Context {
        ray: RayId(u128::from_be_bytes(*ray)),
        client,
        scheme: if flags & flag::HTTPS != 0 { Scheme::Https } else { Scheme::Http },
        port: u16::from_be_bytes([e1, e2]),
        protocol,
    };
    Some(RequestPrefix { context, flags, head_end })
}

/// Reads what precedes the head of a RESPONSE; `None` when that is no RESPONSE at all, which is a violation.
pub fn read_response_prefix(payload: &[u8]) -> Option<ResponsePrefix> {
    let [s1, s2, l1, l2, l3] = *payload.first_chunk::<RESPONSE_PREFIX>()?;
    let status = u16::from_be_bytes([s1, s2]);
    let head_end = RESPONSE_PREFIX + u32::from_be_bytes([0, l1, l2, l3]) as usize;
    ((100..1000).contains(&status) && head_end <= payload.len()).then_some(ResponsePrefix { status, head_end })
}

/// Decodes the head of a REQUEST, `payload[REQUEST_PREFIX..head_end]`, into `head`, which is emptied first. Returns
/// the index of the workload. After an error `head` holds junk.
///
/// # Errors
/// See [`HeadError`].
pub fn decode_request(
    mut wire: &[u8],
    prefix: &RequestPrefix,
    limits: HeadLimits,
    head: &mut RequestHead,
) -> Result<u32, HeadError> {
    if wire.len() > limits.bytes {
        return Err(HeadError::TooLarge);
    }
    let input = &mut wire;
    let workload = varint::take(input).ok_or(HeadError::Malformed)?;
    head.method = take_method(input)?;
    head.scheme = prefix.context.scheme;
    head.upgrade = (prefix.flags & flag::WEBSOCKET != 0).then_some(Upgrade::WebSocket);
    head.port = match prefix.flags & flag::PORT {
        0 => None,
        _ => Some(u16::from_be_bytes([take_byte(input)?, take_byte(input)?])),
    };
    put_checked(&mut head.host, take_text(input)?, is_host)?;
    put_checked(&mut head.path, take_text(input)?, is_path)?;
    let query = head.query.take();
    if prefix.flags & flag::QUERY != 0 {
        let mut query = query.unwrap_or_default();
        put_checked(&mut query, take_text(input)?, is_query)?;
        head.query = Some(query);
    }
    take_fields(input, limits, &mut head.headers)?;
    Ok(workload)
}

/// Decodes the head of a RESPONSE, `payload[RESPONSE_PREFIX..head_end]`, into `head`, which is emptied first. After
/// an error `head` holds junk.
///
/// # Errors
/// See [`HeadError`].
pub fn decode_response(
    wire: &[u8],
    prefix: &ResponsePrefix,
    limits: HeadLimits,
    head: &mut ResponseHead,
) -> Result<(), HeadError> {
    head.status = prefix.status;
    decode_trailers(wire, limits, &mut head.headers)
}

/// Decodes the payload of TRAILERS into `fields`, which is emptied first. After an error `fields` holds junk.
///
/// # Errors
/// See [`HeadError`].
pub fn decode_trailers(mut wire: &[u8], limits: HeadLimits, fields: &mut Headers) -> Result<(), HeadError> {
    if wire.len() > limits.bytes {
        return Err(HeadError::TooLarge);
    }
    take_fields(&mut wire, limits, fields)
}

#[inline]
fn take_fields(input: &mut &[u8], limits: HeadLimits, fields: &mut Headers) -> Result<(), HeadError> {
    fields.clear();
    let mut left = limits.fields;
    while let Some((code, rest)) = input.split_first() {
        *input = rest;
        left = left.checked_sub(1).ok_or(HeadError::TooLarge)?;
        if *code == 0 {
            let name = take_text(input)?;
            if !is_name(name) {
                return Err(HeadError::Name);
            }
            fields.push_wire(name, take_value(input)?);
        } else {
            let known = Known::from_index(*code).ok_or(HeadError::Name)?;
            fields.push_known(known, take_value(input)?);
        }
    }
    Ok(())
}

#[inline]
fn take_value<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], HeadError> {
    let value = take_text(input)?;
    if is_value(value) { Ok(value) } else { Err(HeadError::Value) }
}

/// Whether every byte may stand in a value. Eight at a time, the last eight perhaps twice: this is the longest loop of
/// a head, and values are too short for the compiler's own vector loops to pay.
#[inline]
fn is_value(value: &[u8]) -> bool {
    let Some(last) = value.last_chunk::<8>() else { return value.iter().all(|byte| is_value_byte(*byte)) };
    let chunks = value.as_chunks::<8>().0.iter().chain(std::iter::once(last));
    chunks.fold(0, |bad, chunk| bad | bad_bytes(u64::from_ne_bytes(*chunk))) == 0
}

/// Sets the highest bit of each byte that is a control character other than tab: no sum carries into the next byte.
#[inline]
const fn bad_bytes(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let low = word & (0x7f * ONES);
    let is_printable = low + 0x60 * ONES;
    let is_no_tab = (low ^ (0x09 * ONES)) + 0x7f * ONES;
    let is_delete = low + ONES;
    ((!is_printable & is_no_tab) | is_delete) & !word & (0x80 * ONES)
}

#[inline]
fn take_text<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], HeadError> {
    let len = varint::take(input).ok_or(HeadError::Malformed)?;
    let (text, rest) = input.split_at_checked(len as usize).ok_or(HeadError::Malformed)?;
    *input = rest;
    Ok(text)
}

fn take_byte(input: &mut &[u8]) -> Result<u8, HeadError> {
    let (byte, rest) = input.split_first().ok_or(HeadError::Malformed)?;
    *input = rest;
    Ok(*byte)
}

fn take_method(input: &mut &[u8]) -> Result<Method, HeadError> {
    match take_byte(input)? {
        0 => Method::from_bytes(take_text(input)?).ok_or(HeadError::Method),
        code => METHODS.get(usize::from(code) - 1).cloned().ok_or(HeadError::Method),
    }
}

#[inline]
fn put_checked(out: &mut String, text: &[u8], check: impl Fn(&[u8]) -> bool) -> Result<(), HeadError> {
    out.clear();
    // Both checks are needed: what passes the second is ASCII, but only the first tells the compiler so.
    let text = if check(text) { std::str::from_utf8(text).ok() } else { None };
    out.push_str(text.ok_or(HeadError::Target)?);
    Ok(())
}

/// A lowercase name or address literal. Whether it is a host of ours was decided at the edge.
fn is_host(text: &[u8]) -> bool {
    (1..=253).contains(&text.len())
        && text.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b':' | b'[' | b']'))
}

fn is_path(text: &[u8]) -> bool {
    let visible = text.iter().fold(true, |ok, b| ok & matches!(b, 0x21..=0x7e) & (*b != b'#') & (*b != b'?'));
    visible && (text.first() == Some(&b'/') || text == b"*")
}

fn is_query(text: &[u8]) -> bool {
    text.iter().fold(true, |ok, b| ok & matches!(b, 0x21..=0x7e) & (*b != b'#'))
}
