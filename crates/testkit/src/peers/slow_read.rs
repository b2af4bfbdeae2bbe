//! Asks for much and takes it byte by byte.

use super::Outcome;
use crate::Target;
use anyhow::Result;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Asks for `path` and reads `size` bytes every `pause` until the edge closes or `stay` is over.
pub async fn run(target: &Target, path: &str, size: usize, pause: Duration, stay: Duration) -> Result<Outcome> {
    let mut io = target.tls(&["http/1.1"]).await?;
    let start = Instant::now();
    let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", target.authority());
    io.write_all(request.as_bytes()).await?;
    io.flush().await?;
    let mut outcome = Outcome::default();
    let mut scratch = vec![0; size];
    while start.elapsed() < stay && !outcome.closed {
        tokio::time::sleep(pause).await;
        match tokio::time::timeout(stay, io.read(&mut scratch)).await {
            Ok(Ok(size)) if size > 0 => outcome.answers += 1,
            _ => outcome.closed = true,
        }
    }
    outcome.lived = start.elapsed();
    Ok(outcome)
}
