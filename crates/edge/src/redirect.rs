//! Port 80: every request is sent to the same place over HTTPS, and nothing else happens here.
//!
//! Must never serve content, forward, or keep a connection: one bounded read, one answer, closed.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The whole exchange, start to end.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest head that is read.
const HEAD: usize = 8 * 1024;
/// After the answer, how much of what still comes is swallowed, so that a close does not destroy the answer.
const SWALLOW: usize = 64 * 1024;

/// Answers one plain connection.
pub(crate) async fn redirect(mut socket: TcpStream, https_port: u16) {
    let _ = timeout(PATIENCE, async {
        let mut head = Vec::with_capacity(1024);
        while !is_complete(&head) && head.len() < HEAD {
            if socket.read_buf(&mut head).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let answer = answer(&head, https_port);
        if socket.write_all(&answer).await.is_ok() && socket.shutdown().await.is_ok() {
            swallow(&mut socket).await;
        }
    })
    .await;
}

fn is_complete(head: &[u8]) -> bool {
    head.windows(4).any(|window| window == b"\r\n\r\n")
}

async fn swallow(socket: &mut TcpStream) {
    let mut left = SWALLOW;
    let mut scratch = [0; 2048];
    while let Ok(n) = socket.read(&mut scratch).await {
        if n == 0 || n >= left {
            return;
        }
        left -= n;
    }
}

fn answer(head: &[u8], https_port: u16) -> Vec<u8> {
    match location(head, https_port) {
        // 308 keeps the method (RFC 9110 §15.4.9).
        Some(location) => format!(
            "HTTP/1.1 308 Permanent Redirect\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        ),
        None => "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
    }
    .into_bytes()
}

/// Where the request should have gone. `None` for anything that is not a plain request with one sane host.
fn location(head: &[u8], https_port: u16) -> Option<String> {
    let mut fields = [httparse::EMPTY_HEADER; 100];
    let mut request = httparse::Request::new(&mut fields);
    if !request.parse(head).ok()?.is_complete() {
        return None;
    }
    let mut hosts = request.headers.iter().filter(|field| field.name.eq_ignore_ascii_case("host"));
    let (host, None) = (hosts.next()?, hosts.next()) else { return None };
    let host = host_of(std::str::from_utf8(host.value).ok()?.trim())?;
    let target = request.path?;
    let sane = target.starts_with('/') && target.bytes().all(|b| b.is_ascii_graphic());
    // "//x" would name another host, were a client to take it for a relative reference.
    let target = if sane && !target.starts_with("//") { target } else { "/" };
    Some(if https_port == 443 {
        format!("https://{host}{target}")
    } else {
        format!("https://{host}:{https_port}{target}")
    })
}

/// The name in a Host field, without its port.
fn host_of(text: &str) -> Option<String> {
    let end = if text.starts_with('[') { text.find(']')? + 1 } else { text.find(':').unwrap_or(text.len()) };
    let (name, port) = (text.get(..end)?, text.get(end..)?);
    let sane_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b));
    let sane_port = port.is_empty() || port.strip_prefix(':').is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()));
    (sane_name && sane_port).then(|| name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leads_to_the_same_place_over_https() {
        for (head, port, to) in [
            ("GET /a?b=c HTTP/1.1\r\nHost: Shop.test\r\n\r\n", 443, Some("https://shop.test/a?b=c")),
            ("GET / HTTP/1.1\r\nHost: shop.test:8080\r\n\r\n", 8443, Some("https://shop.test:8443/")),
            ("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", 8443, Some("https://[::1]:8443/")),
            ("GET //evil.test HTTP/1.1\r\nHost: shop.test\r\n\r\n", 443, Some("https://shop.test/")),
            ("GET http://evil.test/ HTTP/1.1\r\nHost: shop.test\r\n\r\n", 443, Some("https://shop.test/")),
            ("GET / HTTP/1.1\r\nHost: a@evil.test\r\n\r\n", 443, None),
            ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 443, None),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 443, None),
            ("GET / HTTP/1.1\r\n\r\n", 443, None),
            ("\x16\x03\x01\x02\x00\r\n\r\n", 443, None),
        ] {
            assert_eq!(location(head.as_bytes(), port).as_deref(), to, "{head:?}");
        }
    }
}
