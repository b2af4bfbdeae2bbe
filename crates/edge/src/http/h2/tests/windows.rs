//! Upload windows: they grow for a client that they hold back, and for nobody else. No clock is asked.

use std::rc::Rc;

use mezu_model::Limits;
use mezu_tunnel::proto::ByteBudget;
use tokio::io::AsyncWriteExt;

use super::{
    Raw,
    frames::{PREFACE, frame, frames_now, good_head},
    raw_with, run,
};
use crate::http::{h2::windows::PROBE_PING, toy::Toy};

const KIB: usize = 1024;

/// A front whose windows may grow from so much memory, and an upload that has begun.
async fn upload(memory: usize) -> (Raw, ByteBudget) {
    let memory = ByteBudget::new(memory);
    let toy = Toy { memory: Some(memory.clone()), ..Toy::default() };
    let mut conn = raw_with(Limits::default(), Rc::new(toy));
    conn.io.write_all(PREFACE).await.unwrap();
    conn.io.write_all(&frame(1, 4, 1, &good_head("POST", "/drain"))).await.unwrap();
    frames_now(&mut conn).await;
    (conn, memory)
}

/// What the front says of windows: of the stream, of the connection, and whether it asks.
#[derive(Debug, Default, PartialEq)]
struct Said {
    stream: usize,
    connection: usize,
    asks: bool,
}

async fn said(conn: &mut Raw) -> Said {
    let mut said = Said::default();
    for (stream, kind, payload) in super::frames::numbered_now(conn).await {
        let size = || u32::from_be_bytes(payload[..4].try_into().unwrap()) as usize;
        match (kind, stream) {
            (8, 0) => said.connection += size(),
            (8, _) => said.stream += size(),
            (6, _) => said.asks |= payload == PROBE_PING,
            _ => {}
        }
    }
    said
}

async fn send(conn: &mut Raw, n: usize) {
    send_on(conn, 1, n).await;
}

async fn send_on(conn: &mut Raw, stream: u32, n: usize) {
    for _ in 0..n / (16 * KIB) {
        conn.io.write_all(&frame(0, 0, stream, &[b'x'; 16 * KIB])).await.unwrap();
    }
}

async fn answer_probe(conn: &mut Raw) -> Said {
    conn.io.write_all(&frame(6, 1, 0, &PROBE_PING)).await.unwrap();
    said(conn).await
}

#[test]
fn a_client_that_its_window_holds_back_gets_a_larger_one_up_to_the_most() {
    run(async {
        let (mut conn, memory) = upload(64 << 20).await;
        let (mut allowed, mut grown) = (64 * KIB, 0);
        for _ in 0..20 {
            send(&mut conn, allowed).await;
            let told = said(&mut conn).await;
            allowed = told.stream;
            assert_eq!(told.asks, grown < 960 * KIB);
            if told.asks {
                let widened = answer_probe(&mut conn).await;
                assert_eq!(widened.stream, 64 * KIB + grown);
                assert_eq!(widened.connection, widened.stream);
                (allowed, grown) = (allowed + widened.stream, grown + widened.stream);
                assert_eq!(memory.used(), grown);
            }
        }
        assert_eq!(memory.used(), 960 * KIB);
        conn.io.write_all(&frame(3, 0, 1, &8u32.to_be_bytes())).await.unwrap();
        said(&mut conn).await;
        // The stream is gone; what the client may send on the connection is not yet less.
        let mut given = memory.used();
        assert_eq!(given, 960 * KIB);
        let mut id = 1;
        while given > 0 {
            id += 2;
            conn.io.write_all(&frame(1, 4, id, &good_head("POST", "/drain"))).await.unwrap();
            send_on(&mut conn, id, 64 * KIB).await;
            conn.io.write_all(&frame(0, 1, id, b"")).await.unwrap();
            said(&mut conn).await;
            assert!(memory.used() <= given && id < 99);
            given = memory.used();
        }
    });
}

#[test]
fn a_client_with_room_left_keeps_its_window_and_is_asked_ever_more_rarely() {
    run(async {
        let (mut conn, memory) = upload(64 << 20).await;
        let mut asked = 0;
        for _ in 0..100 {
            send(&mut conn, 32 * KIB).await;
            let now = said(&mut conn).await;
            assert_eq!(now.stream, 32 * KIB);
            if now.asks {
                asked += 1;
                assert_eq!(answer_probe(&mut conn).await.stream, 0);
            }
        }
        assert_eq!((asked, memory.used()), (6, 0));
        assert!(!conn.front.is_finished());
    });
}

#[test]
fn without_memory_to_spare_nothing_grows() {
    run(async {
        let (mut conn, memory) = upload(255 * KIB).await;
        send(&mut conn, 64 * KIB).await;
        assert!(said(&mut conn).await.asks);
        assert_eq!(answer_probe(&mut conn).await, Said::default());
        assert_eq!(memory.used(), 0);
    });
}

#[test]
fn a_reader_that_does_not_read_opens_no_window() {
    run(async {
        let toy = Toy { memory: Some(ByteBudget::new(64 << 20)), ..Toy::default() };
        let mut conn = raw_with(Limits::default(), Rc::new(toy));
        conn.io.write_all(PREFACE).await.unwrap();
        conn.io.write_all(&frame(1, 4, 1, &good_head("POST", "/hang"))).await.unwrap();
        frames_now(&mut conn).await;
        send(&mut conn, 64 * KIB).await;
        assert_eq!(said(&mut conn).await, Said::default());
        // An answer to what was not asked is nothing but a control frame.
        assert_eq!(answer_probe(&mut conn).await, Said::default());
    });
}
