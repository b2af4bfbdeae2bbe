//! Gives the workload another path than the client asked for, and takes that back in what it answers.
//!
//! A prefix of whole segments is taken off, a pattern replaced, a prefix put on, in this order. What comes out is
//! brought to the normal form once more, so that no combination of pieces makes a path with two readings. Redirects and
//! cookies of the workload name its own paths: where the prefixes alone decide, they are mapped back to the client's.
//! The access log, error pages and earlier stages know the path that was asked for. Never touches the query.

use mezu_model::{Headers, known};
use regex::bytes::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::prefix::Prefix;
use crate::{Answer, Invalid, Request, Response, Stage, Verdict};

mod back;

/// Longest pattern and longest replacement, bytes.
const MAX_PATTERN: usize = 512;
/// Most memory of a compiled pattern, and of its cache while it runs, bytes.
const MAX_COMPILED: usize = 256 * 1024;
/// Longest path that comes out, bytes: as long as one that comes in.
const MAX_PATH: usize = 8 * 1024;

/// What becomes of the path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Taken off. A path that does not lie under it is left alone altogether.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strip_prefix: Option<String>,
    /// A regular expression; its first match is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<String>,
    /// In place of the match; `$1` or `${name}` stand for what groups have matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<String>,
    /// Put on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add_prefix: Option<String>,
}

/// The JSON schema of [`Spec`].
#[must_use]
pub fn schema() -> serde_json::Value {
    let text = |title: &str, about: &str| json!({ "title": title, "description": about, "type": "string", "maxLength": MAX_PATTERN });
    json!({
        "title": "Rewrite",
        "description": "Gives the workload another path than the client asked for.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "strip_prefix": text("Take off", "A path prefix, such as /shop."),
            "pattern": text("Pattern", "A regular expression; its first match is replaced."),
            "replacement": text("Replacement", "$1 or ${name} stand for what groups have matched."),
            "add_prefix": text("Put on", "A path prefix, such as /app.")
        }
    })
}

#[derive(Debug)]
pub(crate) struct Rewrite {
    strip: Prefix,
    replace: Option<(Regex, Box<str>)>,
    add: Prefix,
}

pub(crate) fn compile(spec: &Spec) -> Result<Rewrite, Invalid> {
    let prefix = |field: &str, text: &Option<String>| {
        Prefix::compile(&format!("rewrite.{field}"), text.as_deref().unwrap_or("/"))
    };
    let replace = match (&spec.pattern, &spec.replacement) {
        (Some(pattern), Some(replacement)) => Some(compile_pattern(pattern, replacement)?),
        (None, None) => None,
        (Some(_), None) => {
            return Err(Invalid::new("rewrite.replacement", "say what replaces the match; \"\" for nothing"));
        }
        (None, Some(_)) => return Err(Invalid::new("rewrite.pattern", "say what is replaced")),
    };
    if *spec == Spec::default() {
        return Err(Invalid::new("rewrite", "say what becomes of the path, or remove the capability"));
    }
    let (strip, add) = (prefix("strip_prefix", &spec.strip_prefix)?, prefix("add_prefix", &spec.add_prefix)?);
    Ok(Rewrite { strip, replace, add })
}

fn compile_pattern(pattern: &str, replacement: &str) -> Result<(Regex, Box<str>), Invalid> {
    for (field, text) in [("pattern", pattern), ("replacement", replacement)] {
        if text.len() > MAX_PATTERN {
            return Err(Invalid::new(format!("rewrite.{field}"), format!("at most {MAX_PATTERN} bytes")));
        }
    }
    if pattern.is_empty() {
        return Err(Invalid::new("rewrite.pattern", "an empty pattern matches everywhere"));
    }
    if !replacement.bytes().all(|byte| byte.is_ascii_graphic()) || replacement.contains(['?', '#', '\\', ';']) {
        let why = "a replacement is part of a path: visible ASCII without ? # \\ ;";
        return Err(Invalid::new("rewrite.replacement", why));
    }
    // Linear in the path's length whatever the pattern, and bounded in memory. Paths are ASCII.
    let built = RegexBuilder::new(pattern).unicode(false).size_limit(MAX_COMPILED).dfa_size_limit(MAX_COMPILED).build();
    let regex = built.map_err(|error| Invalid::new("rewrite.pattern", error.to_string()))?;
    check_groups(&regex, replacement)?;
    Ok((regex, replacement.into()))
}

/// A group that is not there would silently stand for nothing.
fn check_groups(regex: &Regex, replacement: &str) -> Result<(), Invalid> {
    let wrong = |name: &str| {
        let why = format!("the pattern has no group {name}; write ${{1}}x for group 1 followed by x, $$ for the sign");
        Err(Invalid::new("rewrite.replacement", why))
    };
    let mut rest = replacement;
    while let Some((_, after)) = rest.split_once('$') {
        if let Some(after) = after.strip_prefix('$') {
            rest = after;
            continue;
        }
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let (name, after) = match after.strip_prefix('{').and_then(|after| after.split_once('}')) {
            Some(parts) => parts,
            None => after.split_at(after.find(|letter| !is_name(letter)).unwrap_or(after.len())),
        };
        let known = match name.parse::<usize>() {
            Ok(number) => number < regex.captures_len(),
            Err(_) => regex.capture_names().flatten().any(|known| known == name),
        };
        if !known {
            return wrong(name);
        }
        rest = after;
    }
    Ok(())
}

impl Stage for Rewrite {
    fn name(&self) -> &'static str {
        "rewrite"
    }

    fn request(&self, request: &mut Request<'_>) -> Verdict {
        let Some(rest) = self.strip.rest(&request.head.path) else {
            request.tell(|_| "the path does not lie under the prefix".to_owned());
            return Verdict::Continue;
        };
        let mut raw = std::mem::take(&mut request.scratch);
        self.write(rest, &mut raw);
        let mut path = String::with_capacity(raw.len());
        let is_path = raw.len() <= MAX_PATH && mezu_model::path::normalise(&raw, &mut path).is_ok();
        // Pieces of the client's path must not make the dots that climb out of the prefix.
        let fine = is_path && self.add.rest(&path).is_some();
        request.scratch = raw;
        if !fine {
            request.tell(|_| "what comes out is not a path".to_owned());
            return Verdict::Answer(Answer::PathRefused);
        }
        request.tell(|request| format!("{} becomes {path}", request.head.path));
        if path != request.head.path {
            let asked = std::mem::replace(&mut request.head.path, path);
            request.beside.keep_asked_path(asked);
        }
        Verdict::Continue
    }

    fn response(&self, response: &mut Response<'_>) {
        // What a pattern did cannot be undone.
        if self.replace.is_some() || response.beside.asked_path().is_none() {
            return;
        }
        let map = back::Map { from: &self.add, to: &self.strip, host: &response.request.host };
        map_location(&map, &mut response.head.headers, &mut response.scratch);
        map_cookies(&map, &mut response.head.headers);
    }
}

impl Rewrite {
    fn write(&self, rest: &str, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(self.add.as_str().as_bytes());
        match &self.replace {
            None => out.extend_from_slice(rest.as_bytes()),
            Some((pattern, replacement)) => {
                out.extend_from_slice(&pattern.replacen(rest.as_bytes(), 1, replacement.as_bytes()));
            }
        }
    }
}

fn map_location(map: &back::Map<'_>, headers: &mut Headers, scratch: &mut Vec<u8>) {
    let mapped = headers.find(known::LOCATION).is_some_and(|location| map.location(location, scratch));
    if mapped {
        headers.set_known(known::LOCATION, scratch);
    }
}

fn map_cookies(map: &back::Map<'_>, headers: &mut Headers) {
    if !headers.find_all(known::SET_COOKIE).any(|cookie| map.cookie(cookie).is_some()) {
        return;
    }
    let all: Vec<Vec<u8>> = headers
        .find_all(known::SET_COOKIE)
        .map(|cookie| map.cookie(cookie).unwrap_or_else(|| cookie.to_vec()))
        .collect();
    headers.remove(known::SET_COOKIE);
    for cookie in all {
        headers.push_known(known::SET_COOKIE, &cookie);
    }
}

#[cfg(test)]
mod tests;
