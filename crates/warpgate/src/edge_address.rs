//! Where the edge is.

use std::{fmt, net::IpAddr, str::FromStr};

/// Host and port of an edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeAddress {
    /// A DNS name or an IP address, without brackets, lowercase. The edge's certificate must cover it.
    pub host: String,
    pub port: u16,
}

/// Why a text is no edge.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("«{0}» is no edge; write host or host:port, such as edge.example.com:443")]
pub struct InvalidEdge(String);

impl FromStr for EdgeAddress {
    type Err = InvalidEdge;

    fn from_str(text: &str) -> Result<Self, InvalidEdge> {
        let invalid = || InvalidEdge(text.to_owned());
        let trimmed = text.trim();
        let bare = trimmed.strip_prefix("https://").unwrap_or(trimmed).trim_end_matches('/');
        let (host, port) = match bare.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, "")) => (host, None),
            Some((host, after)) => (host, Some(after.strip_prefix(':').ok_or_else(invalid)?)),
            None if bare.parse::<IpAddr>().is_ok() => (bare, None),
            None => match bare.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (bare, None),
            },
        };
        let port = match port {
            None => 443,
            Some(port) => port.parse().ok().filter(|p| *p != 0).ok_or_else(invalid)?,
        };
        let name = |host: &str| host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'));
        let good = !host.is_empty() && host.len() <= 253 && (name(host) || host.parse::<IpAddr>().is_ok());
        if good { Ok(Self { host: host.to_ascii_lowercase(), port }) } else { Err(invalid()) }
    }
}

impl fmt::Display for EdgeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn spellings() {
        for (text, shown) in [
            ("edge.test", "edge.test:443"),
            ("Edge.Test:8443", "edge.test:8443"),
            ("https://edge.test:8443/", "edge.test:8443"),
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("[::1]:8443", "[::1]:8443"),
            ("::1", "[::1]:443"),
        ] {
            assert_eq!(text.parse::<EdgeAddress>().unwrap().to_string(), shown);
        }
        for text in ["", ":443", "edge:0", "edge:x", "http://edge", "a/b", "e dge", "[::1]8443"] {
            assert!(text.parse::<EdgeAddress>().is_err(), "{text}");
        }
    }
}
