//! Bodies: JSON, exactly that, bounded; a fault is told with its place.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::header;
use axum::http::request::Parts;
use mezu_api::Code;
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};

use crate::Refused;

/// The most that a body may have: 1 MiB.
pub(crate) const MOST: usize = 1024 * 1024;

/// A JSON body. Unknown fields are refused by the type.
#[derive(Clone, Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refused> {
        let (parts, body) = request.into_parts();
        // A page of another site can send a form without asking first, and never this.
        if parts.headers.get(header::CONTENT_TYPE).is_none_or(|value| value != "application/json") {
            let detail = "the body must be JSON, and the Content-Type application/json without parameters";
            return Err(Refused::new(Code::WrongMediaType, detail));
        }
        parse(&whole(&parts, body).await?).map(Self)
    }
}

/// The whole body, if it is not too large.
pub(crate) async fn whole(parts: &Parts, body: axum::body::Body) -> Result<Bytes, Refused> {
    let large = || Refused::new(Code::TooLarge, "a body has at most 1 MiB");
    let told = parts.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if told.is_some_and(|length| length > MOST) {
        return Err(large());
    }
    axum::body::to_bytes(body, MOST).await.map_err(|error| {
        let is_length =
            std::error::Error::source(&error).is_some_and(|source| source.is::<http_body_util::LengthLimitError>());
        if is_length { large() } else { Refused::new(Code::Malformed, "the body did not arrive whole") }
    })
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refused> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let pointer = pointer(error.path());
        let inner = error.inner();
        match inner.classify() {
            serde_json::error::Category::Data => Refused::invalid(pointer, without_place(inner)),
            _ => Refused::new(Code::Malformed, format!("the body is no JSON: {inner}")),
        }
    })?;
    json.end().map_err(|error| Refused::new(Code::Malformed, format!("the body is no JSON: {error}")))?;
    Ok(value)
}

/// What is wrong, without line and column: the pointer says it better.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    text.strip_suffix(&place).map_or_else(|| text.clone(), str::to_string)
}

/// The path as a JSON pointer (RFC 6901).
fn pointer(path: &Path) -> String {
    let mut text = String::new();
    for segment in path {
        let step = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.replace('~', "~0").replace('/', "~1"),
            Segment::Enum { .. } | Segment::Unknown => continue,
        };
        text.push('/');
        text.push_str(&step);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Thing {
        name: mezu_model::Label,
        #[serde(default)]
        parts: Vec<BTreeMap<String, u8>>,
    }

    #[test]
    fn a_fault_is_told_with_its_place() {
        let table = [
            (r#"{"name": "-"}"#, "invalid", Some("/name")),
            (r#"{"name": 7}"#, "invalid", Some("/name")),
            (r#"{}"#, "invalid", Some("")),
            (r#"{"name": "a", "nmae": 1}"#, "invalid", Some("/nmae")),
            (r#"{"name": "a", "parts": [{}, {"a/b~c": 300}]}"#, "invalid", Some("/parts/1/a~1b~0c")),
            (r#"{"name": "a", "name": "b"}"#, "invalid", Some("")),
            (r#"{"name": "a""#, "malformed", None),
            (r#"{"name": "a"} x"#, "malformed", None),
            ("", "malformed", None),
        ];
        for (json, code, place) in table {
            let Refused { problem, .. } = parse::<Thing>(json.as_bytes()).unwrap_err();
            assert_eq!((problem.code.as_str(), problem.pointer.as_deref()), (code, place), "{json}");
            assert!(code == "malformed" || !problem.detail.contains("column"), "{}", problem.detail);
        }
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(parse::<serde_json::Value>(deep.as_bytes()).unwrap_err().is(Code::Malformed));
    }
}
