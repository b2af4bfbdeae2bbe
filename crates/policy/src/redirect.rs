//! Sends requests elsewhere: to another host, another path, or both.
//!
//! Where to is the route's to say. Of what the client wrote only the path, in its normal form, and the query get into
//! the target, and only behind a host that the configuration fixes: a redirect can never be made to lead to a host of
//! the client's choice. A request that is already where it would be sent passes on instead of going round.

use mezu_model::{Headers, Hostname, known};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::prefix::Prefix;
use crate::template::{Template, Values, Variable, Variables};
use crate::{Invalid, Reply, Request, Stage, Verdict};

/// Longest target before variables are filled in, bytes.
const MAX_TARGET: usize = 2048;
/// Variables of a target. All that a client can write into it is the path.
const VARIABLES: Variables = &[
    ("host", Variable::Host),
    ("host.bare", Variable::HostBare),
    ("path", Variable::Path),
    ("path.rest", Variable::PathRest),
    ("port", Variable::Port),
];

/// Where to, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// 301, 302, 303, 307 or 308.
    #[serde(default = "permanent")]
    pub status: u16,
    /// A path on the same host, or a whole URL; may hold variables.
    pub to: String,
    /// What `${path.rest}` leaves out of the path. A request outside of it keeps its whole path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strip_prefix: Option<String>,
    #[serde(default)]
    pub query: Query,
}

/// What becomes of the query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Query {
    #[default]
    Keep,
    Drop,
}

const fn permanent() -> u16 {
    308
}

/// The JSON schema of [`Spec`].
#[must_use]
pub fn schema() -> serde_json::Value {
    json!({
        "title": "Redirect",
        "description": "Sends requests to another host or path.",
        "type": "object",
        "additionalProperties": false,
        "required": ["to"],
        "properties": {
            "status": {
                "title": "Status",
                "description": "308 and 307 keep method and body; 301, 302 and 303 turn POST into GET. 301 and 308 are for good.",
                "type": "integer",
                "enum": [301, 302, 303, 307, 308],
                "default": 308
            },
            "to": {
                "title": "To",
                "description": "A path, or a URL. ${host}, ${host.bare}, ${port}, ${path} and ${path.rest} are filled in.",
                "type": "string",
                "maxLength": MAX_TARGET
            },
            "strip_prefix": {
                "title": "Prefix left out of ${path.rest}",
                "type": "string",
                "pattern": "^/"
            },
            "query": { "title": "Query", "type": "string", "enum": ["keep", "drop"], "default": "keep" }
        }
    })
}

#[derive(Debug)]
pub(crate) struct Redirect {
    status: u16,
    to: Template,
    strip: Option<Prefix>,
    keep_query: bool,
}

pub(crate) fn compile(spec: &Spec) -> Result<Redirect, Invalid> {
    if ![301, 302, 303, 307, 308].contains(&spec.status) {
        return Err(Invalid::new("redirect.status", "one of 301, 302, 303, 307 and 308"));
    }
    let to = |problem: String| Invalid::new("redirect.to", problem);
    check_target(&spec.to).map_err(|problem| to(problem.to_owned()))?;
    let template = Template::compile_with(VARIABLES, &spec.to).map_err(to)?;
    if leads_back(&spec.to) {
        return Err(to("this leads every request to where it came from: name another host or path".to_owned()));
    }
    let strip = spec.strip_prefix.as_deref().map(|text| Prefix::compile("redirect.strip_prefix", text)).transpose()?;
    if strip.is_some() != spec.to.contains("${path.rest}") {
        return Err(Invalid::new("redirect.strip_prefix", "goes together with ${path.rest} in the target"));
    }
    Ok(Redirect { status: spec.status, to: template, strip, keep_query: spec.query == Query::Keep })
}

impl Stage for Redirect {
    fn name(&self) -> &'static str {
        "redirect"
    }

    fn request(&self, request: &mut Request<'_>) -> Verdict {
        let path = request.head.path.as_str();
        // `OPTIONS *` asks about a server, not about anything that could be elsewhere.
        if path == "*" {
            return Verdict::Continue;
        }
        let mut location = std::mem::take(&mut request.scratch);
        let rest = self.strip.as_ref().and_then(|prefix| prefix.rest(path)).unwrap_or(path);
        self.to.write(Values { rest, ..request.values() }, &mut location);
        if is_here(request, &location) {
            request.tell(|_| "the request is where it would be sent".to_owned());
            request.scratch = location;
            return Verdict::Continue;
        }
        if let Some(query) = request.head.query.as_deref().filter(|query| self.keep_query && !query.is_empty()) {
            location.push(if location.contains(&b'?') { b'&' } else { b'?' });
            location.extend_from_slice(query.as_bytes());
        }
        request.tell(|_| format!("{} to {}", self.status, String::from_utf8_lossy(&location)));
        let mut headers = Headers::new();
        headers.push_known(known::LOCATION, &location);
        headers.push_known(known::CACHE_CONTROL, self.cache());
        Verdict::Reply(Box::new(Reply { stage: "redirect", status: self.status, headers, body: bytes::Bytes::new() }))
    }
}

impl Redirect {
    /// Browsers keep permanent redirects for as long as they like, unless told: a mistake must be mendable.
    const fn cache(&self) -> &'static [u8] {
        match self.status {
            301 | 308 => b"max-age=3600",
            _ => b"no-store",
        }
    }
}

/// Whether a target, its query aside, names the very place that was asked for.
fn is_here(request: &Request<'_>, location: &[u8]) -> bool {
    let target = location.split(|byte| *byte == b'?').next().unwrap_or_default();
    let path = match target.strip_prefix(b"https://") {
        Some(rest) => {
            let end = rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len());
            let (authority, path) = rest.split_at(end);
            let host = request.head.host.as_bytes();
            let port = authority.strip_prefix(host);
            let here = port.is_some_and(|port| match port.strip_prefix(b":") {
                Some(port) => port == request.context.port.to_string().as_bytes(),
                None => port.is_empty() && request.context.port == 443,
            });
            if !here {
                return false;
            }
            if path.is_empty() { b"/" } else { path }
        }
        None => target,
    };
    path == request.head.path.as_bytes()
}

/// Whether it is plain to see that a target is the address that was asked for.
fn leads_back(to: &str) -> bool {
    matches!(to, "${path}" | "https://${host}${port}${path}" | "https://${host}${path}")
}

/// Only a path or a URL whose host the configuration fixes, written as a browser would.
fn check_target(to: &str) -> Result<(), &'static str> {
    if to.len() > MAX_TARGET {
        return Err("at most 2048 bytes");
    }
    if !to.bytes().all(|byte| byte.is_ascii_graphic()) || to.contains(['\\', '#', '"', '<', '>', '`', '^', '|']) {
        return Err(
            "a target is written with visible ASCII only, and has no fragment: percent-encode other characters",
        );
    }
    // What stands for a path begins with a slash, and with one only.
    let plain = to.replace("${path.rest}", "/p").replace("${path}", "/p");
    let Some((scheme, rest)) = plain.split_once("://") else {
        let path = plain.starts_with('/') && !plain.starts_with("//") && !plain.starts_with("/$");
        return if path { Ok(()) } else { Err("a target begins with https://, http:// or one slash") };
    };
    if scheme != "https" && scheme != "http" {
        return Err("a target begins with https://, http:// or one slash");
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let authority = rest.get(..end).unwrap_or_default();
    let authority = authority.replace("${host.bare}", "h.test").replace("${host}", "h.test").replace("${port}", ":443");
    let (host, port) = authority.split_once(':').unwrap_or((&authority, "443"));
    if host.parse::<Hostname>().is_err() || host.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err("the host of a target is a hostname in lower case, which may hold ${host} or ${host.bare}");
    }
    if port.parse::<u16>().is_err() || port.starts_with(['+', '0']) {
        return Err("the port of a target is a number from 1 to 65535");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
