//! The address of an instance's API.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use hyper::Uri;

/// `https://host[:port]`, or `http://` on this machine alone: what is sent there holds a token or a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiUrl {
    pub(super) is_tls: bool,
    /// Without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    authority: String,
}

impl ApiUrl {
    /// What the `Host` field says.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }
}

impl FromStr for ApiUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let uri: Uri = text.parse().map_err(|_| "expected an address such as https://console.example.com")?;
        let is_tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("expected an address that begins with https://".into()),
        };
        let authority = uri.authority().ok_or("a host is missing")?;
        if authority.as_str().contains('@') {
            return Err("no password belongs into an address; see `mezusphere login`".into());
        }
        if uri.path_and_query().is_some_and(|rest| rest.as_str() != "/") {
            return Err("only scheme, host and port belong here, no path".into());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if !is_tls && !is_here {
            let detail = "http:// is for this machine alone, since a token would cross the network in the clear; use \
                          https://, or an SSH tunnel to the admin address";
            return Err(detail.into());
        }
        let port = authority.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
        let authority = authority.as_str().to_ascii_lowercase();
        Ok(Self { is_tls, host, port, authority })
    }
}

impl fmt::Display for ApiUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.is_tls { "https" } else { "http" }, self.authority)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_are_read_and_written_again() {
        for (text, host, port) in [
            ("https://Console.example.com", "console.example.com", 443),
            ("https://console.example.com:8443/", "console.example.com", 8443),
            ("http://localhost:9901", "localhost", 9901),
            ("http://127.0.0.1:9901", "127.0.0.1", 9901),
            ("http://[::1]:9901", "::1", 9901),
        ] {
            let url: ApiUrl = text.parse().unwrap();
            assert_eq!((url.host.as_str(), url.port), (host, port), "{text}");
            assert_eq!(url.to_string().parse(), Ok(url), "{text}");
        }
    }

    #[test]
    fn what_would_tell_a_secret_to_the_network_is_refused() {
        for text in [
            "",
            "console.example.com",
            "ftp://console.example.com",
            "http://console.example.com",
            "http://192.0.2.7:9901",
            "http://localhost.example.com",
            "https://me:secret@console.example.com",
            "https://console.example.com/api",
            "https://console.example.com?a",
        ] {
            assert!(text.parse::<ApiUrl>().is_err(), "{text}");
        }
    }
}
