//! Answers requests itself: with a fixed answer, or with the edge's own page that says the site is in maintenance.
//!
//! Nothing of the request gets into the answer, and the workload never hears of it.

use bytes::Bytes;
use mezu_model::{Headers, known};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::headers::{self, Field};
use crate::{Answer, Invalid, Reply, Request, Stage, Verdict};

/// Longest body, bytes.
const MAX_BODY: usize = 64 * 1024;
/// Most header fields.
const MAX_HEADERS: usize = 32;
/// Longest wait that is asked for, seconds.
const MAX_RETRY_AFTER: u32 = 7 * 24 * 3600;
/// How long to wait for the end of a maintenance, where nothing else is said.
const MAINTENANCE: u32 = 300;

/// The answer of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    #[serde(default)]
    pub page: Page,
    /// 200 to 599. Not for the maintenance page, which is a 503.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Field>,
    /// Seconds after which it is worth asking again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

/// Whose page it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Page {
    /// What the spec says.
    #[default]
    Own,
    /// The edge's page for maintenance; programs get a problem document.
    Maintenance,
}

/// The JSON schema of [`Spec`].
#[must_use]
pub fn schema() -> serde_json::Value {
    json!({
        "title": "Fixed answer",
        "description": "Answers every request itself, without the workload.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "page": {
                "title": "Page",
                "description": "Your own answer, or the page that says that the site is in maintenance.",
                "type": "string",
                "enum": ["own", "maintenance"],
                "default": "own"
            },
            "status": { "title": "Status", "type": "integer", "minimum": 200, "maximum": 599, "default": 200 },
            "content_type": {
                "title": "Content type",
                "type": "string",
                "maxLength": 256,
                "default": "text/plain; charset=utf-8"
            },
            "body": { "title": "Body", "type": "string", "maxLength": MAX_BODY },
            "headers": headers::fields_schema("Header fields", MAX_HEADERS),
            "retry_after": {
                "title": "Retry after",
                "description": "Seconds after which it is worth asking again.",
                "type": "integer",
                "minimum": 1,
                "maximum": MAX_RETRY_AFTER
            }
        }
    })
}

#[derive(Debug)]
pub(crate) enum Respond {
    Own(Box<Reply>),
    Maintenance { retry_after: u32 },
}

pub(crate) fn compile(spec: &Spec) -> Result<Respond, Invalid> {
    if spec.retry_after.is_some_and(|seconds| seconds == 0 || seconds > MAX_RETRY_AFTER) {
        return Err(Invalid::new("respond.retry_after", format!("1 to {MAX_RETRY_AFTER} seconds")));
    }
    if spec.page == Page::Maintenance {
        let own = [
            ("status", spec.status.is_some()),
            ("content_type", spec.content_type.is_some()),
            ("body", !spec.body.is_empty()),
            ("headers", !spec.headers.is_empty()),
        ];
        if let Some((field, _)) = own.into_iter().find(|(_, said)| *said) {
            return Err(Invalid::new(format!("respond.{field}"), "the maintenance page brings its own"));
        }
        return Ok(Respond::Maintenance { retry_after: spec.retry_after.unwrap_or(MAINTENANCE) });
    }
    let status = spec.status.unwrap_or(200);
    let bodiless = matches!(status, 204 | 205 | 304);
    if !(200..600).contains(&status) {
        return Err(Invalid::new("respond.status", "a final status: 200 to 599"));
    }
    if spec.body.len() > MAX_BODY {
        return Err(Invalid::new("respond.body", format!("at most {MAX_BODY} bytes")));
    }
    if bodiless && !spec.body.is_empty() {
        return Err(Invalid::new("respond.body", format!("an answer with status {status} has no body")));
    }
    let headers = own_headers(spec)?;
    let body = Bytes::copy_from_slice(spec.body.as_bytes());
    Ok(Respond::Own(Box::new(Reply { stage: "respond", status, headers, body })))
}

fn own_headers(spec: &Spec) -> Result<Headers, Invalid> {
    let mut fields = Headers::new();
    if !spec.body.is_empty() {
        let kind = spec.content_type.as_deref().unwrap_or("text/plain; charset=utf-8");
        let at = "respond.content_type";
        if !kind.contains('/') || kind.len() > 256 || !kind.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
        {
            return Err(Invalid::new(at, "a media type such as text/html; charset=utf-8"));
        }
        fields.push_known(known::CONTENT_TYPE, kind.trim().as_bytes());
        // The type is the one that is said, whatever the body looks like.
        fields.push_known(known::X_CONTENT_TYPE_OPTIONS, b"nosniff");
    } else if spec.content_type.is_some() {
        return Err(Invalid::new("respond.content_type", "there is no body to have a type"));
    }
    if let Some(seconds) = spec.retry_after {
        fields.push_known(known::RETRY_AFTER, seconds.to_string().as_bytes());
    }
    if spec.headers.len() > MAX_HEADERS {
        return Err(Invalid::new("respond.headers", format!("at most {MAX_HEADERS} fields")));
    }
    for (index, field) in spec.headers.iter().enumerate() {
        let at = format!("respond.headers[{index}]");
        headers::check_field(&at, field)?;
        let name = field.name.to_ascii_lowercase();
        if matches!(name.as_str(), "content-type" | "retry-after") {
            return Err(Invalid::new(format!("{at}.name"), "this one has a field of its own here"));
        }
        if fields.push(name.as_bytes(), field.value.as_bytes()).is_err() {
            return Err(Invalid::new(at, "not a header field"));
        }
    }
    Ok(fields)
}

impl Stage for Respond {
    fn name(&self) -> &'static str {
        "respond"
    }

    fn request(&self, request: &mut Request<'_>) -> Verdict {
        match self {
            Self::Maintenance { retry_after } => Verdict::Answer(Answer::Maintenance { retry_after: *retry_after }),
            Self::Own(reply) => {
                let mut reply = reply.clone();
                // A success would tell the client that it now speaks to a WebSocket (RFC 8441 §5).
                if request.head.upgrade.is_some() && reply.status < 300 {
                    reply.status = 404;
                }
                Verdict::Reply(reply)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use mezu_model::Upgrade;
    use serde_json::{Value, json};

    use crate::case::{Case, fault, headers, pipeline};
    use crate::{Answer, Stop};

    fn respond(spec: Value) -> Value {
        json!({ "respond": spec })
    }

    #[test]
    fn fixed_answers() {
        let plain = "text/plain; charset=utf-8";
        type Row = (Value, u16, Vec<(&'static str, &'static str)>, &'static str);
        let table: Vec<Row> = vec![
            (json!({}), 200, vec![], ""),
            (json!({ "status": 204 }), 204, vec![], ""),
            (json!({ "body": "hi" }), 200, vec![("content-type", plain), ("x-content-type-options", "nosniff")], "hi"),
            (
                json!({ "status": 410, "content_type": "text/html", "body": "<p>gone", "headers": [{ "name": "X-A", "value": "$1" }] }),
                410,
                vec![("content-type", "text/html"), ("x-content-type-options", "nosniff"), ("x-a", "$1")],
                "<p>gone",
            ),
            (json!({ "status": 503, "retry_after": 60 }), 503, vec![("retry-after", "60")], ""),
        ];
        for (spec, status, fields, body) in table {
            let reply = Case::get("/").reply(&pipeline(respond(spec.clone())));
            assert_eq!((reply.status, &reply.body[..], reply.stage), (status, body.as_bytes(), "respond"), "{spec}");
            assert_eq!(reply.headers, headers(&fields), "{spec}");
        }
    }

    #[test]
    fn a_success_is_no_answer_to_a_websocket() {
        for (status, expected) in [(200, 404), (204, 404), (302, 302), (503, 503)] {
            let mut case = Case::get("/");
            case.head.upgrade = Some(Upgrade::WebSocket);
            assert_eq!(case.reply(&pipeline(respond(json!({ "status": status })))).status, expected);
        }
    }

    #[test]
    fn maintenance_is_a_refusal_with_the_edges_own_page() {
        for (spec, retry_after) in
            [(json!({ "page": "maintenance" }), 300), (json!({ "page": "maintenance", "retry_after": 60 }), 60)]
        {
            let stop = Case::get("/").permit(&pipeline(respond(spec))).map(drop);
            assert_eq!(stop, Err(Stop::Refused(Answer::Maintenance { retry_after })));
        }
    }

    #[test]
    fn wrong_specs_say_where() {
        let field = |name: &str, value: &str| json!([{ "name": name, "value": value }]);
        let table = [
            (json!({ "status": 199 }), "status"),
            (json!({ "status": 101 }), "status"),
            (json!({ "status": 600 }), "status"),
            (json!({ "status": 204, "body": "x" }), "body"),
            (json!({ "body": "x".repeat(super::MAX_BODY + 1) }), "body"),
            (json!({ "body": "x", "content_type": "a/b\r\nx: y" }), "content_type"),
            (json!({ "body": "x", "content_type": "html" }), "content_type"),
            (json!({ "content_type": "text/html" }), "content_type"),
            (json!({ "headers": field("content-type", "a/b") }), "headers[0].name"),
            (json!({ "headers": field("Content-Length", "1") }), "headers[0].name"),
            (json!({ "headers": field("mezu-ray", "1") }), "headers[0].name"),
            (json!({ "headers": field("a b", "1") }), "headers[0].name"),
            (json!({ "headers": field("x-a", "a\nb") }), "headers[0].value"),
            (json!({ "headers": vec![json!({ "name": "x", "value": "y" }); 33] }), "headers"),
            (json!({ "retry_after": 0 }), "retry_after"),
            (json!({ "retry_after": 604_801 }), "retry_after"),
            (json!({ "page": "maintenance", "status": 200 }), "status"),
            (json!({ "page": "maintenance", "body": "x" }), "body"),
        ];
        for (spec, at) in table {
            assert_eq!(fault(respond(spec.clone())), format!("respond.{at}"), "{spec}");
        }
    }
}
