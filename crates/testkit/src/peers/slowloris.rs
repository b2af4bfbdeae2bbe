//! A head, one byte at a time.

use super::Outcome;
use crate::Target;
use anyhow::Result;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Sends a byte of an endless head every `pause` until the edge closes or `stay` is over.
pub async fn run(target: &Target, pause: Duration, stay: Duration) -> Result<Outcome> {
    let mut io = target.tls(&["http/1.1"]).await?;
    let start = Instant::now();
    let head = format!("GET / HTTP/1.1\r\nHost: {}\r\nX-Slow: ", target.authority());
    let mut bytes = head.bytes().chain(std::iter::repeat(b'a'));
    let mut outcome = Outcome::default();
    let mut scratch = [0; 4096];
    while start.elapsed() < stay && !outcome.closed {
        let byte = bytes.next().unwrap_or(b'a');
        outcome.closed = io.write_all(&[byte]).await.is_err() || io.flush().await.is_err();
        match tokio::time::timeout(pause, io.read(&mut scratch)).await {
            Ok(Ok(size)) if size > 0 => outcome.answers += 1,
            Ok(_) => outcome.closed = true,
            Err(_) => {}
        }
    }
    outcome.lived = start.elapsed();
    Ok(outcome)
}
