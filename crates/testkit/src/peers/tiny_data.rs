//! An upload of single bytes, one DATA frame and TLS record each, or of empty frames.

use super::Outcome;
use super::frames::{DATA, END_HEADERS, HEADERS, Peer, frame, request};
use crate::Target;
use anyhow::Result;
use std::time::Duration;

/// Sends so many DATA frames of `size` bytes, which should be 0 or 1.
pub async fn run(target: &Target, path: &str, size: usize, frames: u32) -> Result<Outcome> {
    let mut peer = Peer::connect(target, &[]).await?;
    let _ = peer.send(&frame(HEADERS, END_HEADERS, 1, &request("POST", &target.authority(), path))).await;
    let tiny = frame(DATA, 0, 1, &vec![b'x'; size]);
    for number in 0..frames {
        if number % 64 == 0 {
            peer.poll().await?;
        }
        if peer.is_closed() || peer.send(&tiny).await.is_err() {
            break;
        }
    }
    peer.end(Duration::from_secs(1)).await
}
