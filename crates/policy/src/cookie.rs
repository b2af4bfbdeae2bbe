//! Cookies of a request (RFC 6265 §5.4), read where they lie.

use mezu_model::{Headers, known};

/// A name that a cookie may have.
pub(crate) fn check_name(name: &str) -> Result<Box<[u8]>, String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || name.len() > 128 || !name.bytes().all(token) {
        return Err("a cookie's name: 1 to 128 letters, digits, _ and -".to_owned());
    }
    Ok(name.as_bytes().into())
}

/// The values of the cookies of that name, in their order.
pub(crate) fn find_all<'a>(headers: &'a Headers, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    headers.find_all(known::COOKIE).flat_map(|line| line.split(|byte| *byte == b';')).filter_map(move |pair| {
        let value = pair.trim_ascii_start().strip_prefix(name)?.strip_prefix(b"=")?;
        Some(value.trim_ascii_end())
    })
}

/// The first cookie of that name.
pub(crate) fn find<'a>(headers: &'a Headers, name: &'a [u8]) -> Option<&'a [u8]> {
    find_all(headers, name).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::headers;

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        let headers = headers(&[("cookie", "ab=1; a=2;c=; a=3"), ("cookie", "d=4 ")]);
        for (name, value) in
            [("a", Some("2")), ("ab", Some("1")), ("c", Some("")), ("d", Some("4")), ("b", None), ("A", None)]
        {
            assert_eq!(find(&headers, name.as_bytes()), value.map(str::as_bytes), "{name}");
        }
        for name in ["", "a b", "a=", "a;", "ü", "a\r"] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }
}
