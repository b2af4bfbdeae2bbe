//! In which form a client wants to be told of an error.
//!
//! Only a person looking at a page gets a page. A program must never have to parse HTML, and gRPC clients expect the
//! error where gRPC puts it.

use mezu_model::{Headers, known};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// HTML for a person.
    Page,
    /// RFC 9457.
    Problem,
    /// A gRPC status in a head without body ("trailers-only").
    Grpc,
}

impl Wants {
    /// Reads it off a request's headers.
    #[must_use]
    pub fn of(headers: &Headers) -> Self {
        if headers.find(known::CONTENT_TYPE).is_some_and(|kind| starts_with(kind, b"application/grpc")) {
            return Self::Grpc;
        }
        // Browsers say what a request is for; scripts in them cannot forge it. Everything but a navigation is a fetch.
        if let Some(mode) = headers.find(known::SEC_FETCH_MODE) {
            return if mode == b"navigate" { Self::Page } else { Self::Problem };
        }
        if headers.find_all(known::ACCEPT).any(accepts_html) { Self::Page } else { Self::Problem }
    }
}

/// Whether `text/html` is named and not ruled out. Wildcards do not count: every program sends those.
fn accepts_html(accept: &[u8]) -> bool {
    accept.split(|byte| *byte == b',').any(|range| {
        let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let html = parts.next().is_some_and(|kind| {
            kind.eq_ignore_ascii_case(b"text/html") || kind.eq_ignore_ascii_case(b"application/xhtml+xml")
        });
        html && !parts.any(|parameter| {
            let weight = parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q="));
            weight.is_some_and(|weight| !weight.is_empty() && weight.iter().all(|byte| matches!(byte, b'0' | b'.')))
        })
    })
}

fn starts_with(value: &[u8], prefix: &[u8]) -> bool {
    value.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn who_gets_what() {
        let table: &[(&[(&str, &str)], Wants)] = &[
            (&[], Wants::Problem),
            (&[("accept", "*/*")], Wants::Problem),
            (&[("accept", "application/json")], Wants::Problem),
            (&[("accept", "application/json, text/html;q=0")], Wants::Problem),
            (&[("accept", "text/html; q=0.000")], Wants::Problem),
            (&[("accept", "text/htmlx")], Wants::Problem),
            (&[("accept", "text/html")], Wants::Page),
            (&[("accept", "TEXT/HTML;level=1;q=0.9")], Wants::Page),
            (&[("accept", "application/xml"), ("accept", "*/*, text/html;q=0.1")], Wants::Page),
            (&[("accept", "text/html"), ("sec-fetch-mode", "navigate")], Wants::Page),
            (&[("accept", "*/*"), ("sec-fetch-mode", "navigate")], Wants::Page),
            (&[("accept", "text/html"), ("sec-fetch-mode", "cors")], Wants::Problem),
            (&[("accept", "text/html"), ("sec-fetch-mode", "no-cors")], Wants::Problem),
            (&[("accept", "text/html"), ("sec-fetch-mode", "websocket")], Wants::Problem),
            (&[("content-type", "application/grpc")], Wants::Grpc),
            (&[("content-type", "application/grpc+proto"), ("accept", "text/html")], Wants::Grpc),
            (&[("content-type", "application/grpc-web+proto")], Wants::Grpc),
            (&[("content-type", "application/json")], Wants::Problem),
        ];
        for (fields, expected) in table {
            let mut headers = Headers::new();
            for (name, value) in *fields {
                headers.push(name.as_bytes(), value.as_bytes()).unwrap();
            }
            assert_eq!(Wants::of(&headers), *expected, "{fields:?}");
        }
    }
}
