//! What an error looks like: the page, the problem document and the gRPC status.
//!
//! The page is one self-contained file: no script, no image, nothing fetched from anywhere, so that it shows while
//! everything else is down. Its policy header allows its own style sheet and nothing besides.

use bytes::Bytes;
use mezu_model::{Headers, RayId, known};
use serde::Serialize;

use crate::answer::{Blame, Entry, Retry};

/// Where the page of a code is read.
const DOCS: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/errors/");

const PAGE: &str = include_str!("error.html");
const STYLE: &str = include_str!("style.css");
/// The hash is the style sheet's; a test computes it anew.
const POLICY: &str = concat!(
    "default-src 'none'; style-src 'sha256-XLavgBY1pyppoW4ENzNo21wDkI9VeSQEUf9zEIVAFII='; base-uri 'none'; ",
    "form-action 'none'; frame-ancestors 'none'"
);

/// What there is to tell about one failure.
pub(crate) struct Failure<'a> {
    pub(crate) entry: &'static Entry,
    /// The rule that was broken.
    pub(crate) rule: Option<&'static str>,
    pub(crate) ray: RayId,
    pub(crate) host: Option<&'a str>,
}

/// For a person.
pub(crate) fn page(failure: &Failure<'_>, headers: &mut Headers) -> Bytes {
    headers.push_known(known::CONTENT_TYPE, b"text/html; charset=utf-8");
    headers.push_known(known::CONTENT_SECURITY_POLICY, POLICY.as_bytes());
    headers.push_known(known::REFERRER_POLICY, b"no-referrer");
    let mut out = String::with_capacity(PAGE.len() + STYLE.len() + 1024);
    let mut rest = PAGE;
    while let Some((before, (name, after))) =
        rest.split_once("{{").and_then(|(before, tail)| Some((before, tail.split_once("}}")?)))
    {
        out.push_str(before);
        fill(name, failure, &mut out);
        rest = after;
    }
    out.push_str(rest);
    Bytes::from(out)
}

fn fill(name: &str, failure: &Failure<'_>, out: &mut String) {
    let entry = failure.entry;
    match name {
        "style" => out.push_str(STYLE),
        "status" => out.push_str(&entry.status.to_string()),
        "title" => escape(entry.title, out),
        "what" => escape(entry.what, out),
        "rule" => {
            if let Some(rule) = failure.rule {
                out.push_str(" <b>Namely: ");
                escape(rule, out);
                out.push_str("</b>");
            }
        }
        "visitor" => prose(entry.visitor, out),
        "owner" => prose(entry.owner, out),
        "code" => out.push_str(entry.code),
        "ray" => out.push_str(&failure.ray.to_string()),
        "docs" => docs(entry, out),
        "again" if entry.retry != Retry::Never => out.push_str(r#"<p><a class="again" href="">Try again</a></p>"#),
        "host" => {
            if let Some(host) = failure.host {
                out.push_str("<div><dt>Host</dt><dd>");
                escape(host, out);
                out.push_str("</dd></div>");
            }
        }
        "you" | "edge" | "gate" | "site" => out.push_str(reached(name, entry.blame)),
        _ => {}
    }
}

/// How far the request came: the stations before the one to blame are behind it.
fn reached(station: &str, blame: Blame) -> &'static str {
    let place = |station| ["you", "edge", "gate", "site"].iter().position(|name| *name == station);
    let broken = match blame {
        Blame::Client => "you",
        Blame::Ours => "edge",
        Blame::Gate => "gate",
        Blame::Workload => "site",
    };
    match place(station).cmp(&place(broken)) {
        std::cmp::Ordering::Less => "ok",
        std::cmp::Ordering::Equal => "bad\" aria-current=\"step",
        std::cmp::Ordering::Greater => "off",
    }
}

fn escape(text: &str, out: &mut String) {
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
}

/// Our own text, in which a command stands between backticks.
fn prose(text: &str, out: &mut String) {
    for (place, part) in text.split('`').enumerate() {
        let command = place % 2 == 1;
        out.push_str(if command { "<code>" } else { "" });
        escape(part, out);
        out.push_str(if command { "</code>" } else { "" });
    }
}

fn docs(entry: &Entry, out: &mut String) {
    out.push_str(DOCS);
    out.push_str(entry.code);
    out.push_str(".md");
}

/// For a program (RFC 9457).
pub(crate) fn problem(failure: &Failure<'_>, headers: &mut Headers) -> Bytes {
    headers.push_known(known::CONTENT_TYPE, b"application/problem+json");
    let entry = failure.entry;
    let mut kind = String::new();
    docs(entry, &mut kind);
    let document = Problem {
        kind,
        title: entry.title,
        status: entry.status,
        detail: failure.rule.map_or_else(|| entry.what.to_owned(), |rule| format!("{} Namely: {rule}", entry.what)),
        code: entry.code,
        ray: failure.ray.to_string(),
        blame: entry.blame.as_str(),
        retry: entry.retry.as_str(),
        advice: entry.owner,
    };
    let mut body = serde_json::to_vec_pretty(&document).unwrap_or_default();
    body.push(b'\n');
    Bytes::from(body)
}

#[derive(Serialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: String,
    code: &'static str,
    ray: String,
    blame: &'static str,
    retry: &'static str,
    advice: &'static str,
}

/// For gRPC: status and message stand in the head, and there is no body.
pub(crate) fn grpc(failure: &Failure<'_>, headers: &mut Headers) {
    let entry = failure.entry;
    headers.push_known(known::CONTENT_TYPE, b"application/grpc");
    headers.push_known(known::GRPC_STATUS, grpc_status(entry.status).as_bytes());
    let message = format!("{} {}, ray {}", entry.code, entry.title, failure.ray);
    headers.push_known(known::GRPC_MESSAGE, message.as_bytes());
}

/// The mapping that gRPC gives for HTTP statuses, refined where we know more.
const fn grpc_status(status: u16) -> &'static str {
    match status {
        400 | 414 | 417 | 426 | 505 => "13",
        403 => "7",
        404 | 405 => "12",
        408 | 504 => "4",
        413 | 431 => "8",
        499 => "1",
        500 => "13",
        _ => "14",
    }
}

#[cfg(test)]
mod tests;
