//! Where a workload is. Targets come from the local command line, file or program only; nothing that the edge sends
//! is ever turned into one (threat 24).

use std::{fmt, net::IpAddr, path::PathBuf, str::FromStr};

use crate::in_process::Connector;

/// A place that requests are handed to.
#[derive(Debug, Clone)]
pub enum Target {
    /// HTTP/1.1 in clear.
    Http(Address),
    /// HTTP/1.1 inside TLS.
    Https(Address),
    /// HTTP/2 in clear with prior knowledge, as gRPC servers speak it.
    H2c(Address),
    /// HTTP/1.1 on a unix socket.
    Unix(PathBuf),
    /// Files of a folder.
    Folder(PathBuf),
    /// A server in this process.
    InProcess(Connector),
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A name or an IP address, without brackets.
    pub host: String,
    pub port: u16,
}

/// Why a text is no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTarget {
    #[error("the target is empty; give a port (3000), host:port, http://, https://, h2c://, unix:/path or file:///dir")]
    Empty,
    #[error("«{0}» is no port from 1 to 65535")]
    Port(String),
    #[error("«{0}» has no port; write host:port")]
    NoPort(String),
    #[error("a target is scheme, host and port only; «{0}» has a path, which requests bring themselves")]
    Path(String),
    #[error("a target must not hold a user name or password")]
    UserInfo,
    #[error("the scheme «{0}» is not known; use http, https, h2c, unix or file")]
    Scheme(String),
    #[error("«{0}» is no absolute path")]
    Relative(String),
    #[error("«{0}» is no host name or address")]
    Host(String),
    #[error("{0} is a link-local address, where clouds keep machine secrets; no request is ever sent there")]
    LinkLocal(IpAddr),
}

impl Target {
    /// Whether the workload is reached by HTTP/1.1.
    pub(crate) fn is_h1(&self) -> bool {
        matches!(self, Self::Http(_) | Self::Https(_) | Self::Unix(_) | Self::InProcess(_))
    }

    /// A name for the workload when the user gave none: the folder's name, the host's first label, or none.
    pub fn suggested_name(&self) -> Option<String> {
        let raw = match self {
            Self::Folder(dir) => dir.file_name()?.to_str()?.to_owned(),
            Self::Unix(path) => path.file_stem()?.to_str()?.to_owned(),
            Self::Http(at) | Self::Https(at) | Self::H2c(at) => {
                let first = at.host.split('.').next().unwrap_or_default();
                if is_loopback(&at.host) || at.host.parse::<IpAddr>().is_ok() {
                    return None;
                }
                first.to_owned()
            }
            Self::InProcess(_) => return None,
        };
        as_label(&raw)
    }
}

/// Turns any text into a DNS label, if something of it is left.
pub(crate) fn as_label(raw: &str) -> Option<String> {
    let mapped: String =
        raw.to_ascii_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(63).collect();
    let trimmed = mapped.trim_matches('-');
    (!trimmed.is_empty()).then(|| trimmed.to_owned())
}

pub(crate) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.ends_with(".localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Whether an address is one that no workload may have (threat 24: the clouds' metadata services).
pub(crate) fn is_denied(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_unspecified() || v4.is_broadcast() || v4.is_multicast(),
        IpAddr::V6(v6) => {
            let first = v6.segments().first().copied().unwrap_or_default();
            let ec2 = v6.segments().starts_with(&[0xfd00, 0x0ec2]);
            (first & 0xffc0) == 0xfe80 || ec2 || v6.is_unspecified() || v6.is_multicast()
        }
    }
}

impl FromStr for Target {
    type Err = InvalidTarget;

    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        let text = text.trim();
        if text.is_empty() {
            return Err(InvalidTarget::Empty);
        }
        if let Some(path) = text.strip_prefix("unix:") {
            return absolute(path.strip_prefix("//").unwrap_or(path)).map(Self::Unix);
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return address(text, None).map(Self::Http);
        };
        match scheme.to_ascii_lowercase().as_str() {
            "http" => address(rest, Some(80)).map(Self::Http),
            "https" => address(rest, Some(443)).map(Self::Https),
            "h2c" | "grpc" => address(rest, Some(80)).map(Self::H2c),
            "file" => absolute(rest).map(Self::Folder),
            other => Err(InvalidTarget::Scheme(other.to_owned())),
        }
    }
}

fn absolute(path: &str) -> Result<PathBuf, InvalidTarget> {
    if path.starts_with('/') { Ok(PathBuf::from(path)) } else { Err(InvalidTarget::Relative(path.to_owned())) }
}

fn address(text: &str, default_port: Option<u16>) -> Result<Address, InvalidTarget> {
    let text = text.strip_suffix('/').unwrap_or(text);
    if text.contains('@') {
        return Err(InvalidTarget::UserInfo);
    }
    if text.contains(['/', '?', '#']) {
        return Err(InvalidTarget::Path(text.to_owned()));
    }
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(Address { host: "localhost".to_owned(), port: port(text)? });
    }
    let (host, port_text) = split_port(text);
    let port = match (port_text, default_port) {
        (Some(text), _) => port(text)?,
        (None, Some(default)) => default,
        (None, None) => return Err(InvalidTarget::NoPort(text.to_owned())),
    };
    Ok(Address { host: host_name(host)?, port })
}

/// Splits off `:port`, leaving a bracketed IPv6 address without its brackets.
fn split_port(text: &str) -> (&str, Option<&str>) {
    if let Some((host, after)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, after.strip_prefix(':'));
    }
    match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') => (host, Some(port)),
        _ => (text, None),
    }
}

fn port(text: &str) -> Result<u16, InvalidTarget> {
    match text.parse::<u16>() {
        Ok(port) if port != 0 && !text.starts_with('+') => Ok(port),
        _ => Err(InvalidTarget::Port(text.to_owned())),
    }
}

fn host_name(host: &str) -> Result<String, InvalidTarget> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return if is_denied(ip) { Err(InvalidTarget::LinkLocal(ip)) } else { Ok(ip.to_string()) };
    }
    let good = !host.is_empty()
        && host.len() <= 253
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    if good { Ok(host.to_ascii_lowercase()) } else { Err(InvalidTarget::Host(host.to_owned())) }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(at) => write!(f, "http://{at}"),
            Self::Https(at) => write!(f, "https://{at}"),
            Self::H2c(at) => write!(f, "h2c://{at}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Folder(dir) => write!(f, "file://{}", dir.display()),
            Self::InProcess(_) => f.write_str("in this process"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_spelling_of_a_target() {
        for (text, shown) in [
            ("3000", "http://localhost:3000"),
            ("app.internal:8080", "http://app.internal:8080"),
            ("127.0.0.1:80", "http://127.0.0.1:80"),
            ("[::1]:3000", "http://[::1]:3000"),
            ("http://localhost:5173/", "http://localhost:5173"),
            ("http://localhost", "http://localhost:80"),
            ("https://localhost:8443", "https://localhost:8443"),
            ("HTTPS://Example.Test", "https://example.test:443"),
            ("h2c://127.0.0.1:50051", "h2c://127.0.0.1:50051"),
            ("unix:/run/app.sock", "unix:/run/app.sock"),
            ("unix:///run/app.sock", "unix:/run/app.sock"),
            ("file:///srv/www", "file:///srv/www"),
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_target() {
        for text in [
            "",
            "0",
            "65536",
            "70000",
            "host",
            "host:",
            "host:x",
            "host:+1",
            "http://h:1/path",
            "http://u:p@h:1",
            "ftp://h:1",
            "unix:relative",
            "file://relative",
            "ho st:1",
            "169.254.169.254:80",
            "[fe80::1]:80",
            "[fd00:ec2::254]:80",
            "[::ffff:169.254.169.254]:80",
            "0.0.0.0:80",
            "h:1?x",
            "http://",
        ] {
            assert!(text.parse::<Target>().is_err(), "{text} was taken for a target");
        }
    }

    #[test]
    fn names_are_suggested() {
        let name = |text: &str| text.parse::<Target>().unwrap().suggested_name();
        assert_eq!(name("3000"), None);
        assert_eq!(name("127.0.0.1:3000"), None);
        assert_eq!(name("grafana.lan:3000").as_deref(), Some("grafana"));
        assert_eq!(name("file:///srv/My_Site").as_deref(), Some("my-site"));
        assert_eq!(name("unix:/run/app.sock").as_deref(), Some("app"));
    }
}
