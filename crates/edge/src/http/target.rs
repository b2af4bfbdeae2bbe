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

/// The longest name in the DNS, bytes.
const MAX_HOST: usize = 253;

/// Reads `host[:port]` (RFC 9110 §7.2): a name or an address, without user information, lowercased, without the
/// root's dot.
pub(crate) fn authority(raw: &[u8], host: &mut String, port: &mut Option<u16>) -> Result<(), BadRequest> {
    const BAD: BadRequest = BadRequest::Malformed("host not acceptable");
    host.clear();
    let rest = if raw.first() == Some(&b'[') { address(raw, host) } else { name(raw, host) }.ok_or(BAD)?;
    *port = match rest.split_first() {
        None => None,
        Some((b':', digits)) => Some(port_number(digits).ok_or(BAD)?),
        Some(_) => return Err(BAD),
    };
    Ok(())
}

/// Takes a name, in one pass; what is behind it. No empty labels, so nothing that could be read as another name.
fn name<'r>(raw: &'r [u8], host: &mut String) -> Option<&'r [u8]> {
    let mut lower = [0u8; MAX_HOST + 1];
    let mut last = b'.';
    let mut length = 0;
    for (slot, byte) in lower.iter_mut().zip(raw) {
        let byte = match byte {
            b':' => break,
            b'.' if last == b'.' => return None,
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => *byte,
            b'A'..=b'Z' => byte | 0x20,
            _ => return None,
        };
        (*slot, last) = (byte, byte);
        length += 1;
    }
    let rest = raw.get(length..)?;
    let text = lower.get(..length)?;
    let text = text.strip_suffix(b".").unwrap_or(text);
    if text.is_empty() || text.len() > MAX_HOST {
        return None;
    }
    host.push_str(std::str::from_utf8(text).ok()?);
    Some(rest)
}

/// Takes an IPv6 address in brackets; what is behind it.
fn address<'r>(raw: &'r [u8], host: &mut String) -> Option<&'r [u8]> {
    let (inside, rest) = raw.split_at_checked(memchr::memchr(b']', raw)? + 1)?;
    let text = std::str::from_utf8(inside).ok()?;
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    inner.parse::<std::net::Ipv6Addr>().ok()?;
    host.push_str(text);
    host.make_ascii_lowercase();
    Some(rest)
}

fn port_number(digits: &[u8]) -> Option<u16> {
    if digits.is_empty() || digits.len() > 5 {
        return None;
    }
    let number = digits
        .iter()
        .try_fold(0u32, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u32::from(digit - b'0')))?;
    u16::try_from(number).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &str) -> Option<(String, Option<u16>)> {
        let (mut host, mut port) = ("old".to_owned(), Some(1));
        authority(raw.as_bytes(), &mut host, &mut port).ok().map(|()| (host, port))
    }

    #[test]
    fn authorities_have_one_spelling() {
        let long = "a.".repeat(126) + "b";
        for (raw, host, port) in [
            ("a.test", "a.test", None),
            ("A.TesT.", "a.test", None),
            ("a.test.:8443", "a.test", Some(8443)),
            ("a_b-c.test:0", "a_b-c.test", Some(0)),
            ("127.0.0.1:65535", "127.0.0.1", Some(65_535)),
            ("[::1]", "[::1]", None),
            ("[2001:DB8::1]:443", "[2001:db8::1]", Some(443)),
            (&long, &long, None),
            (&format!("{long}."), &long, None),
        ] {
            assert_eq!(read(raw), Some((host.to_owned(), port)), "{raw}");
        }
    }

    #[test]
    fn others_are_refused() {
        for raw in [
            "",
            ".",
            "..",
            ".a",
            "a..b",
            "a..",
            ":443",
            "a:",
            "a:b",
            "a:+1",
            "a: 1",
            "a:65536",
            "a:000001",
            "a:1:2",
            "u@a",
            "a/b",
            "a b",
            "a,b",
            "a%2eb",
            "a\\b",
            "ü.test",
            "a\0",
            "[::1",
            "[a]",
            "[::1]x",
            "[::1]:",
            "[]",
            "::1",
            "[127.0.0.1]",
        ] {
            assert_eq!(read(raw), None, "{raw}");
        }
        assert_eq!(read(&("a.".repeat(126) + "bc")), None);
        assert_eq!(read(&"a".repeat(300)), None);
    }
}
