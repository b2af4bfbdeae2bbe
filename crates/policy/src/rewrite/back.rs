//! From the workload's paths back to the client's, in redirects and cookies.

use crate::prefix::Prefix;

pub(super) struct Map<'a> {
    /// The workload's prefix.
    pub(super) from: &'a Prefix,
    /// The client's.
    pub(super) to: &'a Prefix,
    /// The host that the client asked for.
    pub(super) host: &'a str,
}

impl Map<'_> {
    /// The client's name for a path of the workload. `None` for one that no client can reach by this route.
    fn path<'p>(&self, path: &'p str) -> Option<(&str, &'p str)> {
        let rest = self.from.rest(path)?;
        // `/shop`, not `/shop/`, for the workload's root: a cookie's path covers what lies under it, and itself.
        Some(if rest == "/" && !self.to.as_str().is_empty() {
            (self.to.as_str(), "")
        } else {
            (self.to.as_str(), rest)
        })
    }

    /// Writes a redirect's target as the client knows it; false if it is to stay as it is.
    pub(super) fn location(&self, location: &[u8], out: &mut Vec<u8>) -> bool {
        let Ok(text) = std::str::from_utf8(location) else { return false };
        let start = self.path_start(text);
        let Some((before, target)) = start.and_then(|start| text.split_at_checked(start)) else { return false };
        let end = target.find(['?', '#']).unwrap_or(target.len());
        let (path, after) = target.split_at(end);
        let Some((prefix, rest)) = self.path(if path.is_empty() { "/" } else { path }) else { return false };
        out.clear();
        let slash = if rest.is_empty() && prefix.is_empty() { "/" } else { "" };
        // A rest that began with two slashes would name a host, had it nothing in front.
        if before.is_empty() && prefix.is_empty() && rest.starts_with("//") {
            return false;
        }
        for piece in [before, prefix, rest, slash, after] {
            out.extend_from_slice(piece.as_bytes());
        }
        true
    }

    /// Where the path begins, in a target on the host that was asked.
    fn path_start(&self, text: &str) -> Option<usize> {
        let authority = if text.starts_with("//") {
            2
        } else if text.starts_with('/') {
            return Some(0);
        } else {
            text.strip_prefix("https://")
                .or_else(|| text.strip_prefix("http://"))
                .map(|rest| text.len() - rest.len())?
        };
        let rest = text.get(authority..)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let host = rest.get(..end)?;
        let name = host.split_once(':').map_or(host, |(name, _)| name);
        name.eq_ignore_ascii_case(self.host).then_some(authority + end)
    }

    /// A cookie with its path as the client knows it; `None` if it is to stay as it is.
    pub(super) fn cookie(&self, cookie: &[u8]) -> Option<Vec<u8>> {
        if is_for_whole_host(cookie) {
            return None;
        }
        let mut out = Vec::with_capacity(cookie.len() + self.to.as_str().len());
        let mut mapped = false;
        for (place, part) in cookie.split(|byte| *byte == b';').enumerate() {
            if place > 0 {
                out.push(b';');
            }
            let path = (place > 0).then(|| path_attribute(part)).flatten();
            match path.and_then(|path| self.path(path)) {
                Some((prefix, rest)) => {
                    out.extend_from_slice(b" Path=");
                    out.extend_from_slice(prefix.as_bytes());
                    out.extend_from_slice(rest.as_bytes());
                    mapped = true;
                }
                None => out.extend_from_slice(part),
            }
        }
        mapped.then_some(out)
    }
}

/// Browsers refuse a cookie with such a name unless its path is `/`.
fn is_for_whole_host(cookie: &[u8]) -> bool {
    const PREFIX: &[u8] = b"__Host-";
    cookie.trim_ascii_start().get(..PREFIX.len()).is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

/// The value of a cookie's `Path` attribute.
fn path_attribute(part: &[u8]) -> Option<&str> {
    let (name, value) = std::str::from_utf8(part).ok()?.split_once('=')?;
    name.trim().eq_ignore_ascii_case("path").then(|| value.trim())
}
