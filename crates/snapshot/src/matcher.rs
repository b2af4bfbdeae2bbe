//! What a route asks of a request beside its host and path.

use mezu_model::{Known, Method, RequestHead, fields, known};
use serde::{Deserialize, Serialize};

use crate::limits;

/// Methods and header fields that a request must have. Empty: any request.
///
/// What a client sends chooses here between the workloads of one host; it proves nothing about the client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Raw", into = "Raw")]
pub struct Matcher {
    methods: Box<[Method]>,
    headers: Box<[HeaderCondition]>,
}

/// A field that must be there, and what it must say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HeaderCondition {
    name: Box<str>,
    values: Box<[Box<str>]>,
}

/// Why a matcher is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMatcher {
    #[error("methods: {0:?} is no method that a route can take")]
    Method(String),
    #[error("methods: at most {} different ones", limits::METHODS)]
    Methods,
    #[error("headers: {0:?} is no field that a route can see; names are small letters, digits and hyphens")]
    HeaderName(String),
    #[error("headers: at most {} different names", limits::HEADERS)]
    Headers,
    #[error("headers: {0}: at most {most} different values, each of 1 to {bytes} visible characters", most = limits::VALUES, bytes = limits::VALUE)]
    Values(String),
}

/// What a request lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmet<'a> {
    /// Its method is none of those listed.
    Method,
    /// This field is not there, or says something else.
    Header(&'a str),
}

impl HeaderCondition {
    /// The field `name` (lowercase) must be there; with values, it must be one of them, byte for byte.
    ///
    /// # Errors
    /// See [`InvalidMatcher`].
    pub fn new(name: &str, mut values: Vec<String>) -> Result<Self, InvalidMatcher> {
        if !is_visible_to_routes(name) {
            return Err(InvalidMatcher::HeaderName(name.to_owned()));
        }
        values.sort();
        let is_value = |value: &String| {
            !value.is_empty()
                && value.len() <= limits::VALUE
                && value.bytes().all(|byte| matches!(byte, b' '..=b'~'))
                && value.trim() == value
        };
        let is_set = values.windows(2).all(|pair| pair.first() != pair.last());
        if !is_set || values.len() > limits::VALUES || !values.iter().all(is_value) {
            return Err(InvalidMatcher::Values(name.to_owned()));
        }
        Ok(Self { name: name.into(), values: values.into_iter().map(String::into_boxed_str).collect() })
    }

    /// Lowercase.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Empty: any.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(|value| &**value)
    }

    fn is_met(&self, head: &RequestHead) -> bool {
        let name = self.name.as_bytes();
        let wanted = Known::lookup(name);
        head.headers.iter().any(|field| {
            field.known == wanted
                && (wanted.is_some() || field.name == name)
                && (self.values.is_empty() || self.values.iter().any(|value| value.as_bytes() == field.value))
        })
    }

    /// Whether every request that meets `narrower` meets this one too.
    fn covers(&self, narrower: &Self) -> bool {
        self.name == narrower.name
            && (self.values.is_empty()
                || (!narrower.values.is_empty() && narrower.values.iter().all(|one| self.values.contains(one))))
    }
}

/// Fields that the edge takes out of a request or that frame it are not there to be asked for.
fn is_visible_to_routes(name: &str) -> bool {
    let is_name = !name.is_empty()
        && name.len() <= limits::HEADER_NAME
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    is_name
        && match Known::lookup(name.as_bytes()) {
            Some(known) => {
                !fields::is_hop_by_hop(known)
                    && !fields::is_reserved(Some(known), name.as_bytes())
                    && ![
                        known::HOST,
                        known::CONTENT_LENGTH,
                        known::FORWARDED,
                        known::X_REAL_IP,
                        known::X_FORWARDED_FOR,
                        known::X_FORWARDED_HOST,
                        known::X_FORWARDED_PORT,
                        known::X_FORWARDED_PROTO,
                    ]
                    .contains(&known)
            }
            None => !fields::is_dropped(name.as_bytes()),
        }
}

impl Matcher {
    /// Takes requests with one of the methods (none listed: with any) that meet all conditions.
    ///
    /// # Errors
    /// See [`InvalidMatcher`].
    pub fn new(mut methods: Vec<Method>, mut headers: Vec<HeaderCondition>) -> Result<Self, InvalidMatcher> {
        methods.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        if methods.len() > limits::METHODS || methods.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(InvalidMatcher::Methods);
        }
        if let Some(method) = methods.iter().find(|one| matches!(one, Method::Connect | Method::Trace)) {
            return Err(InvalidMatcher::Method(method.to_string()));
        }
        headers.sort();
        let is_set = headers.windows(2).all(|pair| pair.first().map(|h| &h.name) != pair.last().map(|h| &h.name));
        if headers.len() > limits::HEADERS || !is_set {
            return Err(InvalidMatcher::Headers);
        }
        Ok(Self { methods: methods.into(), headers: headers.into() })
    }

    /// Sorted by name; empty: any. `GET` takes `HEAD` too.
    #[must_use]
    pub fn methods(&self) -> &[Method] {
        &self.methods
    }

    /// Sorted by name.
    #[must_use]
    pub fn headers(&self) -> &[HeaderCondition] {
        &self.headers
    }

    /// Whether any request will do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.methods.is_empty() && self.headers.is_empty()
    }

    /// What a request lacks, if anything.
    #[must_use]
    pub fn unmet(&self, head: &RequestHead) -> Option<Unmet<'_>> {
        if !self.methods.is_empty() && !self.takes(head) {
            return Some(Unmet::Method);
        }
        self.headers.iter().find(|one| !one.is_met(head)).map(|one| Unmet::Header(&one.name))
    }

    fn takes(&self, head: &RequestHead) -> bool {
        let lists = |method: &Method| self.methods.contains(method);
        match &head.method {
            Method::Head => lists(&Method::Get) || lists(&Method::Head),
            // A preflight asks on behalf of the request that it announces, so it goes where that would go.
            Method::Options => lists(&Method::Options) || announced(head).is_some_and(|method| lists(&method)),
            method => lists(method),
        }
    }

    /// Whether every request that this one is content with suits `self` too.
    #[must_use]
    pub fn covers(&self, narrower: &Self) -> bool {
        let methods = self.methods.is_empty()
            || (!narrower.methods.is_empty() && narrower.methods.iter().all(|one| self.covers_method(one)));
        methods && self.headers.iter().all(|one| narrower.headers.iter().any(|other| one.covers(other)))
    }

    fn covers_method(&self, method: &Method) -> bool {
        self.methods.contains(method) || (*method == Method::Head && self.methods.contains(&Method::Get))
    }
}

/// The method of the request that a CORS preflight is for.
fn announced(head: &RequestHead) -> Option<Method> {
    head.headers.find_name(b"origin")?;
    Method::from_bytes(head.headers.find_name(b"access-control-request-method")?)
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    methods: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<RawHeader>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHeader {
    name: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    values: Vec<String>,
}

impl TryFrom<Raw> for Matcher {
    type Error = InvalidMatcher;

    fn try_from(raw: Raw) -> Result<Self, Self::Error> {
        let method = |name: String| Method::from_bytes(name.as_bytes()).ok_or(InvalidMatcher::Method(name));
        let methods = raw.methods.into_iter().map(method).collect::<Result<_, _>>()?;
        let header = |one: RawHeader| HeaderCondition::new(&one.name, one.values);
        Self::new(methods, raw.headers.into_iter().map(header).collect::<Result<_, _>>()?)
    }
}

impl From<Matcher> for Raw {
    fn from(matcher: Matcher) -> Self {
        let header = |one: &HeaderCondition| RawHeader {
            name: one.name.to_string(),
            values: one.values.iter().map(ToString::to_string).collect(),
        };
        Self {
            methods: matcher.methods.iter().map(ToString::to_string).collect(),
            headers: matcher.headers.iter().map(header).collect(),
        }
    }
}

#[cfg(test)]
mod tests;
