//! Takes so many requests in a time from each client, or from all together, and refuses the rest.
//!
//! Every limit is a bucket per key (GCRA): it holds a number of requests and fills up again at an even pace, so that
//! nobody can get twice the limit by asking around the end of a minute. Buckets are live state of the route. Whom a
//! request is counted for is the socket's address unless the spec says otherwise; what lacks the header or cookie
//! that it should be counted by, or has it twice, is counted by address, never left out.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use mezu_model::{Header, Headers, Known, known};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::live::{Quota, Taken};
use crate::{Answer, Invalid, Request, Stage, Verdict};

/// Most limits of a route.
const MAX_LIMITS: usize = 4;
/// Longest time of a limit, seconds.
const MAX_PER: u32 = 86_400;
/// Most requests in that time.
const MAX_REQUESTS: u32 = 1_000_000;

/// The limits of a route: a request has to be within each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    pub limits: Vec<Limit>,
    /// Counts and tells, and refuses nothing.
    #[serde(default)]
    pub dry_run: bool,
    /// Whether answers say what is left (`RateLimit`, `RateLimit-Policy`).
    #[serde(default = "yes")]
    pub announce: bool,
}

/// One limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Under which it is told of, and counted: another name begins anew.
    #[serde(default = "usual_name")]
    pub name: String,
    pub requests: u32,
    /// In how many seconds.
    pub per: u32,
    /// How many of them may come at once; all of them if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    #[serde(default)]
    pub key: Key,
    /// Of the header or cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_name: Option<String>,
}

/// Whom requests are counted for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    /// The client's IPv4 address, or the first 64 bits of its IPv6 address, which one household or server has whole.
    #[default]
    Address,
    /// A header field's value, such as an API key.
    Header,
    Cookie,
    /// All requests of the route together.
    Route,
}

const fn yes() -> bool {
    true
}

fn usual_name() -> String {
    "default".to_owned()
}

/// The JSON schema of [`Spec`].
#[must_use]
pub fn schema() -> serde_json::Value {
    let number = |title: &str, most: u32| json!({ "title": title, "type": "integer", "minimum": 1, "maximum": most });
    json!({
        "title": "Rate limit",
        "description": "Takes so many requests in a time, and refuses the rest with 429.",
        "type": "object",
        "additionalProperties": false,
        "required": ["limits"],
        "properties": {
            "limits": {
                "title": "Limits",
                "description": "A request has to be within each of them.",
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_LIMITS,
                "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["requests", "per"],
                    "properties": {
                        "name": {
                            "title": "Name", "type": "string", "pattern": "^[a-z0-9_-]{1,32}$", "default": usual_name()
                        },
                        "requests": number("Requests", MAX_REQUESTS),
                        "per": number("In so many seconds", MAX_PER),
                        "burst": number("At once, at most", MAX_REQUESTS),
                        "key": {
                            "title": "Counted by",
                            "type": "string",
                            "enum": ["address", "header", "cookie", "route"],
                            "default": "address"
                        },
                        "key_name": { "title": "Name of the header or cookie", "type": "string", "maxLength": 256 }
                    }
                }
            },
            "dry_run": {
                "title": "Dry run",
                "description": "Counts and tells, and refuses nothing.",
                "type": "boolean",
                "default": false
            },
            "announce": {
                "title": "Announce",
                "description": "Answers say what is left.",
                "type": "boolean",
                "default": true
            }
        }
    })
}

#[derive(Debug)]
pub(crate) struct RateLimit {
    limits: Box<[CompiledLimit]>,
    dry_run: bool,
    /// The value of `RateLimit-Policy`.
    policy: Option<Box<str>>,
}

#[derive(Debug)]
struct CompiledLimit {
    name: Box<str>,
    quota: Quota,
    by: By,
}

#[derive(Debug)]
enum By {
    Address,
    Route,
    Header { known: Option<Known>, name: Box<[u8]> },
    Cookie(Box<[u8]>),
}

/// What is hashed: the parts cannot be mistaken for one another.
#[derive(Hash)]
enum Who<'a> {
    V4(u32),
    /// The first 64 bits.
    V6(u64),
    Value(&'a [u8]),
    All,
}

pub(crate) fn compile(spec: &Spec) -> Result<RateLimit, Invalid> {
    if spec.limits.is_empty() || spec.limits.len() > MAX_LIMITS {
        return Err(Invalid::new("rate_limit.limits", format!("1 to {MAX_LIMITS} limits")));
    }
    let mut limits: Vec<CompiledLimit> = Vec::with_capacity(spec.limits.len());
    let mut policy = String::new();
    for (index, limit) in spec.limits.iter().enumerate() {
        let at = format!("rate_limit.limits[{index}]");
        let new = compile_limit(&at, limit)?;
        if limits.iter().any(|earlier| earlier.name == new.name) {
            return Err(Invalid::new(
                format!("{at}.name"),
                "another limit has this name: each is counted under its own",
            ));
        }
        limits.push(new);
        let comma = if index == 0 { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(policy, "{comma}\"{}\";q={};w={}", limit.name, limit.requests, limit.per);
    }
    let policy = (spec.announce && !spec.dry_run).then(|| policy.into());
    Ok(RateLimit { limits: limits.into(), dry_run: spec.dry_run, policy })
}

fn compile_limit(at: &str, limit: &Limit) -> Result<CompiledLimit, Invalid> {
    let wrong = |field: &str, problem: String| Invalid::new(format!("{at}.{field}"), problem);
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    if limit.name.is_empty() || limit.name.len() > 32 || !limit.name.bytes().all(fits) {
        return Err(wrong("name", "1 to 32 of a-z, 0-9, _ and -".to_owned()));
    }
    let burst = limit.burst.unwrap_or(limit.requests);
    if !(1..=MAX_REQUESTS).contains(&limit.requests) {
        return Err(wrong("requests", format!("1 to {MAX_REQUESTS}; to take none, use ip_access or respond")));
    }
    if !(1..=MAX_PER).contains(&limit.per) {
        return Err(wrong("per", format!("1 to {MAX_PER} seconds")));
    }
    if !(1..=limit.requests).contains(&burst) {
        return Err(wrong("burst", "1 to the number of requests".to_owned()));
    }
    let by = match (limit.key, &limit.key_name) {
        (Key::Address, None) => By::Address,
        (Key::Route, None) => By::Route,
        (Key::Address | Key::Route, Some(_)) => {
            return Err(wrong("key_name", "only a header or a cookie has a name".to_owned()));
        }
        (Key::Header | Key::Cookie, None) => {
            return Err(wrong("key_name", "say which header or cookie".to_owned()));
        }
        (Key::Header, Some(name)) => {
            let name = name.to_ascii_lowercase();
            if !mezu_model::headers::is_name(name.as_bytes()) {
                return Err(wrong("key_name", "a header's name: letters, digits and hyphens".to_owned()));
            }
            By::Header { known: Known::lookup(name.as_bytes()), name: name.into_bytes().into() }
        }
        (Key::Cookie, Some(name)) => By::Cookie(crate::cookie::check_name(name).map_err(|why| wrong("key_name", why))?),
    };
    let quota = Quota::new(limit.requests, Duration::from_secs(limit.per.into()), burst);
    Ok(CompiledLimit { name: limit.name.as_str().into(), quota, by })
}

impl Stage for RateLimit {
    fn name(&self) -> &'static str {
        "rate_limit"
    }

    fn keeps_state(&self) -> bool {
        true
    }

    fn request(&self, request: &mut Request<'_>) -> Verdict {
        let mut tightest: Option<(&CompiledLimit, Taken)> = None;
        for limit in &self.limits {
            let who = limit.by.who(&request.head.headers, request.context.client.ip());
            let taken = request.live.take(&(&*limit.name, who), request.now, limit.quota, request.is_trial());
            if tightest.is_none_or(|(_, other)| (taken.granted, taken.left) < (other.granted, other.left)) {
                tightest = Some((limit, taken));
            }
            if !taken.granted {
                break;
            }
        }
        // There is at least one limit.
        let Some((limit, taken)) = tightest else { return Verdict::Continue };
        request.tell(|_| match taken.granted {
            true => format!("{} left of \"{}\"", taken.left, limit.name),
            false => format!("nothing left of \"{}\" for {} s", limit.name, seconds(taken.wait)),
        });
        if let Some(policy) = &self.policy {
            let left = &mut request.scratch;
            left.clear();
            left.reserve(64);
            limit.write(taken, left);
            let reply = request.beside.reply_mut();
            reply.reserve(policy.len() + left.len(), 2);
            reply.push_known(known::RATELIMIT_POLICY, policy.as_bytes());
            reply.push_known(known::RATELIMIT, left);
        }
        match (taken.granted, self.dry_run) {
            (true, _) => Verdict::Continue,
            (false, true) => {
                request.beside.note_refusal("rate_limit");
                Verdict::Continue
            }
            (false, false) => Verdict::Answer(Answer::RateLimited { retry_after: seconds(taken.wait) }),
        }
    }
}

impl CompiledLimit {
    /// The value of `RateLimit`.
    fn write(&self, taken: Taken, out: &mut Vec<u8>) {
        out.push(b'"');
        out.extend_from_slice(self.name.as_bytes());
        out.extend_from_slice(b"\";r=");
        push_decimal(taken.left, out);
        out.extend_from_slice(b";t=");
        push_decimal(seconds(taken.wait).into(), out);
    }
}

/// Every answer has two of these; formatting them in the usual way costs more than all the rest.
fn push_decimal(mut number: u64, out: &mut Vec<u8>) {
    let start = out.len();
    loop {
        out.push(b'0' + u8::try_from(number % 10).unwrap_or(0));
        number /= 10;
        if number == 0 {
            break;
        }
    }
    if let Some(digits) = out.get_mut(start..) {
        digits.reverse();
    }
}

/// Rounded up, so that whoever waits so long has waited long enough.
fn seconds(wait: Duration) -> u32 {
    let up = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    u32::try_from(up).unwrap_or(u32::MAX)
}

impl By {
    fn who<'a>(&'a self, headers: &'a Headers, address: IpAddr) -> Who<'a> {
        let value = match self {
            Self::Address => None,
            Self::Route => return Who::All,
            Self::Header { known, name } => {
                let named = |field: &Header<'_>| field.known == *known && (known.is_some() || *field.name == **name);
                only(headers.iter().filter(named).map(|field| field.value))
            }
            Self::Cookie(name) => only(crate::cookie::find_all(headers, name)),
        };
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            return Who::Value(value);
        }
        match address.to_canonical() {
            IpAddr::V4(address) => Who::V4(address.into()),
            IpAddr::V6(address) => Who::V6((u128::from(address) >> 64) as u64),
        }
    }
}

/// What stands once. Of two values the workload may believe the one that the other was not counted by.
fn only<'a>(mut values: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests;
