//! The request target and the authority: what the client wants, in one spelling.
//!
//! Must never: let two readings of a host or a path survive, or take the scheme from the client.

use mezu_model::{Limits, Method, RequestHead, check_query, normalise};

use super::BadRequest;

/// Reads an h1 request target (RFC 9112 §3.2) into path and query. An absolute-form's authority must equal Host,
/// which is in the head already.
pub(crate) fn request_target(
    raw: &[u8],
    head: &mut RequestHead,
    spare: &mut String,
    limits: &Limits,
) -> Result<(), BadRequest> {
    if raw.len() > limits.uri_bytes {
        return Err(BadRequest::UriTooLong);
    }
    match raw.first() {
        Some(b'/') => path_and_query(raw, head, spare),
        Some(b'*') if raw == b"*" && head.method == Method::Options => {
            head.path.clear();
            head.path.push('*');
            Ok(())
        }
        _ => absolute_form(raw, head, spare),
    }
}

/// Reads `:path` or an origin-form. `spare` lends its capacity to the query.
pub(crate) fn path_and_query(raw: &[u8], head: &mut RequestHead, spare: &mut String) -> Result<(), BadRequest> {
    let (path, query) = match memchr::memchr(b'?', raw).and_then(|at| raw.split_at_checked(at)) {
        Some((path, query)) => (path, query.get(1..)),
        None => (raw, None),
    };
    normalise(path, &mut head.path).map_err(|error| BadRequest::Malformed(error.rule()))?;
    head.query = query.map(|query| take_query(query, spare)).transpose()?;
    Ok(())
}

fn take_query(raw: &[u8], spare: &mut String) -> Result<String, BadRequest> {
    const BAD: BadRequest = BadRequest::Malformed("query not acceptable");
    check_query(raw).map_err(|error| BadRequest::Malformed(error.rule()))?;
    let mut query = std::mem::take(spare);
    query.clear();
    query.push_str(std::str::from_utf8(raw).map_err(|_| BAD)?);
    Ok(query)
}

fn absolute_form(raw: &[u8], head: &mut RequestHead, spare: &mut String) -> Result<(), BadRequest> {
    const BAD: BadRequest = BadRequest::Malformed("request target not acceptable");
    let rest = strip_scheme(raw).ok_or(BAD)?;
    let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).ok_or(BAD)?;
    same_authority(authority, head)?;
    match path.first() {
        None => path_and_query(b"/", head, spare),
        Some(b'/') => path_and_query(path, head, spare),
        Some(b'?') => {
            path_and_query(b"/", head, spare)?;
            head.query = path.get(1..).map(|query| take_query(query, spare)).transpose()?;
            Ok(())
        }
        Some(_) => Err(BAD),
    }
}

fn strip_scheme(raw: &[u8]) -> Option<&[u8]> {
    [&b"https://"[..], b"http://"].iter().find_map(|scheme| {
        let (start, rest) = raw.split_at_checked(scheme.len())?;
        start.eq_ignore_ascii_case(scheme).then_some(rest)
    })
}

/// Checks that an authority says what the head's host and port say.
pub(crate) fn same_authority(raw: &[u8], head: &RequestHead) -> Result<(), BadRequest> {
    let (mut host, mut port) = (String::new(), None);
    authority(raw, &mut host, &mut port)?;
    if host == head.host && port == head.port {
        return Ok(());
    }
    Err(BadRequest::Malformed("two different authorities"))
}

/// Reads `host[:port]` (RFC 9110 §7.2): a name or an address, without user information, lowercased, without the
/// root's dot.
pub(crate) fn authority(raw: &[u8], host: &mut String, port: &mut Option<u16>) -> Result<(), BadRequest> {
    const BAD: BadRequest = BadRequest::Malformed("host not acceptable");
    let name_end = match raw.first() {
        Some(b'[') => memchr::memchr(b']', raw).ok_or(BAD)? + 1,
        _ => memchr::memchr(b':', raw).unwrap_or(raw.len()),
    };
    let (name, rest) = raw.split_at_checked(name_end).ok_or(BAD)?;
    *port = match rest.split_first() {
        None => None,
        Some((b':', digits)) => Some(port_number(digits).ok_or(BAD)?),
        Some(_) => return Err(BAD),
    };
    let name = if name.first() == Some(&b'[') { name } else { name.strip_suffix(b".").unwrap_or(name) };
    if !is_host(name) {
        return Err(BAD);
    }
    host.clear();
    host.push_str(std::str::from_utf8(name).map_err(|_| BAD)?);
    host.make_ascii_lowercase();
    Ok(())
}

fn port_number(digits: &[u8]) -> Option<u16> {
    if digits.is_empty() || digits.len() > 5 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

fn is_host(name: &[u8]) -> bool {
    if let Some(inner) = name.strip_prefix(b"[").and_then(|n| n.strip_suffix(b"]")) {
        return std::str::from_utf8(inner).is_ok_and(|text| text.parse::<std::net::Ipv6Addr>().is_ok());
    }
    !name.is_empty()
        && name.len() <= 253
        && name.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
        && name.first() != Some(&b'.')
        && name.last() != Some(&b'.')
        && !name.windows(2).any(|pair| pair == b"..")
}
