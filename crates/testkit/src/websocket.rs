//! As much of RFC 6455 as a test needs: the accept value, and frames in both directions.

use anyhow::{Result, ensure};
use aws_lc_rs::digest;

const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

pub const TEXT: u8 = 1;
pub const BINARY: u8 = 2;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;
pub const PONG: u8 = 10;

/// `Sec-WebSocket-Accept` for a key.
pub fn accept(key: &str) -> String {
    let hash = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, format!("{key}{GUID}").as_bytes());
    base64(hash.as_ref())
}

pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = three.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for at in 0..4 {
            let digit = DIGITS[(number >> (18 - 6 * at)) as usize & 63];
            text.push(if at <= three.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// One unfragmented frame; a client's are masked.
pub fn frame(opcode: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut bytes = vec![0x80 | opcode];
    let masked = if mask.is_some() { 0x80 } else { 0 };
    match payload.len() {
        short @ 0..=125 => bytes.push(masked | short as u8),
        middle @ 126..=65_535 => {
            bytes.push(masked | 126);
            bytes.extend((middle as u16).to_be_bytes());
        }
        long => {
            bytes.push(masked | 127);
            bytes.extend((long as u64).to_be_bytes());
        }
    }
    let mask = mask.inspect(|mask| bytes.extend(mask)).unwrap_or_default();
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// A frame as it came, unmasked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// FIN, reserved bits and opcode as on the wire.
    pub first: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn opcode(&self) -> u8 {
        self.first & 0x0f
    }
}

/// Takes one whole frame off the front of `bytes`, if there is one.
pub fn take(bytes: &mut Vec<u8>) -> Result<Option<Frame>> {
    let [first, second, rest @ ..] = bytes.as_slice() else { return Ok(None) };
    let (size, extra) = match (second & 0x7f, rest) {
        (126, [a, b, ..]) => (usize::from(u16::from_be_bytes([*a, *b])), 2),
        (127, [a, b, c, d, e, f, g, h, ..]) => {
            (usize::try_from(u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]))?, 8)
        }
        (126 | 127, _) => return Ok(None),
        (short, _) => (usize::from(short), 0),
    };
    ensure!(size <= 64 << 20, "a frame of {size} bytes");
    let masked = second & 0x80 != 0;
    let start = 2 + extra + if masked { 4 } else { 0 };
    if bytes.len() < start + size {
        return Ok(None);
    }
    let first = *first;
    let mask: Vec<u8> = if masked { bytes[start - 4..start].to_vec() } else { vec![0] };
    let payload = bytes[start..start + size].iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    bytes.drain(..start + size);
    Ok(Some(Frame { first, payload }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_6455() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(base64(b"a"), "YQ==");
    }

    #[test]
    fn frames_of_every_length_come_back() {
        for size in [0, 1, 125, 126, 65_535, 65_536] {
            let payload = vec![7; size];
            let mut wire = frame(BINARY, &payload, Some([1, 2, 3, 4]));
            let whole = wire.len();
            assert_eq!(take(&mut wire[..whole - 1].to_vec()).unwrap(), None);
            let frame = take(&mut wire).unwrap().unwrap();
            assert_eq!((frame.opcode(), frame.payload == payload, wire.len()), (BINARY, true, 0));
        }
    }
}
