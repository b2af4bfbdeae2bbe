//! Sends a route's requests to several workloads, or gates of one that wear labels, each its share: a canary beside the
//! old version, or blue and green.
//!
//! A visitor stays where he is: by a cookie that names his workload, or by his address where cookies are of no use.
//! Must never send a request to a workload with no weight, whatever a cookie says, nor to one of another organisation:
//! the snapshot's check refuses such a route.

use std::net::IpAddr;
use std::sync::Arc;

use mezu_model::{Aim, GateLabel, WorkloadId, known};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Invalid, Request, Stage, Verdict};

/// Most workloads of a split.
const MAX_TARGETS: usize = 16;
/// Largest weight.
const MAX_WEIGHT: u32 = 10_000;
/// Longest that a visitor stays by cookie, seconds: a year.
const MAX_AGE: u32 = 31_536_000;
const COOKIE: &str = "__Host-mezu-split";

/// The shares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Instead of the route's workload.
    pub to: Vec<Target>,
    #[serde(default)]
    pub sticky: Sticky,
    /// The cookie's name. Routes of one host that split differently need different ones.
    #[serde(default = "usual_cookie")]
    pub cookie: String,
    /// How long a visitor stays by cookie, seconds.
    #[serde(default = "usual_age")]
    pub max_age: u32,
}

/// One workload and its share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    pub workload: WorkloadId,
    /// Only its gates that wear this label. Without: those that wear none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<GateLabel>,
    /// Its share is its part of the sum. 0 gets nothing.
    pub weight: u32,
}

/// What a visitor is known by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sticky {
    /// A cookie; who sends none is assigned anew.
    #[default]
    Cookie,
    /// The IPv4 address, or the first 64 bits of the IPv6 address.
    Address,
}

fn usual_cookie() -> String {
    COOKIE.to_owned()
}

const fn usual_age() -> u32 {
    86_400
}

/// The JSON schema of [`Spec`].
#[must_use]
pub fn schema() -> serde_json::Value {
    json!({
        "title": "Split",
        "description": "Sends requests to several workloads, each its share.",
        "type": "object",
        "additionalProperties": false,
        "required": ["to"],
        "properties": {
            "to": {
                "title": "Workloads",
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_TARGETS,
                "items": {
                    "type": "object",
                    "additionalProperties": false,
                    "required": ["workload", "weight"],
                    "properties": {
                        "workload": { "title": "Workload", "type": "string", "format": "uuid" },
                        "label": {
                            "title": "Label",
                            "description": "Only the workload's gates that wear this label; without, those that wear none.",
                            "type": "string",
                            "maxLength": 63,
                            "examples": ["canary"]
                        },
                        "weight": { "title": "Weight", "type": "integer", "minimum": 0, "maximum": MAX_WEIGHT }
                    }
                }
            },
            "sticky": {
                "title": "A visitor is known by",
                "type": "string",
                "enum": ["cookie", "address"],
                "default": "cookie"
            },
            "cookie": { "title": "Name of the cookie", "type": "string", "maxLength": 128, "default": COOKIE },
            "max_age": {
                "title": "Stays for so many seconds",
                "type": "integer",
                "minimum": 1,
                "maximum": MAX_AGE,
                "default": usual_age()
            }
        }
    })
}

#[derive(Debug)]
pub(crate) struct Split {
    /// Those with a weight, each with the sum of the weights up to it.
    to: Box<[Share]>,
    /// Where they lead, in the same order, if any of them has a label.
    aims: Option<Arc<[Aim]>>,
    total: u64,
    sticky: Sticky,
    cookie: Box<[u8]>,
}

#[derive(Debug)]
struct Share {
    aim: Aim,
    end: u64,
    /// Its name in the cookie.
    token: Box<str>,
    /// The whole `Set-Cookie`.
    cookie: Box<str>,
}

pub(crate) fn compile(spec: &Spec) -> Result<Split, Invalid> {
    if spec.to.is_empty() || spec.to.len() > MAX_TARGETS {
        return Err(Invalid::new("split.to", format!("1 to {MAX_TARGETS} workloads")));
    }
    if !(1..=MAX_AGE).contains(&spec.max_age) {
        return Err(Invalid::new("split.max_age", format!("1 to {MAX_AGE} seconds")));
    }
    let name = crate::cookie::check_name(&spec.cookie).map_err(|why| Invalid::new("split.cookie", why))?;
    let mut to: Vec<Share> = Vec::with_capacity(spec.to.len());
    let mut total = 0;
    for (index, target) in spec.to.iter().enumerate() {
        let at = format!("split.to[{index}]");
        if target.weight > MAX_WEIGHT {
            return Err(Invalid::new(format!("{at}.weight"), format!("at most {MAX_WEIGHT}")));
        }
        let same = |earlier: &Target| (earlier.workload, &earlier.label) == (target.workload, &target.label);
        if spec.to.iter().take(index).any(same) {
            return Err(Invalid::new(format!("{at}.workload"), "this workload has a share already"));
        }
        if target.weight == 0 {
            continue;
        }
        total += u64::from(target.weight);
        let aim = Aim { workload: target.workload, label: target.label.clone() };
        let token = token(&aim);
        let cookie =
            format!("{}={token}; Path=/; Max-Age={}; HttpOnly; Secure; SameSite=Lax", spec.cookie, spec.max_age);
        to.push(Share { aim, end: total, token: token.into(), cookie: cookie.into() });
    }
    if total == 0 {
        return Err(Invalid::new("split.to", "at least one workload has a weight above 0"));
    }
    let labelled = to.iter().any(|share| share.aim.label.is_some());
    let aims = labelled.then(|| to.iter().map(|share| share.aim.clone()).collect());
    Ok(Split { to: to.into(), aims, total, sticky: spec.sticky, cookie: name })
}

/// What names a share in a cookie.
fn token(aim: &Aim) -> String {
    let label = aim.label.as_ref().map_or("", GateLabel::as_str);
    format!("{:016x}", mixed(&[aim.workload.as_bytes(), label.as_bytes()].concat()))
}

impl Stage for Split {
    fn name(&self) -> &'static str {
        "split"
    }

    fn request(&self, request: &mut Request<'_>) -> Verdict {
        if request.label.is_some() {
            request.tell(|_| "the host is for one label, so nothing is dealt out".to_owned());
            return Verdict::Continue;
        }
        let Some(share) = self.share_of(request) else { return Verdict::Continue };
        request.workload = share.aim.workload;
        if share.aim.label.is_some() {
            request.label.clone_from(&share.aim.label);
            request.instead.clone_from(&self.aims);
        }
        request.tell(|_| format!("to {}", share.aim));
        Verdict::Continue
    }
}

impl Split {
    fn share_of(&self, request: &mut Request<'_>) -> Option<&Share> {
        if self.sticky == Sticky::Address {
            return self.at(match request.context.client.ip().to_canonical() {
                IpAddr::V4(address) => mixed(&address.octets()),
                IpAddr::V6(address) => mixed(address.octets().get(..8).unwrap_or_default()),
            });
        }
        let sent = crate::cookie::find(&request.head.headers, &self.cookie);
        let known = sent.and_then(|token| self.to.iter().find(|share| share.token.as_bytes() == token));
        if known.is_some() {
            return known;
        }
        // Every ray is random.
        let share = self.at(mixed(&request.context.ray.0.to_be_bytes()))?;
        request.beside.reply_mut().push_known(known::SET_COOKIE, share.cookie.as_bytes());
        Some(share)
    }

    /// The share at a place that is one of all 64-bit numbers, evenly.
    fn at(&self, place: u64) -> Option<&Share> {
        let place = u64::try_from((u128::from(place) * u128::from(self.total)) >> 64).unwrap_or(0);
        self.to.iter().find(|share| place < share.end)
    }
}

/// The same number for the same bytes on every edge, any number as likely as any other.
pub(crate) fn mixed(bytes: &[u8]) -> u64 {
    let hashed = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    // FNV leaves the upper bits of short inputs alike; this spreads them (the finish of SplitMix64).
    let spread = (hashed ^ (hashed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let spread = (spread ^ (spread >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    spread ^ (spread >> 31)
}

#[cfg(test)]
mod tests;
