//! A body that was promised and comes one byte at a time.

use super::Outcome;
use crate::Target;
use anyhow::Result;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Promises a megabyte to `path` and sends a byte every `pause` until the edge closes or `stay` is over.
pub async fn run(target: &Target, path: &str, pause: Duration, stay: Duration) -> Result<Outcome> {
    let mut io = target.tls(&["http/1.1"]).await?;
    let start = Instant::now();
    let head = format!("POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Length: 1048576\r\n\r\n", target.authority());
    io.write_all(head.as_bytes()).await?;
    let mut outcome = Outcome::default();
    let mut scratch = [0; 4096];
    while start.elapsed() < stay && !outcome.closed {
        outcome.closed = io.write_all(b"x").await.is_err() || io.flush().await.is_err();
        match tokio::time::timeout(pause, io.read(&mut scratch)).await {
            Ok(Ok(size)) if size > 0 => outcome.answers += 1,
            Ok(_) => outcome.closed = true,
            Err(_) => {}
        }
    }
    outcome.lived = start.elapsed();
    Ok(outcome)
}
