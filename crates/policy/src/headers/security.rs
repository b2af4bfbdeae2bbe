//! Presets of answers that keep browsers from doing what most sites never want.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Action, Operation, operation};
use crate::Invalid;
use crate::template::Template;

/// Longest time that browsers are told to insist on HTTPS, seconds: two years.
const MAX_HSTS: u32 = 63_072_000;

/// What is switched on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Security {
    /// For how many seconds browsers are to use HTTPS only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hsts: Option<u32>,
    /// The same for all names below this one.
    pub hsts_subdomains: bool,
    /// Bodies are what `Content-Type` says.
    pub nosniff: bool,
    /// Who may show the site in a frame.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frames: Option<Frames>,
    /// What other sites are told of where a visitor came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub referrer: Option<Referrer>,
    /// What pages may load and run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csp: Option<Csp>,
    /// Nobody is told what software answers.
    pub hide_software: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Frames {
    Deny,
    SameOrigin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Referrer {
    /// Nothing at all.
    None,
    /// Everything to the site itself, nothing to others.
    SameOrigin,
    /// Others learn the site's name, and over plain HTTP not even that.
    StrictOrigin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Csp {
    /// Only what comes from the site itself; no inline scripts or styles, no plugins.
    Strict,
}

pub(super) fn schema() -> serde_json::Value {
    let on = |title: &str| json!({ "title": title, "type": "boolean", "default": false });
    json!({
        "title": "Security presets",
        "description": "For answers to the client.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "hsts": {
                "title": "HTTPS only, for so many seconds",
                "type": "integer",
                "minimum": 1,
                "maximum": MAX_HSTS
            },
            "hsts_subdomains": on("HTTPS only below this name too"),
            "nosniff": on("Bodies are what Content-Type says"),
            "frames": { "title": "Frames", "type": "string", "enum": ["deny", "same_origin"] },
            "referrer": {
                "title": "Referrer told to other sites",
                "type": "string",
                "enum": ["none", "same_origin", "strict_origin"]
            },
            "csp": { "title": "Content security policy", "type": "string", "enum": ["strict"] },
            "hide_software": on("Remove Server and X-Powered-By")
        }
    })
}

impl Security {
    /// Whether nothing is switched on.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn operations(&self) -> Result<Vec<Operation>, Invalid> {
        let mut all = Vec::new();
        if self.hide_software {
            all.push(("server", Action::Remove));
            all.push(("x-powered-by", Action::Remove));
        }
        match self.hsts {
            Some(seconds) if (1..=MAX_HSTS).contains(&seconds) => {
                let below = if self.hsts_subdomains { "; includeSubDomains" } else { "" };
                all.push(("strict-transport-security", set(&format!("max-age={seconds}{below}"))?));
            }
            Some(_) => return Err(Invalid::new("headers.security.hsts", format!("1 to {MAX_HSTS} seconds"))),
            None if self.hsts_subdomains => {
                return Err(Invalid::new("headers.security.hsts_subdomains", "goes together with hsts"));
            }
            None => {}
        }
        if self.nosniff {
            all.push(("x-content-type-options", set("nosniff")?));
        }
        if let Some(frames) = self.frames {
            all.push(("x-frame-options", set(if frames == Frames::Deny { "DENY" } else { "SAMEORIGIN" })?));
        }
        if let Some(referrer) = self.referrer {
            let policy = match referrer {
                Referrer::None => "no-referrer",
                Referrer::SameOrigin => "same-origin",
                Referrer::StrictOrigin => "strict-origin-when-cross-origin",
            };
            all.push(("referrer-policy", set(policy)?));
        }
        if self.csp == Some(Csp::Strict) {
            let frames = if self.frames == Some(Frames::SameOrigin) { "'self'" } else { "'none'" };
            let policy = format!(
                "default-src 'self'; base-uri 'none'; object-src 'none'; form-action 'self'; frame-ancestors {frames}"
            );
            all.push(("content-security-policy", set(&policy)?));
        }
        all.into_iter().map(|(name, action)| operation("headers.security", name, action)).collect()
    }
}

fn set(value: &str) -> Result<Action, Invalid> {
    Template::compile(value).map(Action::Set).map_err(|problem| Invalid::new("headers.security", problem))
}
