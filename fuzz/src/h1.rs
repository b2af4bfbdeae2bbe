//! A client's bytes on HTTP/1: the front ends, what it hands on is sound, and how the bytes are cut into reads makes no
//! difference to what was understood. The first byte decides how they are cut, the rest is sent.

use mezu_edge::http::Alpn;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::front::{FOREVER, Peer, run as run_virtually};

/// One input.
pub fn run(data: &[u8]) {
    let Some((cut, bytes)) = data.split_first() else { return };
    run_virtually(async {
        let whole = talk(&[bytes]).await;
        let pieces: Vec<&[u8]> = bytes.chunks(usize::from(*cut).max(1)).collect();
        assert_eq!(talk(&pieces).await, whole, "another reading in pieces of {cut}");
    });
}

/// What was answered and what the service saw.
async fn talk(pieces: &[&[u8]]) -> (String, Vec<String>) {
    let mut peer = Peer::new(Alpn::H1, 1 << 20);
    for piece in pieces {
        // The front may have closed.
        let _ = peer.io.write_all(piece).await;
        tokio::task::yield_now().await;
    }
    let _ = peer.io.shutdown().await;
    let mut answers = Vec::new();
    let read = tokio::time::timeout(FOREVER, peer.io.read_to_end(&mut answers)).await;
    assert!(read.is_ok(), "the connection hangs");
    assert!(answers.is_empty() || answers.starts_with(b"HTTP/1.1 "), "{:?}", String::from_utf8_lossy(&answers));
    let seen = peer.service.seen.borrow().clone();
    peer.end().await;
    (String::from_utf8_lossy(&answers).into_owned(), seen)
}
