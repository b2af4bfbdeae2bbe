//! Conditional and partial requests (RFC 9110 §13, §14).

use std::time::SystemTime;

use mezu_model::{Headers, date, known};

/// A stretch of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    pub from: u64,
    pub length: u64,
}

/// What to answer with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    NotModified,
    Whole,
    Part(Part),
    Unsatisfiable,
}

pub(super) fn judge(asked: &Headers, etag: &str, modified: SystemTime, length: u64) -> Verdict {
    if is_fresh(asked, etag, modified) {
        return Verdict::NotModified;
    }
    match asked.find(known::RANGE) {
        Some(range) if may_be_partial(asked, etag, modified) => part(range, length),
        _ => Verdict::Whole,
    }
}

/// If-None-Match decides alone where it is given; it compares weakly.
fn is_fresh(asked: &Headers, etag: &str, modified: SystemTime) -> bool {
    if let Some(tags) = asked.find(known::IF_NONE_MATCH) {
        return tags
            .split(|b| *b == b',')
            .map(<[u8]>::trim_ascii)
            .any(|tag| tag == b"*" || tag.strip_prefix(b"W/").unwrap_or(tag) == etag.as_bytes());
    }
    let since = asked.find(known::IF_MODIFIED_SINCE).and_then(date::parse);
    since.is_some_and(|since| date::seconds(modified) <= since)
}

/// A range counts only if the file is still the one of which the client has the rest.
fn may_be_partial(asked: &Headers, etag: &str, modified: SystemTime) -> bool {
    match asked.find(known::IF_RANGE) {
        None => true,
        Some(tag) if tag.starts_with(b"\"") => tag == etag.as_bytes(),
        Some(text) => date::parse(text).is_some_and(|when| when == date::seconds(modified)),
    }
}

/// One range; several, or nonsense, are answered with the whole.
fn part(range: &[u8], length: u64) -> Verdict {
    let Some(spec) = range.strip_prefix(b"bytes=").and_then(|spec| std::str::from_utf8(spec).ok()) else {
        return Verdict::Whole;
    };
    let Some((first, last)) = spec.trim().split_once('-').filter(|_| !spec.contains(',')) else {
        return Verdict::Whole;
    };
    let number = |text: &str| {
        (!text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse::<u64>().unwrap_or(u64::MAX))
    };
    match (first.is_empty(), number(first), last.is_empty(), number(last)) {
        (false, Some(from), true, _) => stretch(from, length.saturating_sub(1), length),
        (false, Some(from), false, Some(to)) if from <= to => stretch(from, to.min(length.saturating_sub(1)), length),
        (true, _, false, Some(0)) => Verdict::Unsatisfiable,
        (true, _, false, Some(tail)) if length > 0 => stretch(length.saturating_sub(tail), length - 1, length),
        (true, _, false, Some(_)) => Verdict::Unsatisfiable,
        _ => Verdict::Whole,
    }
}

fn stretch(from: u64, to: u64, length: u64) -> Verdict {
    if from >= length { Verdict::Unsatisfiable } else { Verdict::Part(Part { from, length: to - from + 1 }) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn asked(fields: &[(&str, &str)]) -> Verdict {
        let mut headers = Headers::new();
        for (name, value) in fields {
            headers.push(name.as_bytes(), value.as_bytes()).unwrap();
        }
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT
        judge(&headers, "\"tag\"", modified, 100)
    }

    #[test]
    fn ranges() {
        let part = |from, length| Verdict::Part(Part { from, length });
        for (range, verdict) in [
            ("bytes=0-0", part(0, 1)),
            ("bytes=0-99", part(0, 100)),
            ("bytes=10-", part(10, 90)),
            ("bytes=90-200", part(90, 10)),
            ("bytes=-10", part(90, 10)),
            ("bytes=-200", part(0, 100)),
            ("bytes=100-", Verdict::Unsatisfiable),
            ("bytes=-0", Verdict::Unsatisfiable),
            ("bytes=5-4", Verdict::Whole),
            ("bytes=0-1,3-4", Verdict::Whole),
            ("bytes=", Verdict::Whole),
            ("bytes=-", Verdict::Whole),
            ("bytes=a-b", Verdict::Whole),
            ("lines=1-2", Verdict::Whole),
            ("bytes=+1-2", Verdict::Whole),
            ("bytes=99999999999999999999-", Verdict::Unsatisfiable),
        ] {
            assert_eq!(asked(&[("range", range)]), verdict, "{range}");
        }
    }

    #[test]
    fn conditions() {
        let (same, later, earlier) =
            ("Sun, 06 Nov 1994 08:49:37 GMT", "Mon, 07 Nov 1994 08:49:37 GMT", "Sat, 05 Nov 1994 08:49:37 GMT");
        for fields in [
            &[("if-none-match", "\"tag\"")][..],
            &[("if-none-match", "\"x\", W/\"tag\"")],
            &[("if-none-match", "*")],
            &[("if-modified-since", same)],
            &[("if-modified-since", later)],
        ] {
            assert_eq!(asked(fields), Verdict::NotModified, "{fields:?}");
        }
        for fields in [
            &[("if-none-match", "\"x\"")][..],
            &[("if-none-match", "\"x\""), ("if-modified-since", later)],
            &[("if-modified-since", earlier)],
            &[("if-modified-since", "yesterday")],
            &[("range", "bytes=0-1"), ("if-range", "\"x\"")],
            &[("range", "bytes=0-1"), ("if-range", "W/\"tag\"")],
            &[("range", "bytes=0-1"), ("if-range", earlier)],
        ] {
            assert_eq!(asked(fields), Verdict::Whole, "{fields:?}");
        }
        for tag in ["\"tag\"", same] {
            assert_eq!(asked(&[("range", "bytes=0-1"), ("if-range", tag)]), Verdict::Part(Part { from: 0, length: 2 }));
        }
    }
}
