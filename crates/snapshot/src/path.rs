//! The path rule of a route: which paths it takes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits;

/// One of three, told apart by how it is written:
///
/// - `/api`, a *prefix*: takes `/api` and all below it, by whole segments, never `/apix`. Without a slash at its end.
/// - `=/api`, *exact*: takes this one path.
/// - `/users/{id}/orders/{order}`, *segments*: each capture takes one segment that is not empty. A capture at the end
///   such as `{rest...}` takes all that is left, which may be nothing; without one the path must end there.
///
/// All in the one normalised form in which requests are matched.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathRule(Box<str>);

/// What stands between two slashes of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step<'a> {
    /// This text.
    Literal(&'a str),
    /// Any text, known to stages by this name.
    Capture(&'a str),
}

/// What may follow the last step of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tail<'a> {
    /// Nothing.
    End,
    /// Nothing, or a slash and anything; it may have a name.
    Open(Option<&'a str>),
}

/// Why a text is no path rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPathRule {
    #[error("a path starts with \"/\" (or \"=/\" for this one path only)")]
    NoSlash,
    #[error("a path is at most {} bytes long", limits::PATH)]
    TooLong,
    #[error("a path has no query, no fragment, no dot segments and only characters that need no normalising")]
    NotNormal,
    #[error("a capture is a whole segment, such as \"/{{id}}/\": a small letter, then small letters, digits and \"_\"")]
    Capture,
    #[error("a capture with \"...\" takes all that is left of a path, so it stands at the end")]
    RestNotLast,
    #[error("a path has at most {} captures, each with a name of its own", limits::CAPTURES)]
    Captures,
}

impl PathRule {
    /// `/`, which takes every path.
    #[must_use]
    pub fn root() -> Self {
        Self("/".into())
    }

    /// The rule as it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path without the mark of an exact rule, for an address that people read.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.strip_prefix('=').unwrap_or(&self.0)
    }

    /// Whether it takes this path and no other.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.0.starts_with('=')
    }

    /// Whether it takes every path.
    #[must_use]
    pub fn takes_all(&self) -> bool {
        matches!(self.tail(), Tail::Open(_)) && self.steps().next().is_none()
    }

    /// The segments that a path must begin with.
    pub fn steps(&self) -> impl Iterator<Item = Step<'_>> {
        let body = self.path().strip_prefix('/').unwrap_or_default();
        let body = match self.tail() {
            Tail::Open(Some(_)) => body.rsplit_once('/').map(|(before, _)| before),
            Tail::Open(None) if body.is_empty() => None,
            _ => Some(body),
        };
        body.into_iter().flat_map(|body| body.split('/')).map(|text| match capture(text) {
            Some(name) => Step::Capture(name),
            None => Step::Literal(text),
        })
    }

    /// What may follow them.
    #[must_use]
    pub fn tail(&self) -> Tail<'_> {
        if self.is_exact() {
            return Tail::End;
        }
        match self.0.rsplit('/').next().and_then(capture).and_then(|name| name.strip_suffix(REST)) {
            Some(name) => Tail::Open(Some(name)),
            None if self.0.contains('{') => Tail::End,
            None => Tail::Open(None),
        }
    }

    /// Whether it takes a normalised path. The edge finds rules by a tree; this is the meaning of what it finds.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        self.captures(path).is_some()
    }

    /// The names and texts that its captures take of a normalised path; `None` if it does not take the path.
    #[must_use]
    pub fn captures<'a>(&'a self, path: &'a str) -> Option<Vec<(&'a str, &'a str)>> {
        let mut taken = Vec::new();
        let mut rest = path.strip_prefix('/');
        for step in self.steps() {
            let text = rest?;
            let (segment, after) = text.split_once('/').map_or((text, None), |(one, after)| (one, Some(after)));
            match step {
                Step::Literal(literal) if literal == segment => {}
                Step::Capture(name) if !segment.is_empty() => taken.push((name, segment)),
                _ => return None,
            }
            rest = after;
        }
        match (self.tail(), rest) {
            (Tail::End, Some(_)) => return None,
            // `*`, which is no path, is only taken by what takes everything.
            (Tail::Open(Some(name)), rest) => taken.push((name, rest.unwrap_or_default())),
            (Tail::End, None) | (Tail::Open(None), _) => {}
        }
        Some(taken)
    }
}

const REST: &str = "...";

/// The name in a segment such as `{id}` or `{rest...}`.
fn capture(segment: &str) -> Option<&str> {
    segment.strip_prefix('{')?.strip_suffix('}')
}

impl Default for PathRule {
    fn default() -> Self {
        Self::root()
    }
}

impl fmt::Display for PathRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PathRule {
    type Err = InvalidPathRule;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > limits::PATH {
            return Err(InvalidPathRule::TooLong);
        }
        let path = text.strip_prefix('=').unwrap_or(text);
        if !path.starts_with('/') {
            return Err(InvalidPathRule::NoSlash);
        }
        if path.len() < text.len() {
            check_normal(path)?;
            return Ok(Self(text.into()));
        }
        if path.contains(['{', '}']) {
            check_normal(&check_captures(path)?)?;
            return Ok(Self(text.into()));
        }
        check_normal(path)?;
        let trimmed = path.trim_end_matches('/');
        Ok(if trimmed.is_empty() { Self::root() } else { Self(trimmed.into()) })
    }
}

/// By the very function that the edge applies to a request's path: what it would change can never match.
fn check_normal(path: &str) -> Result<(), InvalidPathRule> {
    let mut normal = String::with_capacity(path.len());
    if path.contains(['?', '#']) || mezu_model::path::normalise(path.as_bytes(), &mut normal).is_err() {
        return Err(InvalidPathRule::NotNormal);
    }
    if normal == path { Ok(()) } else { Err(InvalidPathRule::NotNormal) }
}

/// The path with a plain letter in place of each capture.
fn check_captures(path: &str) -> Result<String, InvalidPathRule> {
    let mut names: Vec<&str> = Vec::new();
    let mut plain = String::with_capacity(path.len());
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        plain.push('/');
        if !segment.contains(['{', '}']) {
            plain.push_str(segment);
            continue;
        }
        let name = capture(segment).ok_or(InvalidPathRule::Capture)?;
        let name = match name.strip_suffix(REST) {
            Some(_) if segments.peek().is_some() => return Err(InvalidPathRule::RestNotLast),
            Some(name) => name,
            None => name,
        };
        let mut letters = name.bytes();
        let is_name = letters.next().is_some_and(|first| first.is_ascii_lowercase())
            && letters.all(|one| one.is_ascii_lowercase() || one.is_ascii_digit() || one == b'_');
        if !is_name || name.len() > limits::CAPTURE_NAME {
            return Err(InvalidPathRule::Capture);
        }
        if names.contains(&name) || names.len() == limits::CAPTURES {
            return Err(InvalidPathRule::Captures);
        }
        names.push(name);
        plain.push('x');
    }
    Ok(plain)
}

impl TryFrom<String> for PathRule {
    type Error = InvalidPathRule;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PathRule> for String {
    fn from(path: PathRule) -> Self {
        path.0.into()
    }
}

#[cfg(test)]
mod tests;
