//! Thousands of damaged conversations: no panic, and the same reading however the bytes are cut.

use std::time::Duration;

use tokio::{io::AsyncWriteExt, time::timeout};

use super::{Peer, run, talk};
use crate::http::mutate::Mutator;

const SEEDS: &[&str] = &[
    "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "GET /a/../b?c=d HTTP/1.1\r\nHost: a.test:8443\r\nCookie: a=b\r\nConnection: close, X-Gone\r\nX-Gone: 1\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhelloGET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n5;x=y\r\nhello\r\nA\r\n0123456789\r\n0\r\n\
     X-Sum: 1\r\n\r\nGET /2 HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "HEAD /early HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\nGET /204 HTTP/1.0\r\nHost: a.test\r\n\r\n",
    "GET https://a.test/x HTTP/1.1\r\nHost: a.test\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\nraw",
];

const WORDS: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b"\r\n ",
    b"Transfer-Encoding: chunked\r\n",
    b"Content-Length: 5\r\n",
    b"Content-Length: 05\r\n",
    b"Host: b.test\r\n",
    b"chunked",
    b"0\r\n\r\n",
    b"ffffffff\r\n",
    b"HTTP/1.0",
    b"%2f",
    b"\xff",
    b"Connection: close\r\n",
    b"X_Mezu: 1\r\n",
];

#[test]
fn damaged_conversations_have_one_reading() {
    let seeds: Vec<Vec<u8>> = SEEDS.iter().map(|s| s.as_bytes().to_vec()).collect();
    let mut mutator = Mutator::new(1);
    run(async {
        for n in 0..4000 {
            let bytes = mutator.mutate(&seeds, WORDS);
            let whole = timeout(Duration::from_secs(600), talk(&bytes)).await;
            let whole = whole.unwrap_or_else(|_| panic!("{n} hangs: {:?}", String::from_utf8_lossy(&bytes)));
            let mut peer = Peer::new();
            for piece in mutator.pieces(&bytes) {
                let _ = peer.io.write_all(piece).await;
                tokio::task::yield_now().await;
            }
            peer.io.shutdown().await.unwrap();
            let answer = peer.rest().await;
            assert!((&mut peer.front).await.is_ok(), "{n} panics");
            assert_eq!((answer, peer.seen()), whole, "{n}: {:?}", String::from_utf8_lossy(&bytes));
        }
    });
}
