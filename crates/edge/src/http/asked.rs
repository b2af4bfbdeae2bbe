//! A head as it would have come over the wire, from a question about it: read by the same code.

use mezu_model::{Limits, RequestHead};

use super::fields::{Intake, Version};
use super::target;
use crate::explain::{Question, Unasked, method};

/// The head of the request that a question is about.
pub(crate) fn head(question: &Question) -> Result<RequestHead, Unasked> {
    let limits = Limits::default();
    let mut head = RequestHead { method: method(&question.method)?, ..RequestHead::default() };
    let url = question.url.strip_prefix("https://").unwrap_or(&question.url);
    let at = url.find(['/', '?', '#']).unwrap_or(url.len());
    let (authority, path) = url.split_at_checked(at).ok_or(Unasked::Url)?;
    let mut intake = Intake::new(Version::H11, &limits);
    for (name, value) in &question.headers {
        let value = value.trim();
        if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return Err(Unasked::Unreadable("a header value holds a control character"));
        }
        intake.field(name.as_bytes(), value.as_bytes(), &mut head)?;
    }
    intake.end(&mut head);
    if intake.asks_websocket() {
        head.upgrade = Some(mezu_model::Upgrade::WebSocket);
    }
    target::authority(authority.as_bytes(), &mut head.host, &mut head.port).map_err(|_| Unasked::Url)?;
    let target = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    target::request_target(target.as_bytes(), &mut head, &mut String::new(), &limits)?;
    Ok(head)
}
