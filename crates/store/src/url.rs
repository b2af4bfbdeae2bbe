//! Where the store is: a file, or a PostgreSQL server.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// A database's place: a path or `sqlite:PATH` for a file, `postgres://user:password@host/database` for a server.
///
/// A server on another machine must show a certificate for its name (`sslmode=verify-full`) unless the URL itself says
/// otherwise; `sslrootcert=FILE` names an authority of one's own. A password is never printed.
#[derive(Clone)]
pub struct StoreUrl(pub(crate) Place);

#[derive(Clone)]
pub(crate) enum Place {
    File(PathBuf),
    Server(Box<PgConnectOptions>),
}

/// Why a text names no database. It never repeats the text, which may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum InvalidStoreUrl {
    #[error("the store's URL is empty; give a file's path, or postgres://user:password@host/database")]
    Empty,
    #[error("the store's URL is of no known kind; give a file's path, or postgres://user:password@host/database")]
    Scheme,
    #[error("the store's URL is not a valid PostgreSQL URL; expected postgres://user:password@host/database")]
    Postgres,
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
}

impl FromStr for StoreUrl {
    type Err = InvalidStoreUrl;

    fn from_str(text: &str) -> Result<Self, InvalidStoreUrl> {
        let (scheme, rest) = text.split_once(':').unwrap_or(("", text));
        match scheme {
            _ if rest.is_empty() => Err(InvalidStoreUrl::Empty),
            "postgres" | "postgresql" => server(text).map(|server| Self(Place::Server(Box::new(server)))),
            "sqlite" => Ok(Self(Place::File(rest.strip_prefix("//").unwrap_or(rest).into()))),
            _ if rest.starts_with("//") => Err(InvalidStoreUrl::Scheme),
            _ => Ok(Self(Place::File(text.into()))),
        }
    }
}

fn server(text: &str) -> Result<PgConnectOptions, InvalidStoreUrl> {
    let options: PgConnectOptions = text.parse().map_err(|_| InvalidStoreUrl::Postgres)?;
    let said = text.contains("sslmode=") || text.contains("ssl-mode=") || std::env::var_os("PGSSLMODE").is_some();
    // The library's own default falls back to plain text when the server, or whoever sits in between, asks for it.
    Ok(if said || is_local(&options) { options } else { options.ssl_mode(PgSslMode::VerifyFull) })
}

fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    let loopback = |text: &str| text.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    options.get_socket().is_some()
        || host == "localhost"
        || host.starts_with('/')
        || loopback(host.trim_start_matches('[').trim_end_matches(']'))
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
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn mode(text: &str) -> PgSslMode {
        match text.parse::<StoreUrl>().unwrap().0 {
            Place::Server(server) => server.get_ssl_mode(),
            Place::File(file) => panic!("{text}: the file {}", file.display()),
        }
    }

    #[test]
    fn paths_and_urls_are_told_apart() {
        for (text, file) in [("db", "db"), ("/a/b.db", "/a/b.db"), ("sqlite:/a/b", "/a/b"), ("sqlite:///a/b", "/a/b")] {
            assert_eq!(text.parse::<StoreUrl>().unwrap().file(), Some(Path::new(file)), "{text}");
        }
        for text in ["", "sqlite:", "mysql://h/d", "http://h"] {
            assert!(text.parse::<StoreUrl>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_distant_server_must_show_who_it_is() {
        assert!(matches!(mode("postgres://u:p@db.example.com/m"), PgSslMode::VerifyFull));
        assert!(matches!(mode("postgres://u:p@db.example.com/m?sslmode=require"), PgSslMode::Require));
        assert!(matches!(mode("postgres://u@127.0.0.1:5433/m"), PgSslMode::Prefer));
        assert!(matches!(mode("postgres://u@localhost/m?host=/run/postgresql"), PgSslMode::Prefer));
    }

    #[test]
    fn no_password_is_ever_printed() {
        let url: StoreUrl = "postgres://ada:open-sesame@db.example.com:5433/m".parse().unwrap();
        assert_eq!(url.to_string(), "postgres://ada@db.example.com:5433/m");
        assert_eq!(format!("{url:?}"), url.to_string());
        let error = "postgres://ada:open-sesame@:x/".parse::<StoreUrl>().unwrap_err();
        assert!(!format!("{error:?} {error}").contains("sesame"), "{error:?}");
    }
}
