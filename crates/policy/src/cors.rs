//! Tells browsers which other sites' pages may use a route (Fetch §3.2).
//!
//! Preflights are answered here, before anything that could refuse them: they carry no credentials, so a stage behind
//! this one would have nothing to judge by. What a page may read goes on every answer, refusals of the edge too, and
//! replaces whatever the workload says of it. CORS protects users, not workloads: a request from a strange origin is
//! passed on, and only its answer stays unread. Credentials never go together with an origin that was not named.

use mezu_model::{Headers, Method, known};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Answer, Invalid, Reply, Request, Response, Stage, Verdict};

mod alone;
mod origin;

use self::origin::Origin;

pub(crate) use self::alone::check as check_alone;

/// Most entries in each list.
const MAX_LIST: usize = 128;
/// Longest time that a browser may keep a preflight's answer, seconds.
const MAX_AGE: u32 = 86_400;

/// Who may ask, and what for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// `https://app.example`, `https://*.app.example` for one label, or `*` alone for all.
    pub origins: Vec<String>,
    /// Beside GET, HEAD and POST, which need no permission. `*` alone for all.
    #[serde(default = "usual_methods")]
    pub methods: Vec<String>,
    /// Header fields that a page may send. `*` alone for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// Header fields of answers that a page may read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expose: Vec<String>,
    /// Whether cookies may go along.
    #[serde(default)]
    pub credentials: bool,
    /// How long a browser may keep the answer to a preflight, seconds.
    #[serde(default = "usual_age")]
    pub max_age: u32,
    /// Whether public pages may ask although this host has a private address.
    #[serde(default)]
    pub private_network: bool,
}

fn usual_methods() -> Vec<String> {
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"].map(str::to_owned).into()
}

const fn usual_age() -> u32 {
    600
}

/// The JSON schema of [`Spec`].
#[must_use]
pub fn schema() -> serde_json::Value {
    let list = |title: &str, about: &str| {
        let items = json!({ "type": "string", "maxLength": origin::MAX });
        json!({ "title": title, "description": about, "type": "array", "maxItems": MAX_LIST, "items": items })
    };
    json!({
        "title": "CORS",
        "description": "Which other sites' pages may use this route.",
        "type": "object",
        "additionalProperties": false,
        "required": ["origins"],
        "properties": {
            "origins": list("Origins", "https://app.example, https://*.app.example for one label, or * alone for all."),
            "methods": list("Methods", "What a page may ask with, or * alone for all."),
            "headers": list("Request headers", "What a page may send, or * alone for all."),
            "expose": list("Exposed headers", "What a page may read of an answer."),
            "credentials": {
                "title": "Credentials",
                "description": "Whether cookies may go along. Not with all origins.",
                "type": "boolean",
                "default": false
            },
            "max_age": {
                "title": "Kept for",
                "description": "Seconds that a browser may keep the answer to a preflight.",
                "type": "integer",
                "minimum": 0,
                "maximum": MAX_AGE,
                "default": usual_age()
            },
            "private_network": {
                "title": "Private network",
                "description": "Whether public pages may ask although this host has a private address.",
                "type": "boolean",
                "default": false
            }
        }
    })
}

#[derive(Debug)]
pub(crate) struct Cors {
    /// `None` for all.
    origins: Option<Box<[Origin]>>,
    methods: Listed,
    headers: Listed,
    expose: String,
    credentials: bool,
    max_age: String,
    private_network: bool,
}

/// A list as it is sent.
#[derive(Debug)]
enum Listed {
    /// Whatever was asked for.
    All,
    These(String),
}

pub(crate) fn compile(spec: &Spec) -> Result<Cors, Invalid> {
    let lists =
        [("origins", &spec.origins), ("methods", &spec.methods), ("headers", &spec.headers), ("expose", &spec.expose)];
    if let Some((name, _)) = lists.iter().find(|(_, list)| list.len() > MAX_LIST) {
        return Err(Invalid::new(format!("cors.{name}"), format!("at most {MAX_LIST} entries")));
    }
    let origins = compile_origins(spec)?;
    let method = |text: &str| {
        Method::from_bytes(text.as_bytes()).is_some() && !text.bytes().any(|byte| byte.is_ascii_lowercase())
    };
    let name = |text: &str| mezu_model::headers::is_name(text.to_ascii_lowercase().as_bytes());
    let Listed::These(expose) = listed("expose", &spec.expose, name, "a header field's name")? else {
        return Err(Invalid::new("cors.expose[0]", "name the fields: with credentials * would mean nothing"));
    };
    if spec.max_age > MAX_AGE {
        return Err(Invalid::new("cors.max_age", format!("at most {MAX_AGE} seconds")));
    }
    Ok(Cors {
        origins,
        methods: listed("methods", &spec.methods, method, "a method in capitals, such as GET")?,
        headers: listed("headers", &spec.headers, name, "a header field's name")?,
        expose,
        credentials: spec.credentials,
        max_age: spec.max_age.to_string(),
        private_network: spec.private_network,
    })
}

fn compile_origins(spec: &Spec) -> Result<Option<Box<[Origin]>>, Invalid> {
    if spec.origins.is_empty() {
        return Err(Invalid::new("cors.origins", "name at least one origin, or remove the capability"));
    }
    if spec.origins == ["*"] {
        if spec.credentials {
            let why = "cookies of users may not go to every site there is: name the origins";
            return Err(Invalid::new("cors.credentials", why));
        }
        return Ok(None);
    }
    let origins = spec.origins.iter().enumerate().map(|(index, text)| {
        Origin::compile(text).map_err(|problem| Invalid::new(format!("cors.origins[{index}]"), problem))
    });
    Ok(Some(origins.collect::<Result<_, _>>()?))
}

fn listed(field: &str, list: &[String], is_fine: impl Fn(&str) -> bool, what: &str) -> Result<Listed, Invalid> {
    if list == ["*"] {
        return Ok(Listed::All);
    }
    if let Some(index) = list.iter().position(|text| text == "*" || !is_fine(text)) {
        return Err(Invalid::new(format!("cors.{field}[{index}]"), format!("not {what}; * stands alone")));
    }
    Ok(Listed::These(list.join(", ")))
}

impl Stage for Cors {
    fn name(&self) -> &'static str {
        "cors"
    }

    fn request(&self, request: &mut Request<'_>) -> Verdict {
        let headers = &request.head.headers;
        let allowed = self.allowed(headers);
        let asked = headers.find(known::ACCESS_CONTROL_REQUEST_METHOD);
        if let (Method::Options, Some(method)) = (&request.head.method, asked)
            && headers.find(known::ORIGIN).is_some()
        {
            let Some(origin) = allowed else {
                request.tell(|_| "a preflight from an origin that is not listed".to_owned());
                return Verdict::Answer(Answer::OriginRefused);
            };
            let headers = self.preflight(origin, method, headers);
            request.tell(|_| "a preflight".to_owned());
            return Verdict::Reply(Box::new(Reply { stage: "cors", status: 204, headers, body: bytes::Bytes::new() }));
        }
        let reply = request.beside.reply_mut();
        if self.origins.is_some() {
            // Also for those who get no permission: a cache must not give their answer to others.
            reply.push_known(known::VARY, b"Origin");
        }
        if let Some(origin) = allowed {
            self.grant(origin, reply);
            if !self.expose.is_empty() {
                reply.push_known(known::ACCESS_CONTROL_EXPOSE_HEADERS, self.expose.as_bytes());
            }
        }
        let told = match (allowed, request.head.headers.find(known::ORIGIN)) {
            (Some(_), _) => "the page may read the answer",
            (None, Some(_)) => "the page may not read the answer: its origin is not listed",
            (None, None) => "not asked by a page of another site",
        };
        request.tell(|_| told.to_owned());
        Verdict::Continue
    }

    fn response(&self, response: &mut Response<'_>) {
        response.head.headers.retain(|field| !field.name.starts_with(b"access-control-"));
    }
}

impl Cors {
    /// What to send as the allowed origin, if the request's is allowed.
    fn allowed<'h>(&self, headers: &'h Headers) -> Option<&'h [u8]> {
        let Some(origins) = &self.origins else { return Some(b"*") };
        let mut sent = headers.find_all(known::ORIGIN);
        let (Some(origin), None) = (sent.next(), sent.next()) else { return None };
        origins.iter().any(|one| one.matches(origin)).then_some(origin)
    }

    fn grant(&self, origin: &[u8], out: &mut Headers) {
        out.push_known(known::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.credentials {
            out.push_known(known::ACCESS_CONTROL_ALLOW_CREDENTIALS, b"true");
        }
    }

    fn preflight(&self, origin: &[u8], method: &[u8], asked: &Headers) -> Headers {
        let mut out = Headers::new();
        self.grant(origin, &mut out);
        match &self.methods {
            Listed::These(methods) => out.push_known(known::ACCESS_CONTROL_ALLOW_METHODS, methods.as_bytes()),
            Listed::All if Method::from_bytes(method).is_some() => {
                out.push_known(known::ACCESS_CONTROL_ALLOW_METHODS, method);
            }
            Listed::All => {}
        }
        match (&self.headers, asked.find(known::ACCESS_CONTROL_REQUEST_HEADERS)) {
            (Listed::These(headers), _) if !headers.is_empty() => {
                out.push_known(known::ACCESS_CONTROL_ALLOW_HEADERS, headers.as_bytes());
            }
            (Listed::All, Some(names)) if is_list_of_names(names) => {
                out.push_known(known::ACCESS_CONTROL_ALLOW_HEADERS, names);
            }
            _ => {}
        }
        if self.private_network && asked.find_name(b"access-control-request-private-network") == Some(b"true") {
            out.push_wire(b"access-control-allow-private-network", b"true");
        }
        out.push_known(known::ACCESS_CONTROL_MAX_AGE, self.max_age.as_bytes());
        out.push_known(known::VARY, b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
        out
    }
}

/// What is sent back to a client that wrote it: names and commas, nothing else.
fn is_list_of_names(list: &[u8]) -> bool {
    list.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b',' | b' '))
}

#[cfg(test)]
mod tests;
