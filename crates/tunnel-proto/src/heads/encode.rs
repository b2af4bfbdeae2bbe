//! Writing heads, straight into the output buffer.

use std::net::IpAddr;

use mezu_model::{Context, Headers, Method, Protocol, RequestHead, ResponseHead, Scheme, Upgrade};

use super::{HeadLimits, REQUEST_PREFIX, RESPONSE_PREFIX, Terms, flag};
use crate::error::HeadError;
use crate::varint;

/// Appends prefix and head of a REQUEST. On an error `out` holds junk that the caller cuts off.
///
/// # Errors
/// [`HeadError::TooLarge`].
pub fn put_request(
    out: &mut Vec<u8>,
    context: &Context,
    head: &RequestHead,
    workload: u32,
    terms: Terms,
    limits: HeadLimits,
) -> Result<(), HeadError> {
    let start = out.len();
    put_prefix(out, context, flags(context, head, terms));
    varint::put(out, workload.min(varint::MAX));
    put_method(out, &head.method);
    if let Some(port) = head.port {
        out.extend_from_slice(&port.to_be_bytes());
    }
    put_text(out, head.host.as_bytes())?;
    put_text(out, head.path.as_bytes())?;
    if let Some(query) = &head.query {
        put_text(out, query.as_bytes())?;
    }
    put_fields(out, &head.headers, limits)?;
    seal_head(out, start, REQUEST_PREFIX, limits)
}

/// Appends prefix and head of a RESPONSE. On an error `out` holds junk that the caller cuts off.
///
/// # Errors
/// [`HeadError::TooLarge`].
pub fn put_response(out: &mut Vec<u8>, head: &ResponseHead, limits: HeadLimits) -> Result<(), HeadError> {
    let start = out.len();
    let [high, low] = head.status.to_be_bytes();
    out.extend_from_slice(&[high, low, 0, 0, 0]);
    put_fields(out, &head.headers, limits)?;
    seal_head(out, start, RESPONSE_PREFIX, limits)
}

/// Appends the payload of TRAILERS. On an error `out` holds junk that the caller cuts off.
///
/// # Errors
/// [`HeadError::TooLarge`].
pub fn put_trailers(out: &mut Vec<u8>, fields: &Headers, limits: HeadLimits) -> Result<(), HeadError> {
    let start = out.len();
    put_fields(out, fields, limits)?;
    if out.len() - start > limits.bytes { Err(HeadError::TooLarge) } else { Ok(()) }
}

/// Writes the length of the head that began at `start + prefix` into the last three bytes of the prefix.
///
/// # Errors
/// [`HeadError::TooLarge`].
pub fn seal_head(out: &mut [u8], start: usize, prefix: usize, limits: HeadLimits) -> Result<(), HeadError> {
    let len = out.len() - start - prefix;
    if len > limits.bytes {
        return Err(HeadError::TooLarge);
    }
    let place = start + prefix - 3;
    let [_, bytes @ ..] = u32::try_from(len).unwrap_or_default().to_be_bytes();
    if let Some(field) = out.get_mut(place..place + 3) {
        field.copy_from_slice(&bytes);
    }
    Ok(())
}

#[inline]
fn put_prefix(out: &mut Vec<u8>, context: &Context, flags: u8) {
    let mut prefix = [0u8; REQUEST_PREFIX];
    let ip = match context.client.ip() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    };
    let (ray, rest) = prefix.split_at_mut(16);
    ray.copy_from_slice(&context.ray.0.to_be_bytes());
    let (addr, rest) = rest.split_at_mut(16);
    addr.copy_from_slice(&ip.octets());
    if let [p1, p2, e1, e2, f, ..] = rest {
        [*p1, *p2] = context.client.port().to_be_bytes();
        [*e1, *e2] = context.port.to_be_bytes();
        *f = flags;
    }
    out.extend_from_slice(&prefix);
}

fn flags(context: &Context, head: &RequestHead, terms: Terms) -> u8 {
    let protocol = match context.protocol {
        Protocol::H1 => 0u8,
        Protocol::H2 => 1,
        Protocol::H3 => 2,
    };
    let bit = |set: bool, bit: u8| if set { bit } else { 0 };
    bit(context.scheme == Scheme::Https, flag::HTTPS)
        | protocol << flag::PROTOCOL_SHIFT
        | bit(head.upgrade == Some(Upgrade::WebSocket), flag::WEBSOCKET)
        | bit(terms.park, flag::PARK)
        | bit(terms.narrow, flag::NARROW)
        | bit(head.port.is_some(), flag::PORT)
        | bit(head.query.is_some(), flag::QUERY)
}

fn put_method(out: &mut Vec<u8>, method: &Method) {
    let code = match method {
        Method::Get => 1,
        Method::Head => 2,
        Method::Post => 3,
        Method::Put => 4,
        Method::Delete => 5,
        Method::Connect => 6,
        Method::Options => 7,
        Method::Trace => 8,
        Method::Patch => 9,
        Method::Other(name) => {
            out.push(0);
            // At most 32 bytes by construction.
            let _ = put_text(out, name.as_bytes());
            return;
        }
    };
    out.push(code);
}

#[inline]
fn put_fields(out: &mut Vec<u8>, headers: &Headers, limits: HeadLimits) -> Result<(), HeadError> {
    if headers.len() > limits.fields {
        return Err(HeadError::TooLarge);
    }
    for field in headers.iter() {
        match field.known {
            Some(known) => out.push(known.index()),
            None => {
                out.push(0);
                put_text(out, field.name)?;
            }
        }
        put_text(out, field.value)?;
    }
    Ok(())
}

#[inline]
fn put_text(out: &mut Vec<u8>, text: &[u8]) -> Result<(), HeadError> {
    let len = u32::try_from(text.len()).ok().filter(|n| *n <= varint::MAX).ok_or(HeadError::TooLarge)?;
    varint::put(out, len);
    out.extend_from_slice(text);
    Ok(())
}
