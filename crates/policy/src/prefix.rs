//! A path prefix that stages put on and take off: whole segments, in the normal form in which requests are matched.

use crate::Invalid;

/// Longest prefix, bytes.
const MAX: usize = 1024;

/// A path such as `/` or `/api/v1`, without a slash at its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Prefix(Box<str>);

impl Prefix {
    pub(crate) fn compile(at: &str, text: &str) -> Result<Self, Invalid> {
        let wrong = |problem: &str| Invalid::new(at, problem);
        if text.len() > MAX {
            return Err(Invalid::new(at, format!("at most {MAX} bytes")));
        }
        if !text.starts_with('/') {
            return Err(wrong("a path prefix begins with a slash"));
        }
        let mut normal = String::with_capacity(text.len());
        // What normalising would change could never match a request, which was normalised.
        let normalised = mezu_model::path::normalise(text.as_bytes(), &mut normal);
        if normalised.is_err() || normal != text {
            return Err(wrong("a path prefix has no query, no dot segments and nothing that would be normalised"));
        }
        Ok(Self(normal.trim_end_matches('/').into()))
    }

    /// Without a slash at its end: empty for the root.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// What follows the prefix, from its slash on; `None` for a path that does not lie under it.
    pub(crate) fn rest<'a>(&self, path: &'a str) -> Option<&'a str> {
        match path.strip_prefix(&*self.0)? {
            "" => Some("/"),
            rest if rest.starts_with('/') => Some(rest),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_whole_segments_are_taken_off() {
        for (prefix, path, rest) in [
            ("/", "/", Some("/")),
            ("/", "/a/b", Some("/a/b")),
            ("/a", "/a", Some("/")),
            ("/a/", "/a", Some("/")),
            ("/a", "/a/", Some("/")),
            ("/a", "/a/b", Some("/b")),
            ("/a", "/ab", None),
            ("/a", "/", None),
            ("/", "*", None),
        ] {
            assert_eq!(Prefix::compile("x", prefix).unwrap().rest(path), rest, "{prefix} {path}");
        }
        for text in ["", "a", "/a/../b", "/a//b", "/a?b", "/a#b", "/%41", "/ü", "/a b"] {
            assert_eq!(Prefix::compile("x.y", text).unwrap_err().at, "x.y", "{text}");
        }
    }
}
