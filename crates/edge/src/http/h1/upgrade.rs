//! The proof that a WebSocket request was understood (RFC 6455 §4.2.2).

use aws_lc_rs::digest;

const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// `Sec-WebSocket-Accept` for a client's key.
pub(crate) fn accept(key: &[u8; 24]) -> [u8; 28] {
    let mut context = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    context.update(key);
    context.update(GUID);
    base64(context.finish().as_ref())
}

/// Base64 of 20 bytes.
fn base64(bytes: &[u8]) -> [u8; 28] {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = [b'='; 28];
    for (group, chunk) in out.chunks_mut(4).zip(bytes.chunks(3)) {
        let word = chunk.iter().enumerate().fold(0u32, |word, (i, b)| word | u32::from(*b) << (16 - 8 * i));
        for (place, slot) in group.iter_mut().take(chunk.len() + 1).enumerate() {
            let index = (word >> (18 - 6 * place)) & 63;
            *slot = ALPHABET.get(index as usize).copied().unwrap_or(b'=');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_example_of_rfc_6455() {
        assert_eq!(&super::accept(b"dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
