//! A request head written as HTTP/1.1, from structure: no byte of a request line or field separator comes from the
//! client (threat 4).

use mezu_model::{Context, Method, RequestHead, known};

use super::forward::{Facts, is_ours, public_host, push_decimal};

/// How the body goes to the workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    None,
    Length(u64),
    Chunked,
}

/// What the user wants otherwise than by default.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rewrite {
    /// Sent as Host instead of the public name.
    pub host: Option<String>,
}

/// The body's framing, or `None` where the announced length is not what came (threat 4).
pub(crate) fn framing(head: &RequestHead, buffered: usize, ended: bool) -> Option<Framing> {
    if head.upgrade.is_some() {
        return Some(Framing::None);
    }
    let announced = match head.headers.find(known::CONTENT_LENGTH) {
        None => None,
        Some(text) => Some(std::str::from_utf8(text).ok()?.parse::<u64>().ok()?),
    };
    let buffered = buffered as u64;
    match (announced, ended) {
        (Some(length), true) if length != buffered => None,
        (Some(length), false) if length < buffered => None,
        (Some(length), _) => Some(Framing::Length(length)),
        (None, true) if buffered > 0 || expects_body(&head.method) => Some(Framing::Length(buffered)),
        (None, true) => Some(Framing::None),
        (None, false) => Some(Framing::Chunked),
    }
}

/// Methods for which a missing body is said as `Content-Length: 0` (RFC 9110 §8.6).
fn expects_body(method: &Method) -> bool {
    matches!(method, Method::Post | Method::Put | Method::Patch)
}

/// Appends the whole head. `websocket_key` is ours, in base64.
pub(crate) fn write(
    out: &mut Vec<u8>,
    head: &RequestHead,
    context: &Context,
    framing: Framing,
    rewrite: &Rewrite,
    websocket_key: Option<&[u8]>,
) {
    out.extend_from_slice(head.method.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(head.path.as_bytes());
    if let Some(query) = &head.query {
        out.push(b'?');
        out.extend_from_slice(query.as_bytes());
    }
    out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
    let public = public_host(head);
    out.extend_from_slice(rewrite.host.as_ref().map_or(public.as_bytes(), |host| host.as_bytes()));
    out.extend_from_slice(b"\r\n");
    write_fields(out, head);
    write_framing(out, framing);
    if let Some(key) = websocket_key {
        out.extend_from_slice(b"connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-key: ");
        out.extend_from_slice(key);
        out.extend_from_slice(b"\r\n");
    }
    Facts::new(head, context, public.as_bytes()).write_h1(out);
    out.extend_from_slice(b"\r\n");
}

fn write_fields(out: &mut Vec<u8>, head: &RequestHead) {
    let mut trailers = false;
    let mut cookies = false;
    for field in head.headers.iter() {
        if is_ours(field.known, field.name) {
            trailers |= field.known == Some(known::TE) && field.value.eq_ignore_ascii_case(b"trailers");
            continue;
        }
        if field.known == Some(known::COOKIE) {
            if !std::mem::replace(&mut cookies, true) {
                write_cookies(out, head);
            }
            continue;
        }
        out.extend_from_slice(field.name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(field.value);
        out.extend_from_slice(b"\r\n");
    }
    if trailers && head.upgrade.is_none() {
        out.extend_from_slice(b"te: trailers\r\nconnection: te\r\n");
    }
}

/// HTTP/2 lets cookies come in crumbs; HTTP/1.1 has one field for them (RFC 9113 §8.2.3).
fn write_cookies(out: &mut Vec<u8>, head: &RequestHead) {
    for (i, crumb) in head.headers.find_all(known::COOKIE).enumerate() {
        out.extend_from_slice(if i == 0 { b"cookie: " } else { b"; " });
        out.extend_from_slice(crumb);
    }
    out.extend_from_slice(b"\r\n");
}

fn write_framing(out: &mut Vec<u8>, framing: Framing) {
    match framing {
        Framing::None => {}
        Framing::Length(length) => {
            out.extend_from_slice(b"content-length: ");
            push_decimal(out, length);
            out.extend_from_slice(b"\r\n");
        }
        Framing::Chunked => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use mezu_model::Upgrade;

    use super::*;

    fn text(head: &RequestHead, framing: Framing, rewrite: &Rewrite) -> String {
        let mut out = Vec::new();
        write(&mut out, head, &Context::default(), framing, rewrite, None);
        String::from_utf8(out).unwrap()
    }

    fn sample() -> RequestHead {
        let mut head =
            RequestHead { host: "app.test".into(), path: "/a".into(), query: Some("b=c".into()), ..Default::default() };
        for (name, value) in
            [("Accept", "*/*"), ("X-Mezu-User", "root"), ("X-Forwarded-For", "6.6.6.6"), ("TE", "trailers")]
        {
            head.headers.push(name.as_bytes(), value.as_bytes()).unwrap();
        }
        head
    }

    #[test]
    fn a_head_is_written_from_structure() {
        let out = text(&sample(), Framing::None, &Rewrite::default());
        assert!(out.starts_with("GET /a?b=c HTTP/1.1\r\nhost: app.test\r\naccept: */*\r\nte: trailers\r\nconnection: te\r\nx-forwarded-for: 0.0.0.0\r\n"));
        assert!(out.ends_with("\r\n\r\n") && !out.contains("root") && !out.contains("6.6.6.6"));
        assert_eq!(out.matches("\r\n\r\n").count(), 1);
    }

    #[test]
    fn host_can_be_rewritten_but_the_public_one_is_still_told() {
        let out = text(&sample(), Framing::Chunked, &Rewrite { host: Some("localhost:3000".into()) });
        assert!(out.contains("\r\nhost: localhost:3000\r\n") && out.contains("\r\nx-forwarded-host: app.test\r\n"));
        assert!(out.contains("\r\ntransfer-encoding: chunked\r\n"));
    }

    #[test]
    fn cookie_crumbs_are_one_field() {
        let mut head = sample();
        for (name, value) in [("cookie", "a=1"), ("x-between", "1"), ("cookie", "b=2")] {
            head.headers.push(name.as_bytes(), value.as_bytes()).unwrap();
        }
        let out = text(&head, Framing::None, &Rewrite::default());
        assert!(out.contains("\r\ncookie: a=1; b=2\r\nx-between: 1\r\n") && out.matches("cookie").count() == 1);
    }

    #[test]
    fn framing_follows_what_is_known() {
        let mut head = sample();
        assert_eq!(framing(&head, 0, true), Some(Framing::None));
        assert_eq!(framing(&head, 3, true), Some(Framing::Length(3)));
        assert_eq!(framing(&head, 0, false), Some(Framing::Chunked));
        head.method = Method::Post;
        assert_eq!(framing(&head, 0, true), Some(Framing::Length(0)));
        head.headers.push(b"content-length", b"5").unwrap();
        assert_eq!(framing(&head, 5, true), Some(Framing::Length(5)));
        assert_eq!(framing(&head, 2, false), Some(Framing::Length(5)));
        assert_eq!(framing(&head, 6, false), None);
        assert_eq!(framing(&head, 4, true), None);
        head.upgrade = Some(Upgrade::WebSocket);
        assert_eq!(framing(&head, 0, false), Some(Framing::None));
    }
}
