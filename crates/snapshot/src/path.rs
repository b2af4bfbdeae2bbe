//! The path prefix of a route.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits;

/// A path such as `/` or `/api/v1`, in the one normalised form in which requests are matched, without a slash at its
/// end. It matches whole segments: `/api` matches `/api` and `/api/x`, never `/apix`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PathPrefix(Box<str>);

/// Why a text is no path prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPathPrefix {
    #[error("a path prefix starts with \"/\"")]
    NoSlash,
    #[error("a path prefix is at most {} bytes long", limits::PATH)]
    TooLong,
    #[error("a path prefix has no query, no fragment, no dot segments and only characters that need no normalising")]
    NotNormal,
}

impl PathPrefix {
    /// `/`, which matches every path.
    #[must_use]
    pub fn root() -> Self {
        Self("/".into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a normalised path lies under this prefix.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        if &*self.0 == "/" {
            return true;
        }
        path.strip_prefix(&*self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl Default for PathPrefix {
    fn default() -> Self {
        Self::root()
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PathPrefix {
    type Err = InvalidPathPrefix;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.starts_with('/') {
            return Err(InvalidPathPrefix::NoSlash);
        }
        if text.len() > limits::PATH {
            return Err(InvalidPathPrefix::TooLong);
        }
        if text.contains(['?', '#']) {
            return Err(InvalidPathPrefix::NotNormal);
        }
        // The very function that the edge applies to a request's path: what it would change can never match.
        let mut normal = String::with_capacity(text.len());
        mezu_model::path::normalise(text.as_bytes(), &mut normal).map_err(|_| InvalidPathPrefix::NotNormal)?;
        if normal != text {
            return Err(InvalidPathPrefix::NotNormal);
        }
        let trimmed = normal.trim_end_matches('/');
        Ok(if trimmed.is_empty() { Self::root() } else { Self(trimmed.into()) })
    }
}

impl TryFrom<String> for PathPrefix {
    type Error = InvalidPathPrefix;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PathPrefix> for String {
    fn from(path: PathPrefix) -> Self {
        path.0.into()
    }
}
