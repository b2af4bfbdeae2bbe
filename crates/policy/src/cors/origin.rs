//! Origins as browsers write them (RFC 6454 §6.2).

/// Longest origin, bytes.
pub(super) const MAX: usize = 300;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Exact(Box<[u8]>),
    /// Any one label between these two: `https://` and `.app.example`.
    OneLabel {
        before: Box<[u8]>,
        after: Box<[u8]>,
    },
}

impl Origin {
    pub(super) fn compile(text: &str) -> Result<Self, &'static str> {
        if text == "*" {
            return Err("* for all origins stands alone");
        }
        if text == "null" {
            return Err("every sandboxed page and every local file is of the origin null: it names nobody");
        }
        if text.len() > MAX {
            return Err("at most 300 bytes");
        }
        let Some((scheme, authority)) = text.split_once("://") else {
            return Err("an origin is a scheme and a host, such as https://app.example");
        };
        let lower = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if !scheme.starts_with(|letter: char| letter.is_ascii_lowercase())
            || !scheme.bytes().all(|byte| lower(byte) || b"+-.".contains(&byte))
        {
            return Err("an origin's scheme is written in lower case, such as https");
        }
        let (host, port) = split_port(authority)?;
        if matches!((scheme, port), ("https", Some("443")) | ("http", Some("80"))) {
            return Err("browsers leave the usual port out of an origin");
        }
        let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| lower(byte) || b"-._".contains(&byte));
        if let Some(parent) = host.strip_prefix("*.") {
            if !is_name(parent) || !parent.trim_matches('.').contains('.') {
                return Err("* stands for one label in front of a domain of at least two: https://*.app.example");
            }
            let (before, after) = text.split_once('*').unwrap_or_default();
            return Ok(Self::OneLabel { before: before.as_bytes().into(), after: after.as_bytes().into() });
        }
        let is_v6 = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_v6 = is_v6.is_some_and(|host| host.parse::<std::net::Ipv6Addr>().is_ok());
        if !is_name(host) && !is_v6 {
            return Err(
                "an origin ends with its host and port: no path, no slash, no capitals, no * but a first label",
            );
        }
        Ok(Self::Exact(text.as_bytes().into()))
    }

    pub(super) fn matches(&self, origin: &[u8]) -> bool {
        match self {
            Self::Exact(this) => **this == *origin,
            Self::OneLabel { before, after } => {
                let label = origin.strip_prefix(&**before).and_then(|rest| rest.strip_suffix(&**after));
                label.is_some_and(|label| {
                    let fits = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(byte);
                    !label.is_empty() && label.iter().all(fits)
                })
            }
        }
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<&str>), &'static str> {
    let end = authority.rfind(']').map_or(0, |at| at + 1);
    let Some(colon) = authority.get(end..).and_then(|rest| rest.find(':')) else { return Ok((authority, None)) };
    let (host, port) = authority.split_at(end + colon);
    let port = port.trim_start_matches(':');
    if port.parse::<u16>().is_err() || port.starts_with(['+', '0']) {
        return Err("an origin's port is a number from 1 to 65535");
    }
    Ok((host, Some(port)))
}
