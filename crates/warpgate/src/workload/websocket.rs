//! The handshake of RFC 6455 with the workload. The key is ours: the client's stays with the edge, and over HTTP/2
//! there is none.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};

/// RFC 6455 §1.3.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A key and the proof that the workload must answer with.
#[derive(Debug)]
pub(crate) struct Handshake {
    pub key: String,
    accept: String,
}

impl Handshake {
    pub(crate) fn new() -> Self {
        let mut nonce = [0u8; 16];
        mezu_runtime::random::fill(&mut nonce);
        Self::of_key(base64(&nonce))
    }

    fn of_key(key: String) -> Self {
        let proof = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), GUID].concat());
        Self { accept: base64(proof.as_ref()), key }
    }

    /// Whether the workload understood what it was asked.
    pub(crate) fn is_accepted_by(&self, accept: Option<&[u8]>) -> bool {
        accept == Some(self.accept.as_bytes())
    }
}

/// RFC 4648 §4, with padding.
pub(crate) fn base64(data: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(data.len().div_ceil(3) * 4);
    for triple in data.chunks(3) {
        let byte = |i: usize| u32::from(triple.get(i).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            if place > triple.len() {
                out.push('=');
                continue;
            }
            let digit = (bits >> (18 - 6 * place) & 63) as usize;
            out.push(char::from(DIGITS.get(digit).copied().unwrap_or(b'=')));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_rfc() {
        let shake = Handshake::of_key("dGhlIHNhbXBsZSBub25jZQ==".to_owned());
        assert!(shake.is_accepted_by(Some(b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")));
        assert!(!shake.is_accepted_by(Some(b"s3pPLMBiTxaQ9kYGzzhZRbK+xOp=")));
        assert!(!shake.is_accepted_by(None));
        assert_ne!(Handshake::new().key, Handshake::new().key);
    }

    #[test]
    fn base64_pads() {
        assert_eq!(base64(b""), "");
        assert_eq!(base64(b"f"), "Zg==");
        assert_eq!(base64(b"fo"), "Zm8=");
        assert_eq!(base64(b"foo"), "Zm9v");
        assert_eq!(base64(b"user:pass"), "dXNlcjpwYXNz");
    }
}
