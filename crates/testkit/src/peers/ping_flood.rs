//! PING without end, the answers never read.

use super::Outcome;
use super::frames::{PING, Peer, frame};
use crate::Target;
use anyhow::Result;
use std::time::Duration;

/// Sends so many PING frames, reading nothing meanwhile.
pub async fn run(target: &Target, frames: u32) -> Result<Outcome> {
    let mut peer = Peer::connect(target, &[]).await?;
    let batch = frame(PING, 0, 0, b"mezusphe").repeat(100);
    for _ in 0..frames / 100 {
        if peer.send(&batch).await.is_err() {
            break;
        }
    }
    peer.end(Duration::from_secs(5)).await
}
