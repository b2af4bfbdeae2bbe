//! Compresses answers for clients that take it: the choice of the coding, and what its use does to an answer's head.
//!
//! What the client takes is read before another stage changes the request. An answer is judged as it will go out, after
//! all other stages. The bytes are the edge's business (`edge/src/encode`), which may decline. Must never touch what is
//! encoded already, what forbids it, a part of something, or an answer whose digest tells the client what its bytes are.

use mezu_model::{Headers, RequestHead, ResponseHead, Upgrade, known};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{AnswerBody, Invalid, Request, Response, Stage, Verdict};

mod accept;
mod coding;

pub use self::coding::Coding;

/// Most media types in the list.
const MAX_TYPES: usize = 64;
/// Longest media type.
const MAX_TYPE: usize = 128;
/// Largest length that can be asked for, bytes.
const MAX_MIN_BYTES: u64 = 16 * 1024 * 1024;
/// What is shorter fits into a packet anyway.
const MIN_BYTES: u64 = 1024;

/// What is compressed when nobody says otherwise: text by other names. Event streams are not, for each of them would hold
/// an encoder for hours.
const TYPES: [&str; 22] = [
    "text/html",
    "text/css",
    "text/plain",
    "text/javascript",
    "text/xml",
    "text/csv",
    "text/markdown",
    "application/javascript",
    "application/json",
    "application/ld+json",
    "application/manifest+json",
    "application/problem+json",
    "application/graphql-response+json",
    "application/x-ndjson",
    "application/xml",
    "application/xhtml+xml",
    "application/rss+xml",
    "application/atom+xml",
    "application/wasm",
    "image/svg+xml",
    "font/ttf",
    "font/otf",
];

/// What to compress, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The codings on offer. Of those that a client likes equally, the first here.
    #[serde(default = "usual_encodings")]
    pub encodings: Vec<Coding>,
    /// Answers known to be shorter go as they are, bytes.
    #[serde(default = "usual_min_bytes")]
    pub min_bytes: u64,
    /// `text/html`, or `text/*` for all of a kind.
    #[serde(default = "usual_types")]
    pub types: Vec<String>,
}

fn usual_encodings() -> Vec<Coding> {
    Coding::ALL.to_vec()
}

const fn usual_min_bytes() -> u64 {
    MIN_BYTES
}

fn usual_types() -> Vec<String> {
    TYPES.map(str::to_owned).into()
}

/// The JSON schema of [`Spec`].
#[must_use]
pub fn schema() -> serde_json::Value {
    let names = Coding::ALL.map(Coding::as_str);
    json!({
        "title": "Compress",
        "description": "Compresses answers for clients that take it.",
        "type": "object",
        "additionalProperties": false,
        "properties": {
            "encodings": {
                "title": "Encodings",
                "description": "Of those that a client likes equally, the first here.",
                "type": "array",
                "minItems": 1,
                "maxItems": Coding::ALL.len(),
                "uniqueItems": true,
                "items": { "type": "string", "enum": names },
                "default": names
            },
            "min_bytes": {
                "title": "Shortest answer",
                "description": "Bytes. Answers known to be shorter go as they are.",
                "type": "integer",
                "minimum": 0,
                "maximum": MAX_MIN_BYTES,
                "default": MIN_BYTES
            },
            "types": {
                "title": "Media types",
                "description": "text/html, or text/* for all of a kind.",
                "type": "array",
                "minItems": 1,
                "maxItems": MAX_TYPES,
                "items": { "type": "string", "maxLength": MAX_TYPE },
                "default": TYPES
            }
        }
    })
}

#[derive(Debug)]
pub(crate) struct Compress {
    encodings: Box<[Coding]>,
    min_bytes: u64,
    types: Box<[Type]>,
}

/// A media type, or all of a kind. Lowercase.
#[derive(Debug)]
enum Type {
    Exact(Box<str>),
    /// With the slash.
    Kind(Box<str>),
}

pub(crate) fn compile(spec: &Spec) -> Result<Compress, Invalid> {
    if spec.encodings.is_empty() {
        return Err(Invalid::new("compress.encodings", "name at least one encoding, or remove the capability"));
    }
    let twice = |(index, coding): (usize, &Coding)| spec.encodings.iter().take(index).any(|other| other == coding);
    if let Some(index) = spec.encodings.iter().enumerate().position(twice) {
        return Err(Invalid::new(format!("compress.encodings[{index}]"), "this encoding is listed already"));
    }
    if spec.min_bytes > MAX_MIN_BYTES {
        return Err(Invalid::new("compress.min_bytes", format!("at most {MAX_MIN_BYTES} bytes")));
    }
    if spec.types.is_empty() || spec.types.len() > MAX_TYPES {
        return Err(Invalid::new("compress.types", format!("1 to {MAX_TYPES} media types")));
    }
    let types = spec.types.iter().enumerate().map(|(index, text)| {
        Type::compile(text).map_err(|problem| Invalid::new(format!("compress.types[{index}]"), problem))
    });
    Ok(Compress {
        types: types.collect::<Result<_, _>>()?,
        encodings: spec.encodings.clone().into(),
        min_bytes: spec.min_bytes,
    })
}

impl Type {
    fn compile(text: &str) -> Result<Self, &'static str> {
        let text = text.to_ascii_lowercase();
        let is_token = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
        };
        match text.split_once('/') {
            _ if text.len() > MAX_TYPE => Err("at most 128 letters"),
            Some((kind, "*")) if is_token(kind) => Ok(Self::Kind(format!("{kind}/").into())),
            Some((kind, sub)) if is_token(kind) && is_token(sub) => Ok(Self::Exact(text.into())),
            _ => Err("not a media type: text/html without parameters, or text/* for all of a kind"),
        }
    }

    fn matches(&self, value: &[u8]) -> bool {
        match self {
            Self::Exact(name) => value.eq_ignore_ascii_case(name.as_bytes()),
            Self::Kind(kind) => {
                value.get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind.as_bytes()))
            }
        }
    }
}

impl Stage for Compress {
    fn name(&self) -> &'static str {
        "compress"
    }

    fn request(&self, request: &mut Request<'_>) -> Verdict {
        request.coding = self.choice(request.head);
        let told = request.coding;
        request.tell(|_| match told {
            Some(coding) => format!("{coding}, where the answer is one to compress"),
            None => "the client takes none of the encodings".to_owned(),
        });
        Verdict::Continue
    }

    fn response(&self, response: &mut Response<'_>) {
        if response.head.status == 304 {
            // It stands for an answer that may be compressed, and must name it by the same tag (RFC 9110 §15.4.5).
            if response.coding.is_some() {
                coding::weaken_tag(&mut response.head.headers);
            }
            coding::vary(&mut response.head.headers);
            return response.coding = None;
        }
        if !self.may_be_compressed(response.head, response.body) {
            return response.coding = None;
        }
        // Also for those who get it as it is: a cache must not give others their answer.
        coding::vary(&mut response.head.headers);
        let is_part = response.head.status == 206 || response.head.headers.find(known::CONTENT_RANGE).is_some();
        if response.body == AnswerBody::None || is_part {
            response.coding = None;
        }
    }
}

impl Compress {
    fn choice(&self, head: &RequestHead) -> Option<Coding> {
        if matches!(head.upgrade, Some(Upgrade::WebSocket)) {
            return None;
        }
        accept::choose(&head.headers, &self.encodings)
    }

    /// Whether any client may get the answer compressed, or could have, had he asked for the whole and not for a part.
    fn may_be_compressed(&self, head: &ResponseHead, body: AnswerBody) -> bool {
        let headers = &head.headers;
        let short = matches!(body, AnswerBody::Sized(bytes) if bytes < self.min_bytes);
        if short || matches!(head.status, ..200 | 204..=205) || is_kept_as_it_is(headers) {
            return false;
        }
        let mut types = headers.find_all(known::CONTENT_TYPE);
        let (Some(value), None) = (types.next(), types.next()) else { return false };
        let media = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        let is_conversation = media.get(..16).is_some_and(|start| start.eq_ignore_ascii_case(b"application/grpc"));
        !is_conversation && self.types.iter().any(|listed| listed.matches(media))
    }
}

/// Whether the workload has encoded it, forbids it, or tells what its bytes are.
fn is_kept_as_it_is(headers: &Headers) -> bool {
    headers.iter().any(|field| match field.known {
        Some(known::CONTENT_ENCODING | known::CONTENT_DIGEST | known::DIGEST) => true,
        Some(known::CACHE_CONTROL) => {
            accept::members(field.value).any(|word| word.eq_ignore_ascii_case(b"no-transform"))
        }
        Some(_) => false,
        None => matches!(field.name, b"repr-digest" | b"content-md5"),
    })
}

#[cfg(test)]
mod tests;
