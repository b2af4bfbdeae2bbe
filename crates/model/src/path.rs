//! One spelling per path.
//!
//! Policy matches on the normalised path and Warpgate forwards the very same bytes, so no client can show the edge
//! one path and the workload another (threat 2 of the design). Whatever could be read in two ways is refused, never
//! repaired: an encoded slash, a backslash, `;` parameters, a percent sign encoded twice, overlong UTF-8, control
//! characters. What RFC 3986 declares equivalent is brought to one form: dot segments are resolved, unreserved
//! characters decoded, the hex digits of other escapes written in upper case.
//!
//! This module must never look at the query, and must never let through a path that normalising again would change.

/// Why a request target was refused. Every one of these is answered with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.rule())]
pub enum PathError {
    NotAbsolute,
    Control,
    NonAscii,
    Fragment,
    QueryMark,
    Backslash,
    EncodedSlash,
    EncodedControl,
    BadEscape,
    DoubleEncoding,
    Parameter,
    Overlong,
}

impl PathError {
    /// The rule that was broken, in words for the client. Never holds input.
    #[must_use]
    pub const fn rule(self) -> &'static str {
        match self {
            Self::NotAbsolute => "the path does not begin with a slash",
            Self::Control => "a control character or a space stands in the request target",
            Self::NonAscii => "a byte outside ASCII stands unencoded in the request target",
            Self::Fragment => "a fragment was sent",
            Self::QueryMark => "a question mark stands inside the path",
            Self::Backslash => "a backslash stands in the path",
            Self::EncodedSlash => "a slash is percent-encoded",
            Self::EncodedControl => "a control character is percent-encoded",
            Self::BadEscape => "a percent sign is not followed by two hexadecimal digits",
            Self::DoubleEncoding => "the path is percent-encoded twice",
            Self::Parameter => "a path parameter (semicolon) was sent",
            Self::Overlong => "an escape is an overlong UTF-8 sequence",
        }
    }
}

/// Writes the normal form of `raw_path` (the request target up to, not including, `?`) into `out`.
///
/// A path that is normal already costs one scan and one copy into `out`, whose capacity is kept from request to
/// request. `*` and an empty target are not paths: the caller deals with them first. On an error `out` is empty.
///
/// # Errors
/// [`PathError`] when the path has more than one reading.
pub fn normalise(raw_path: &[u8], out: &mut String) -> Result<(), PathError> {
    out.clear();
    if is_normal(raw_path)
        && let Ok(text) = std::str::from_utf8(raw_path)
    {
        out.push_str(text);
        return Ok(());
    }
    let done = rewrite(raw_path, out);
    if done.is_err() {
        out.clear();
    }
    done
}

/// Checks a query without changing it: it is passed on byte for byte and policy never reads it.
///
/// # Errors
/// [`PathError`] for anything but visible ASCII, and for `#`.
pub fn check_query(raw_query: &[u8]) -> Result<(), PathError> {
    if raw_query.iter().all(|byte| matches!(byte, b'!'..=b'~') && *byte != b'#') {
        return Ok(());
    }
    Err(raw_query.iter().copied().find_map(forbidden_raw).unwrap_or(PathError::Control))
}

/// True only for paths that `rewrite` would leave alone; it may say no to some of those (`/.well-known`).
fn is_normal(raw: &[u8]) -> bool {
    let (mut normal, mut before) = (raw.first() == Some(&b'/'), LITERAL);
    for byte in raw {
        let step = STEPS.get(usize::from(*byte)).copied().unwrap_or(0);
        normal &= step & (before >> 4) != 0;
        before = step;
    }
    normal
}

/// For each byte its kind (low half: 1 or, for slash and dot, 2; 0 if it is never normal) and the kinds that may come
/// next (high half): after a slash no slash (an empty segment) and no dot (perhaps a dot segment).
static STEPS: [u8; 256] = {
    let mut steps = [0; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        let step = match byte {
            b'/' => 0x12,
            b'.' => 0x32,
            _ if is_literal(byte) => LITERAL,
            _ => 0,
        };
        // In a constant an index out of bounds does not compile.
        #[allow(clippy::indexing_slicing)]
        {
            steps[byte as usize] = step;
        }
        byte += 1;
    }
    steps
};
const LITERAL: u8 = 0x31;

fn rewrite(raw: &[u8], out: &mut String) -> Result<(), PathError> {
    let Some((&b'/', rest)) = raw.split_first() else {
        return Err(PathError::NotAbsolute);
    };
    out.push('/');
    let mut segment = out.len();
    let mut high = Utf8Lead::default();
    let mut bytes = rest.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let value = escape(bytes.next(), bytes.next())?;
            high.next(value)?;
            push_decoded(value, out)?;
            continue;
        }
        high = Utf8Lead::default();
        match byte {
            b'/' => {
                end_segment(out, segment)?;
                // An empty segment (`//`) and a resolved dot segment leave `out` ending in the slash already there.
                if !out.ends_with('/') {
                    out.push('/');
                }
                segment = out.len();
            }
            _ if is_literal(byte) || byte == b'.' => out.push(char::from(byte)),
            _ => match forbidden_raw(byte).or_else(|| forbidden_in_path(byte)) {
                Some(error) => return Err(error),
                None => push_escape(byte, out),
            },
        }
    }
    end_segment(out, segment)?;
    refuse_double_encoding(out)
}

/// Resolves `.` and `..` (RFC 3986 §5.2.4); above the root there is nothing to climb to.
fn end_segment(out: &mut String, start: usize) -> Result<(), PathError> {
    let segment = out.get(start..).unwrap_or_default();
    match segment {
        "." => out.truncate(start),
        ".." => {
            let parent = out.get(..start.saturating_sub(1)).and_then(|before| before.rfind('/')).unwrap_or(0);
            out.truncate(parent + 1);
        }
        // Some servers cut parameters off after decoding, which would turn these into dot segments.
        _ if segment.starts_with(".%3B") || segment.starts_with("..%3B") => return Err(PathError::Parameter),
        _ => {}
    }
    Ok(())
}

/// Looked for in the result, so that `%25%32%46`, whose tail decodes to `2F`, is seen as well.
fn refuse_double_encoding(out: &str) -> Result<(), PathError> {
    let doubled = out.as_bytes().windows(5).any(
        |five| matches!(five, [b'%', b'2', b'5', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()),
    );
    if doubled { Err(PathError::DoubleEncoding) } else { Ok(()) }
}

fn push_decoded(value: u8, out: &mut String) -> Result<(), PathError> {
    match value {
        b'/' => Err(PathError::EncodedSlash),
        b'\\' => Err(PathError::Backslash),
        0..=0x1F | 0x7F => Err(PathError::EncodedControl),
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            out.push(char::from(value));
            Ok(())
        }
        _ => {
            push_escape(value, out);
            Ok(())
        }
    }
}

fn push_escape(value: u8, out: &mut String) {
    out.push('%');
    for digit in [value >> 4, value & 0xF] {
        out.push(char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase());
    }
}

fn escape(high: Option<u8>, low: Option<u8>) -> Result<u8, PathError> {
    let digit =
        |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    match (digit(high), digit(low)) {
        (Some(high), Some(low)) => Ok(high << 4 | low),
        _ => Err(PathError::BadEscape),
    }
}

/// `pchar` of RFC 3986 §3.3 that may stand as it is: without `.` (dot segments), `;` (parameters) and `%`.
const fn is_literal(byte: u8) -> bool {
    matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~'
        | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@')
}

/// Refused in path and query alike.
fn forbidden_raw(byte: u8) -> Option<PathError> {
    match byte {
        0..=b' ' | 0x7F => Some(PathError::Control),
        0x80.. => Some(PathError::NonAscii),
        b'#' => Some(PathError::Fragment),
        _ => None,
    }
}

fn forbidden_in_path(byte: u8) -> Option<PathError> {
    match byte {
        b'?' => Some(PathError::QueryMark),
        b'\\' => Some(PathError::Backslash),
        b';' => Some(PathError::Parameter),
        _ => None,
    }
}

/// The escape just read, if it could begin an overlong UTF-8 sequence (`%C0%AF` for a slash).
#[derive(Default)]
struct Utf8Lead(u8);

impl Utf8Lead {
    fn next(&mut self, value: u8) -> Result<(), PathError> {
        let overlong =
            matches!((self.0, value), (0xC0 | 0xC1, 0x80..=0xBF) | (0xE0, 0x80..=0x9F) | (0xF0, 0x80..=0x8F));
        self.0 = value;
        if overlong { Err(PathError::Overlong) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
