//! Raw frames: made, sent and read back.

use std::time::Duration;

use tokio::{io::AsyncReadExt, time::timeout};

use super::Raw;

/// The connection preface and empty SETTINGS.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The reason of the GOAWAY that ends the connection.
pub(super) async fn goodbye(raw: &mut Raw) -> Option<u32> {
    let frames = all_frames(raw).await;
    let (_, payload) = frames.iter().rfind(|(kind, _)| *kind == 7)?;
    Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()))
}

/// Kind and payload of all frames until the connection ends.
pub(super) async fn all_frames(raw: &mut Raw) -> Vec<(u8, Vec<u8>)> {
    let mut bytes = Vec::new();
    let read = timeout(Duration::from_secs(60), raw.io.read_to_end(&mut bytes)).await;
    assert!(read.is_ok(), "the connection stays open");
    split(&bytes)
}

/// Kind and payload of the frames that come within a second.
pub(super) async fn frames_now(raw: &mut Raw) -> Vec<(u8, Vec<u8>)> {
    let mut bytes = Vec::new();
    while let Ok(Ok(1..)) = timeout(Duration::from_secs(1), raw.io.read_buf(&mut bytes)).await {}
    split(&bytes)
}

/// The same with the stream of each.
pub(super) async fn numbered_now(raw: &mut Raw) -> Vec<(u32, u8, Vec<u8>)> {
    let mut bytes = Vec::new();
    while let Ok(Ok(1..)) = timeout(Duration::from_secs(1), raw.io.read_buf(&mut bytes)).await {}
    numbered(&bytes)
}

pub(super) fn split(bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    numbered(bytes).into_iter().map(|(_, kind, payload)| (kind, payload)).collect()
}

fn numbered(bytes: &[u8]) -> Vec<(u32, u8, Vec<u8>)> {
    let mut rest = bytes;
    let mut frames = Vec::new();
    while let [a, b, c, kind, _, s0, s1, s2, s3, ..] = *rest {
        let length = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        frames.push((u32::from_be_bytes([s0, s1, s2, s3]), kind, rest[9..9 + length].to_vec()));
        rest = &rest[9 + length..];
    }
    frames
}

/// Fields as literals without indexing (RFC 7541 §6.2.2).
pub(super) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).unwrap());
            block.extend(text.as_bytes());
        }
    }
    block
}

/// A request's head.
pub(super) fn good_head(method: &str, path: &str) -> Vec<u8> {
    block(&[(":method", method), (":scheme", "https"), (":authority", "a.test"), (":path", path)])
}
