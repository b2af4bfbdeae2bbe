//! Sets, adds and removes header fields of the request to the workload and of its answer.
//!
//! Names that decide framing, that belong to one hop, or that the edge and Warpgate write themselves are refused at
//! compile time: a route cannot forge what the workload is meant to trust. Values may hold the few variables of
//! [`crate::template`], never anything that the client wrote in a header, cookie or query.

use mezu_model::headers::{MAX_NAME, is_value_byte};
use mezu_model::{Headers, Known};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::template::{Template, Values};
use crate::{Invalid, Request, Response, Stage, Verdict};

mod security;

pub use self::security::{Csp, Frames, Referrer, Security};

/// Most operations on one head.
const MAX_OPERATIONS: usize = 32;
/// Longest value before variables are filled in, bytes.
const MAX_VALUE: usize = 4096;

/// What to do to both heads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spec {
    #[serde(skip_serializing_if = "Changes::is_empty")]
    pub request: Changes,
    #[serde(skip_serializing_if = "Changes::is_empty")]
    pub response: Changes,
    #[serde(skip_serializing_if = "Security::is_empty")]
    pub security: Security,
}

/// What to do to one head: first `remove`, then `set`, then `add`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Changes {
    /// Replaces all fields of that name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<Field>,
    /// Adds a field beside those that are there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub add: Vec<Field>,
    /// Removes all fields of that name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Field {
    pub name: String,
    /// May hold variables; `$$` stands for a dollar sign.
    pub value: String,
}

impl Changes {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }
}

/// The JSON schema of [`Spec`].
#[must_use]
pub fn schema() -> serde_json::Value {
    let names = json!({ "title": "Remove", "type": "array", "maxItems": MAX_OPERATIONS, "items": name_schema() });
    let changes = |title: &str| {
        json!({
            "title": title,
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "set": fields_schema("Set, replacing what is there", MAX_OPERATIONS),
                "add": fields_schema("Add beside what is there", MAX_OPERATIONS),
                "remove": names
            }
        })
    };
    json!({
        "title": "Headers",
        "description": "Sets, adds and removes header fields.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "request": changes("Request to the workload"),
            "response": changes("Answer to the client"),
            "security": security::schema()
        }
    })
}

/// The schema of a list of [`Field`]s.
pub(crate) fn fields_schema(title: &str, most: usize) -> serde_json::Value {
    let value = json!({ "title": "Value", "type": "string", "maxLength": MAX_VALUE });
    let field = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["name", "value"],
        "properties": { "name": name_schema(), "value": value }
    });
    json!({ "title": title, "type": "array", "maxItems": most, "items": field })
}

fn name_schema() -> serde_json::Value {
    json!({ "title": "Name", "type": "string", "pattern": "^[A-Za-z0-9-]+$", "maxLength": MAX_NAME })
}

#[derive(Debug)]
pub(crate) struct HeadersStage {
    request: Box<[Operation]>,
    response: Box<[Operation]>,
}

#[derive(Debug)]
struct Operation {
    action: Action,
    /// Lowercase.
    name: Box<[u8]>,
    known: Option<Known>,
}

#[derive(Debug)]
enum Action {
    Remove,
    Set(Template),
    Add(Template),
}

pub(crate) fn compile(spec: &Spec) -> Result<HeadersStage, Invalid> {
    Ok(HeadersStage {
        request: compile_changes("request", &spec.request, Vec::new())?,
        response: compile_changes("response", &spec.response, spec.security.operations()?)?,
    })
}

impl Stage for HeadersStage {
    fn name(&self) -> &'static str {
        "headers"
    }

    fn request(&self, request: &mut Request<'_>) -> Verdict {
        let mut text = std::mem::take(&mut request.scratch);
        for operation in &self.request {
            operation.write(request.values(), &mut text);
            operation.apply(&mut request.head.headers, &text);
        }
        request.scratch = text;
        Verdict::Continue
    }

    fn response(&self, response: &mut Response<'_>) {
        let mut text = std::mem::take(&mut response.scratch);
        for operation in &self.response {
            operation.write(response.values(), &mut text);
            operation.apply(&mut response.head.headers, &text);
        }
        response.scratch = text;
    }
}

impl Operation {
    /// Fills in the variables, if there are any.
    fn write(&self, values: Values<'_>, text: &mut Vec<u8>) {
        match &self.action {
            Action::Set(template) | Action::Add(template) if template.constant().is_none() => {
                template.write(values, text);
            }
            _ => {}
        }
    }

    fn apply(&self, headers: &mut Headers, text: &[u8]) {
        match (&self.action, self.known) {
            (Action::Remove, Some(known)) => drop(headers.remove(known)),
            (Action::Remove, None) => drop(headers.remove_name(&self.name)),
            (Action::Set(template), Some(known)) => headers.set_known(known, value(template, text)),
            (Action::Add(template), Some(known)) => headers.push_known(known, value(template, text)),
            // Name and constant text were checked at compile time, and variables cannot write an invalid value.
            (Action::Set(template), None) => drop(headers.set(&self.name, value(template, text))),
            (Action::Add(template), None) => drop(headers.push(&self.name, value(template, text))),
        }
    }
}

fn value<'a>(template: &'a Template, written: &'a [u8]) -> &'a [u8] {
    template.constant().map_or(written, str::as_bytes)
}

/// `operations` come first.
fn compile_changes(side: &str, changes: &Changes, mut operations: Vec<Operation>) -> Result<Box<[Operation]>, Invalid> {
    let count = changes.set.len() + changes.add.len() + changes.remove.len();
    if count > MAX_OPERATIONS {
        return Err(Invalid::new(format!("headers.{side}"), format!("at most {MAX_OPERATIONS} changes")));
    }
    for (index, name) in changes.remove.iter().enumerate() {
        let at = format!("headers.{side}.remove[{index}]");
        operations.push(operation(&at, name, Action::Remove)?);
    }
    for (index, field) in changes.set.iter().enumerate() {
        let at = format!("headers.{side}.set[{index}]");
        let new = operation(&format!("{at}.name"), &field.name, Action::Set(template(&at, &field.value)?))?;
        if operations.iter().any(|earlier| earlier.name == new.name) {
            return Err(Invalid::new(format!("{at}.name"), "this name is removed or set already"));
        }
        operations.push(new);
    }
    for (index, field) in changes.add.iter().enumerate() {
        let at = format!("headers.{side}.add[{index}]");
        operations.push(operation(&format!("{at}.name"), &field.name, Action::Add(template(&at, &field.value)?))?);
    }
    Ok(operations.into())
}

/// Whether a route may write this field, whose value is plain text.
pub(crate) fn check_field(at: &str, field: &Field) -> Result<(), Invalid> {
    check_name(&format!("{at}.name"), &field.name)?;
    check_value(&format!("{at}.value"), &field.value)
}

fn operation(at: &str, name: &str, action: Action) -> Result<Operation, Invalid> {
    let name = check_name(at, name)?;
    Ok(Operation { action, known: Known::lookup(name.as_bytes()), name: name.into_bytes().into() })
}

/// The name in lowercase, if it is a route's to change.
fn check_name(at: &str, name: &str) -> Result<String, Invalid> {
    let lower = name.to_ascii_lowercase();
    if !mezu_model::headers::is_name(lower.as_bytes()) {
        return Err(Invalid::new(at, format!("a name has 1 to {MAX_NAME} letters, digits and hyphens")));
    }
    if let Some(why) = refusal(&lower) {
        return Err(Invalid::new(at, format!("{lower} cannot be changed: {why}")));
    }
    Ok(lower)
}

fn template(at: &str, text: &str) -> Result<Template, Invalid> {
    let at = format!("{at}.value");
    check_value(&at, text)?;
    Template::compile(text.trim()).map_err(|problem| Invalid::new(at, problem))
}

fn check_value(at: &str, text: &str) -> Result<(), Invalid> {
    if text.len() > MAX_VALUE {
        return Err(Invalid::new(at, format!("at most {MAX_VALUE} bytes")));
    }
    if !text.bytes().all(is_value_byte) {
        return Err(Invalid::new(at, "a value has no control characters and no line breaks"));
    }
    Ok(())
}

/// Why a name is not a route's to change, if so.
fn refusal(name: &str) -> Option<&'static str> {
    match name {
        "content-length" | "transfer-encoding" | "trailer" | "expect" | "host" => Some("it decides framing or routing"),
        "connection" | "keep-alive" | "te" | "upgrade" => Some("it belongs to one connection"),
        "forwarded" | "via" | "x-real-ip" | "x-request-id" | "traceparent" | "tracestate" => {
            Some("it is written by Mezusphere")
        }
        _ if name.starts_with("mezu-") || name.starts_with("x-mezu-") => Some("the name is reserved"),
        _ if name.starts_with("proxy-") => Some("it belongs to one connection"),
        _ if name.starts_with("x-forwarded-") => Some("it is written by Mezusphere"),
        _ if name.starts_with("x-original-") || name.starts_with("x-rewrite-") => {
            Some("workloads take it for the edge's word on the path")
        }
        _ if name.starts_with("sec-websocket-") => Some("it belongs to the WebSocket handshake"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
