//! Whoever can reach the edge can offer the tunnel's ALPN and then say anything.

use crate::Target;
use anyhow::Result;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

pub const ALPN: &str = "mezu-tunnel/1";

/// What is sent instead of a hello.
pub const CASES: &[(&str, &[u8])] = &[
    ("nothing", b""),
    ("noise", &[0xff; 64]),
    ("HTTP", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("a frame of the largest size, then nothing", &[0xff, 0xff, 0xff, 0, 0, 0, 0, 0]),
    ("an empty frame", &[0, 0, 0, 0, 0, 0, 0, 0]),
    ("a hello that is no JSON", b"\0\0\x04\0\0\0\0\0oops"),
    (
        "a hello of nested brackets",
        b"\0\0\x40\0\0\0\0\0[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    ),
    ("a request before any hello", b"\0\0\x04\x07\0\0\0\x01oops"),
];

/// Sends the bytes and waits until the edge closes; how long that took.
pub async fn run(target: &Target, bytes: &[u8], patience: Duration) -> Result<Option<Duration>> {
    let start = Instant::now();
    let mut io = target.tls(&[ALPN]).await?;
    let _ = io.write_all(bytes).await;
    let _ = io.flush().await;
    let mut scratch = vec![0; 4096];
    let closed =
        tokio::time::timeout(patience, async { while io.read(&mut scratch).await.is_ok_and(|size| size > 0) {} });
    Ok(closed.await.is_ok().then(|| start.elapsed()))
}
