//! Where the store is: a file, or a PostgreSQL server.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;

mod server;

/// A database's place: a path or `sqlite:PATH` for a file, `postgres://user:password@host/database` for a server.
///
/// A server on another machine must show a certificate for its name (`sslmode=verify-full`) unless the URL itself says
/// otherwise; `sslrootcert=FILE` names an authority of one's own. What the URL of a server asks for is done or refused,
/// never left out in silence. A password is never printed.
#[derive(Clone)]
pub struct StoreUrl(pub(crate) Place);

#[derive(Clone)]
pub(crate) enum Place {
    File(PathBuf),
    Server(Box<PgConnectOptions>),
}

/// Why a text names no database. It never repeats the text, which may hold a password.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStoreUrl {
    #[error("the store's URL is empty; give a file's path, or postgres://user:password@host/database")]
    Empty,
    #[error("the store's URL is of no known kind; give a file's path, or postgres://user:password@host/database")]
    Scheme,
    #[error(
        "the store's URL is not a valid PostgreSQL URL; expected postgres://user:password@host/database, with \
         characters such as @ / ? # in a password percent-encoded"
    )]
    Postgres,
    #[error("the store's URL names several hosts; give one, or a name that leads to whichever may be written to")]
    Hosts,
    #[error("the store's URL has a parameter that is not known; there are {}", server::PARAMETERS.join(", "))]
    Parameter,
    #[error("{0} is not supported in the store's URL; {1}")]
    Unsupported(&'static str, &'static str),
    #[error("the store's URL says {0} more than once")]
    Twice(&'static str),
    #[error("sslmode must be disable, prefer, require or verify-full, in the store's URL and in PGSSLMODE")]
    Mode,
    #[error(
        "sslrootcert is looked at with sslmode=verify-full only; say that too, or leave out sslrootcert (PGSSLROOTCERT)"
    )]
    RootUnused,
    #[error("a store in a file has no password; leave out the password, or give a URL that begins with postgres://")]
    FileWithPassword,
}

impl StoreUrl {
    /// The file, if it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.0 {
            Place::File(file) => Some(file),
            Place::Server(_) => None,
        }
    }

    /// The same server, with a password that stands in no URL.
    ///
    /// # Errors
    /// When it is a file.
    pub fn with_password(self, password: &str) -> Result<Self, InvalidStoreUrl> {
        match self.0 {
            Place::Server(server) => Ok(Self(Place::Server(Box::new(server.password(password))))),
            Place::File(_) => Err(InvalidStoreUrl::FileWithPassword),
        }
    }
}

impl FromStr for StoreUrl {
    type Err = InvalidStoreUrl;

    fn from_str(text: &str) -> Result<Self, InvalidStoreUrl> {
        let (scheme, rest) = text.split_once(':').unwrap_or(("", text));
        match scheme {
            _ if rest.is_empty() => Err(InvalidStoreUrl::Empty),
            "postgres" | "postgresql" => server::parse(text).map(|server| Self(Place::Server(Box::new(server)))),
            "sqlite" => file(rest.strip_prefix("//").unwrap_or(rest)),
            _ if rest.starts_with("//") => Err(InvalidStoreUrl::Scheme),
            _ => file(text),
        }
    }
}

/// A store in memory would be forgotten, and SQLite takes a name that begins with `file:` for a URL of its own.
fn file(path: &str) -> Result<StoreUrl, InvalidStoreUrl> {
    match path {
        "" => Err(InvalidStoreUrl::Empty),
        _ if path.starts_with(":memory:") || path.starts_with("file:") => Err(InvalidStoreUrl::Scheme),
        _ => Ok(StoreUrl(Place::File(path.into()))),
    }
}

impl From<&Path> for StoreUrl {
    fn from(file: &Path) -> Self {
        Self(Place::File(file.into()))
    }
}

impl From<&PathBuf> for StoreUrl {
    fn from(file: &PathBuf) -> Self {
        Self(Place::File(file.clone()))
    }
}

impl From<&Self> for StoreUrl {
    fn from(url: &Self) -> Self {
        url.clone()
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::File(file) => file.display().fmt(f),
            Place::Server(server) => {
                let host = match server.get_socket() {
                    Some(socket) => socket.display().to_string(),
                    None => format!("{}:{}", server.get_host(), server.get_port()),
                };
                let database = server.get_database().unwrap_or_default();
                write!(f, "postgres://{}@{host}/{database}", server.get_username())
            }
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn paths_and_urls_are_told_apart() {
        for (text, file) in [("db", "db"), ("/a/b.db", "/a/b.db"), ("sqlite:/a/b", "/a/b"), ("sqlite:///a/b", "/a/b")] {
            assert_eq!(text.parse::<StoreUrl>().unwrap().file(), Some(Path::new(file)), "{text}");
        }
        for text in ["", "sqlite:", "sqlite://", "mysql://h/d", "http://h", ":memory:", "sqlite::memory:", "file:a"] {
            assert!(text.parse::<StoreUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn no_password_is_ever_printed() {
        let url: StoreUrl = "postgres://ada:open-sesame@db.example.com:5433/m".parse().unwrap();
        assert_eq!(url.to_string(), "postgres://ada@db.example.com:5433/m");
        assert_eq!(format!("{url:?}"), url.to_string());
        let other = url.with_password("open-sesame").unwrap();
        assert_eq!(format!("{other:?}"), other.to_string());
        // Where a password is not encoded, parts of it end up where other things are expected.
        for text in [
            "postgres://ada:open-sesame@:x/",
            "postgres://ada:open#sesame@h/d",
            "postgres://ada:1?sesame@h/d",
            "postgres://ada:1?sslmode=sesame@h/d",
            "postgres://ada:open/sesame@h/d",
        ] {
            let error = text.parse::<StoreUrl>().unwrap_err();
            assert!(!format!("{error:?} {error}").contains("sesame"), "{error:?}");
        }
    }

    #[test]
    fn a_file_takes_no_password() {
        let file: StoreUrl = "sqlite:db".parse().unwrap();
        assert_eq!(file.with_password("x").unwrap_err(), InvalidStoreUrl::FileWithPassword);
    }
}
