//! The content codings, and what the use of one does to an answer's head.

use std::fmt;

use mezu_model::{Headers, ResponseHead, known};
use serde::{Deserialize, Serialize};

use super::accept::members;

/// A content coding (RFC 9110 §8.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Coding {
    /// RFC 8878.
    #[serde(rename = "zstd")]
    Zstd,
    /// RFC 7932.
    #[serde(rename = "br")]
    Brotli,
    /// RFC 1952.
    #[serde(rename = "gzip")]
    Gzip,
}

impl Coding {
    /// Every one, the one to prefer first.
    pub const ALL: [Self; 3] = [Self::Zstd, Self::Brotli, Self::Gzip];

    /// Its name in header fields.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Zstd => "zstd",
            Self::Brotli => "br",
            Self::Gzip => "gzip",
        }
    }

    /// Whether it goes by this name; `x-gzip` is gzip (RFC 9110 §8.4.1.3).
    pub(super) fn is_named(self, name: &[u8]) -> bool {
        name.eq_ignore_ascii_case(self.as_str().as_bytes())
            || self == Self::Gzip && name.eq_ignore_ascii_case(b"x-gzip")
    }

    /// Makes an answer's head that of its encoded form. The caller encodes the body.
    pub fn put_on(self, head: &mut ResponseHead) {
        let headers = &mut head.headers;
        headers.remove(known::CONTENT_LENGTH);
        // A range would be one of the encoded bytes, which are not the same twice.
        headers.remove(known::ACCEPT_RANGES);
        weaken_tag(headers);
        headers.push_known(known::CONTENT_ENCODING, self.as_str().as_bytes());
    }
}

impl fmt::Display for Coding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A strong tag promises the same bytes, which other encodings are not (RFC 9110 §8.8.1).
pub(super) fn weaken_tag(headers: &mut Headers) {
    let Some(tag) = headers.find(known::ETAG).filter(|tag| tag.starts_with(b"\"")) else { return };
    let weak = [b"W/", tag].concat();
    headers.set_known(known::ETAG, &weak);
}

/// Tells caches what the answer was chosen by.
pub(super) fn vary(headers: &mut Headers) {
    let told = |member: &[u8]| member == b"*" || member.eq_ignore_ascii_case(b"accept-encoding");
    if !headers.find_all(known::VARY).flat_map(members).any(told) {
        headers.push_known(known::VARY, b"Accept-Encoding");
    }
}
