//! Thousands of damaged connections: no panic, no work left behind, and an end to each.

use std::time::Duration;

use mezu_model::Limits;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{
    frames::{PREFACE, block, frame, good_head},
    raw, run,
};
use crate::http::mutate::Mutator;

fn seeds() -> Vec<Vec<u8>> {
    let get = frame(1, 5, 1, &good_head("GET", "/early"));
    let post =
        [frame(1, 4, 3, &good_head("POST", "/")), frame(0, 8, 3, b"\x02abc\0\0"), frame(0, 1, 3, b"def")].concat();
    let trailers = [frame(1, 4, 5, &good_head("POST", "/")), frame(1, 5, 5, &block(&[("x", "y")]))].concat();
    let pieces = [frame(1, 1, 7, b"\x82\x87"), frame(9, 4, 7, b"\x41\x06a.test\x84")].concat();
    let control = [
        frame(4, 0, 0, &[0, 4, 0, 0, 0, 10, 0, 1, 0, 0, 0, 0]),
        frame(6, 0, 0, b"12345678"),
        frame(8, 0, 0, &[0, 0, 1, 0]),
        frame(2, 0, 9, &[0, 0, 0, 1, 7]),
        frame(3, 0, 1, &[0, 0, 0, 8]),
    ]
    .concat();
    let huffman =
        frame(1, 5, 9, b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff\x40\x01a\x01b\xbe");
    [&get, &post, &trailers, &pieces, &control, &huffman]
        .iter()
        .map(|frames| [PREFACE, frames, &get, &post].concat())
        .collect()
}

#[test]
fn damaged_connections_end_without_a_trace() {
    let seeds = seeds();
    let words: &[&[u8]] =
        &[b"\0\0\0", b"\0\0\x01\0\x01", b"\xff\xff\xff\xff", b"\0\0\x04\x08\0", b"\x3f\xe1\x1f", b"\x20"];
    let mut mutator = Mutator::new(2);
    run(async {
        for n in 0..4000 {
            let bytes = mutator.mutate(&seeds, words);
            let mut conn = raw(Limits::default());
            for piece in mutator.pieces(&bytes) {
                let _ = conn.io.write_all(piece).await;
                tokio::task::yield_now().await;
            }
            let _ = conn.io.shutdown().await;
            let mut back = Vec::new();
            let ended = timeout(Duration::from_secs(600), conn.io.read_to_end(&mut back)).await;
            assert!(ended.is_ok(), "{n} hangs: {bytes:?}");
            assert!(conn.front.await.is_ok(), "{n} panics: {bytes:?}");
            assert_eq!(conn.toy.working.get(), 0, "{n}");
        }
    });
}
