//! Text with a few variables, such as `${client.ip}`, compiled once and written out per request.
//!
//! The variables are a closed list of facts that the edge itself has established. A client's headers, cookies and
//! query are not among them, so that a template cannot carry a client's bytes to where they are trusted.

use std::io::Write as _;

use mezu_model::{Context, RequestHead, Scheme};

/// Names, each with what it stands for.
pub(crate) type Variables = &'static [(&'static str, Variable)];

/// The variables of header values: also the table in the docs.
pub(crate) const VARIABLES: Variables = &[
    ("client.ip", Variable::ClientIp),
    ("host", Variable::Host),
    ("method", Variable::Method),
    ("path", Variable::Path),
    ("ray", Variable::Ray),
    ("scheme", Variable::Scheme),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variable {
    ClientIp,
    Host,
    /// The host without a leading `www.`.
    HostBare,
    Method,
    Path,
    /// The path behind the stage's prefix.
    PathRest,
    /// A colon and the port that clients reach, unless it is the scheme's own; else nothing.
    Port,
    Ray,
    Scheme,
}

/// Where the values come from.
#[derive(Clone, Copy)]
pub(crate) struct Values<'a> {
    pub(crate) head: &'a RequestHead,
    pub(crate) context: &'a Context,
    /// The path behind the stage's prefix, for stages that have one.
    pub(crate) rest: &'a str,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Template(Box<[Piece]>);

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    Value(Variable),
}

impl Template {
    /// With the variables that a header's value may hold.
    pub(crate) fn compile(text: &str) -> Result<Self, String> {
        Self::compile_with(VARIABLES, text)
    }

    /// `$$` stands for one dollar sign.
    pub(crate) fn compile_with(variables: Variables, text: &str) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            plain.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                plain.push('$');
                rest = after;
            } else if let Some((name, after)) = after.strip_prefix('{').and_then(|after| after.split_once('}')) {
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain).into()));
                }
                pieces.push(Piece::Value(variable(variables, name)?));
                rest = after;
            } else {
                return Err("a dollar sign begins ${variable}; write $$ for the sign itself".to_owned());
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() || pieces.is_empty() {
            pieces.push(Piece::Text(plain.into()));
        }
        Ok(Self(pieces.into()))
    }

    /// The text if there is no variable in it.
    pub(crate) fn constant(&self) -> Option<&str> {
        match &*self.0 {
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Writes the text out; what `out` held is gone.
    pub(crate) fn write(&self, values: Values<'_>, out: &mut Vec<u8>) {
        out.clear();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Value(variable) => variable.write(values, out),
            }
        }
    }
}

impl Variable {
    fn write(self, Values { head, context, rest }: Values<'_>, out: &mut Vec<u8>) {
        match self {
            // Writing to a Vec cannot fail.
            Self::ClientIp => drop(write!(out, "{}", context.client.ip().to_canonical())),
            Self::Ray => out.extend_from_slice(&context.ray.to_hex()),
            Self::Host => out.extend_from_slice(head.host.as_bytes()),
            Self::Method => out.extend_from_slice(head.method.as_str().as_bytes()),
            Self::HostBare => out.extend_from_slice(bare(&head.host).as_bytes()),
            Self::PathRest => out.extend_from_slice(rest.as_bytes()),
            Self::Port if context.port == default_port(context.scheme) => {}
            Self::Port => drop(write!(out, ":{}", context.port)),
            Self::Path => out.extend_from_slice(head.path.as_bytes()),
            Self::Scheme => out.extend_from_slice(match context.scheme {
                Scheme::Http => b"http",
                Scheme::Https => b"https",
            }),
        }
    }
}

/// A host without a leading `www.`, unless nothing but a top-level name would be left.
fn bare(host: &str) -> &str {
    host.strip_prefix("www.").filter(|rest| rest.contains('.')).unwrap_or(host)
}

const fn default_port(scheme: Scheme) -> u16 {
    match scheme {
        Scheme::Http => 80,
        Scheme::Https => 443,
    }
}

fn variable(variables: Variables, name: &str) -> Result<Variable, String> {
    let found = variables.iter().find(|(known, _)| *known == name).map(|(_, variable)| *variable);
    found.ok_or_else(|| {
        let known: Vec<_> = variables.iter().map(|(name, _)| *name).collect();
        format!("there is no variable ${{{name}}}; there are {}", known.join(", "))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use mezu_model::{Method, RayId};

    use super::*;

    #[test]
    fn templates() {
        let head = RequestHead {
            method: Method::Post,
            host: "a.example".to_owned(),
            path: "/x/y".to_owned(),
            ..RequestHead::default()
        };
        let context =
            Context { ray: RayId(0xab), client: "[::ffff:192.0.2.7]:5".parse().unwrap(), ..Context::default() };
        let table = [
            ("", ""),
            ("plain", "plain"),
            ("$$5", "$5"),
            ("$${host}", "${host}"),
            ("${client.ip}", "192.0.2.7"),
            ("${ray}", "000000000000000000000000000000ab"),
            ("${scheme}://${host}${path} by ${method}!", "https://a.example/x/y by POST!"),
            ("}{", "}{"),
        ];
        let mut out = b"old".to_vec();
        for (text, expected) in table {
            let template = Template::compile(text).unwrap();
            template.write(Values { head: &head, context: &context, rest: "" }, &mut out);
            assert_eq!(String::from_utf8_lossy(&out), expected, "{text}");
            assert_eq!(template.constant().is_some(), !text.replace("$$", "").contains('$'), "{text}");
        }
    }

    #[test]
    fn unknown_variables_and_stray_dollars_are_refused() {
        for text in ["${cookie}", "${}", "${host", "$host", "$", "a$", "${query}", "${Host}"] {
            assert!(Template::compile(text).is_err(), "{text}");
        }
    }
}
