//! One frame sequence per rule of RFC 9113 and RFC 7541 that a client can break, and what it gets.

use mezu_model::Limits;
use tokio::io::AsyncWriteExt;

use super::{
    frames::{PREFACE, block, frame, frames_now, good_head, split},
    raw, run,
};

const PROTOCOL: u32 = 1;
const FLOW: u32 = 3;
const CLOSED: u32 = 5;
const SIZE: u32 = 6;
const COMPRESSION: u32 = 9;
const CALM: u32 = 11;

#[derive(Debug, PartialEq, Clone, Copy)]
enum Outcome {
    /// GOAWAY with this code, and the connection ends.
    Connection(u32),
    /// RST_STREAM with this code; the connection goes on.
    Stream(u32),
    /// Neither.
    Fine,
}

use Outcome::{Connection, Fine, Stream};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const WITH_PRIORITY: u8 = 0x20;

/// A request that waits for its body: `POST /` is echoed once it is whole.
fn open(id: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, id, &good_head("POST", "/"))
}

/// A whole request that is never answered.
fn hang(id: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, id, &good_head("GET", "/hang"))
}

/// A request that was answered at once.
fn done(id: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, id, &good_head("GET", "/early"))
}

fn setting(id: u16, value: u32) -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
}

fn update(stream: u32, increment: u32) -> Vec<u8> {
    frame(WINDOW, 0, stream, &increment.to_be_bytes())
}

fn reset(stream: u32) -> Vec<u8> {
    frame(RST, 0, stream, &8u32.to_be_bytes())
}

fn with_length(length: &str) -> Vec<u8> {
    let fields = [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "a.test"),
        (":path", "/"),
        ("content-length", length),
    ];
    block(&fields)
}

type Case = (&'static str, Vec<Vec<u8>>, Outcome);

fn connection_rules() -> Vec<Case> {
    let long = frame(DATA, 0, 1, &[0; 16_385]);
    vec![
        ("a frame that is too long", vec![open(1), long], Connection(SIZE)),
        ("long headers", vec![frame(HEADERS, END_HEADERS, 1, &[0; 16_385])], Connection(SIZE)),
        ("unknown frames", vec![frame(0x16, 0xff, 0, &[0; 8]), frame(0x16, 0, 77, &[])], Fine),
        ("undefined flags", vec![frame(PING, 0x16, 0, &[0; 8])], Fine),
        ("reserved bit", vec![frame(PING, 0, 0x8000_0000, &[0; 8])], Fine),
        (
            "unknown frame within a block",
            vec![frame(HEADERS, 0, 1, &good_head("GET", "/")), frame(0x16, 0, 0, &[0; 8])],
            Connection(PROTOCOL),
        ),
        ("data on 0", vec![frame(DATA, END_STREAM, 0, b"x")], Connection(PROTOCOL)),
        ("headers on 0", vec![frame(HEADERS, 5, 0, &good_head("GET", "/"))], Connection(PROTOCOL)),
        ("priority on 0", vec![frame(PRIORITY, 0, 0, &[0, 0, 0, 1, 0])], Connection(PROTOCOL)),
        ("priority of 4", vec![frame(PRIORITY, 0, 1, &[0; 4])], Connection(SIZE)),
        ("priority on idle", vec![frame(PRIORITY, 0, 1, &[0, 0, 0, 3, 0]), done(1)], Fine),
        ("priority on itself", vec![frame(PRIORITY, 0, 1, &[0, 0, 0, 1, 0])], Connection(PROTOCOL)),
        ("reset on 0", vec![reset(0)], Connection(PROTOCOL)),
        ("reset on idle", vec![reset(1)], Connection(PROTOCOL)),
        ("reset of 3", vec![hang(1), frame(RST, 0, 1, &[0; 3])], Connection(SIZE)),
        ("settings ack of 1", vec![frame(SETTINGS, 1, 0, &[0])], Connection(SIZE)),
        ("settings on 1", vec![frame(SETTINGS, 0, 1, &[])], Connection(PROTOCOL)),
        ("settings of 3", vec![frame(SETTINGS, 0, 0, &[0; 3])], Connection(SIZE)),
        ("push of 2", vec![setting(2, 2)], Connection(PROTOCOL)),
        ("window of 2^31", vec![setting(4, 1 << 31)], Connection(FLOW)),
        ("frame size below", vec![setting(5, 16_383)], Connection(PROTOCOL)),
        ("frame size above", vec![setting(5, 1 << 24)], Connection(PROTOCOL)),
        ("unknown setting", vec![setting(0xff, 1)], Fine),
        ("push promise", vec![hang(1), frame(PUSH, 4, 1, &[0, 0, 0, 2])], Connection(PROTOCOL)),
        ("ping on 1", vec![frame(PING, 0, 1, &[0; 8])], Connection(PROTOCOL)),
        ("ping of 6", vec![frame(PING, 0, 0, &[0; 6])], Connection(SIZE)),
        ("goaway on 1", vec![frame(GOAWAY, 0, 1, &[0; 8])], Connection(PROTOCOL)),
        ("goaway of 4", vec![frame(GOAWAY, 0, 0, &[0; 4])], Connection(SIZE)),
        ("update of 0", vec![update(0, 0)], Connection(PROTOCOL)),
        ("update of 3", vec![frame(WINDOW, 0, 0, &[0; 3])], Connection(SIZE)),
        ("update above 2^31", vec![update(0, 0x7fff_ffff)], Connection(FLOW)),
        ("update on idle", vec![update(1, 1)], Connection(PROTOCOL)),
        ("data on idle", vec![frame(DATA, 1, 1, b"x")], Connection(PROTOCOL)),
        ("continuation alone", vec![frame(CONTINUATION, 4, 1, &[])], Connection(PROTOCOL)),
        ("even stream", vec![hang(2)], Connection(PROTOCOL)),
        ("ids must grow", vec![hang(5), done(3)], Connection(CLOSED)),
        ("broken block", vec![frame(HEADERS, 5, 1, b"\xff\xff\xff\xff\xff\xff")], Connection(COMPRESSION)),
        ("table too large", vec![frame(HEADERS, 5, 1, b"\x3f\xe2\x1f\x82")], Connection(COMPRESSION)),
    ]
}

fn stream_rules() -> Vec<Case> {
    let head = good_head("GET", "/early");
    let (first, rest) = head.split_at(5);
    let split = |flags: u8| frame(HEADERS, flags, 1, first);
    let selfish = [&[0, 0, 0, 1, 0][..], &head].concat();
    vec![
        ("a block in pieces", vec![split(1), frame(CONTINUATION, 0, 1, b""), frame(CONTINUATION, 4, 1, rest)], Fine),
        ("a block cut by another stream", vec![split(1), frame(CONTINUATION, 4, 3, rest)], Connection(PROTOCOL)),
        ("a block cut by data", vec![split(0), frame(DATA, 1, 1, b"x")], Connection(PROTOCOL)),
        ("continuations without end", vec![split(1), frame(CONTINUATION, 0, 1, b"").repeat(6)], Connection(CALM)),
        ("headers within padding", vec![frame(HEADERS, 13, 1, &[&[200][..], &head].concat())], Connection(PROTOCOL)),
        ("padded headers", vec![frame(HEADERS, 13, 1, &[&[2][..], &head, &[0; 2]].concat())], Fine),
        (
            "prioritised headers",
            vec![frame(HEADERS, 5 | WITH_PRIORITY, 1, &[&[0, 0, 0, 3, 9][..], &head].concat())],
            Fine,
        ),
        (
            "headers that depend on themselves",
            vec![frame(HEADERS, 5 | WITH_PRIORITY, 1, &selfish)],
            Connection(PROTOCOL),
        ),
        ("data within padding", vec![open(1), frame(DATA, PADDED, 1, &[6, 0, 0, 0, 0, 0])], Connection(PROTOCOL)),
        ("padding without data", vec![open(1), frame(DATA, PADDED, 1, &[])], Connection(SIZE)),
        ("padded data", vec![open(1), frame(DATA, PADDED | END_STREAM, 1, &[2, b'a', 0, 0])], Fine),
        ("data behind the end", vec![hang(1), frame(DATA, 1, 1, b"x")], Stream(CLOSED)),
        ("headers behind the end", vec![hang(1), hang(1)], Stream(CLOSED)),
        ("data behind a reset", vec![hang(1), reset(1), frame(DATA, 1, 1, b"x")], Connection(CLOSED)),
        ("headers behind a reset", vec![hang(1), reset(1), hang(1)], Connection(CLOSED)),
        ("update behind a reset", vec![hang(1), reset(1), update(1, 1)], Fine),
        ("reset twice", vec![hang(1), reset(1), reset(1)], Fine),
        (
            "trailers that do not end",
            vec![open(1), frame(HEADERS, END_HEADERS, 1, &block(&[("x", "y")]))],
            Stream(PROTOCOL),
        ),
        ("pseudo-header in trailers", vec![open(1), frame(HEADERS, 5, 1, &block(&[(":path", "/")]))], Stream(PROTOCOL)),
        ("trailers", vec![open(1), frame(HEADERS, 5, 1, &block(&[("x", "y")]))], Fine),
        ("update of 0", vec![hang(1), update(1, 0)], Stream(PROTOCOL)),
        ("update above 2^31", vec![hang(1), update(1, 0x7fff_ffff)], Stream(FLOW)),
        (
            "a window that grows too large",
            vec![hang(1), update(1, 0x7fff_0000), setting(4, 0x7fff_ffff)],
            Connection(FLOW),
        ),
        ("more than the window", vec![open(1), frame(DATA, 0, 1, &[0; 16_384]).repeat(5)], Stream(FLOW)),
        (
            "length not kept, short",
            vec![frame(HEADERS, 4, 1, &with_length("3")), frame(DATA, 1, 1, b"x")],
            Stream(PROTOCOL),
        ),
        (
            "length not kept, long",
            vec![frame(HEADERS, 4, 1, &with_length("1")), frame(DATA, 0, 1, b"xyz")],
            Stream(PROTOCOL),
        ),
        ("length not kept, none", vec![frame(HEADERS, 5, 1, &with_length("1"))], Stream(PROTOCOL)),
        (
            "length kept over many",
            vec![
                frame(HEADERS, 4, 1, &with_length("2")),
                frame(DATA, 0, 1, b"x"),
                frame(DATA, 0, 1, b"y"),
                frame(DATA, 1, 1, b""),
            ],
            Fine,
        ),
        (
            "length not kept, trailers",
            vec![
                frame(HEADERS, 4, 1, &with_length("2")),
                frame(DATA, 0, 1, b"x"),
                frame(HEADERS, 5, 1, &block(&[("x", "y")])),
            ],
            Stream(PROTOCOL),
        ),
    ]
}

async fn outcome(frames: &[Vec<u8>]) -> (Outcome, Vec<(u8, Vec<u8>)>) {
    let mut conn = raw(Limits::default());
    conn.io.write_all(PREFACE).await.unwrap();
    for frame in frames {
        let _ = conn.io.write_all(frame).await;
        tokio::task::yield_now().await;
    }
    let back = frames_now(&mut conn).await;
    let code = |kind: u8, at: usize| {
        back.iter().find(|f| f.0 == kind).map(|f| u32::from_be_bytes(f.1[at..at + 4].try_into().unwrap()))
    };
    let outcome = match (code(GOAWAY, 4), code(RST, 0)) {
        (Some(reason), _) => Connection(reason),
        (None, Some(reason)) => Stream(reason),
        (None, None) => Fine,
    };
    // Whatever happened to a stream, the connection serves the next one, and a dead one nothing.
    let _ = conn.io.write_all(&done(99)).await;
    let answered = frames_now(&mut conn).await.iter().any(|f| f.0 == HEADERS);
    assert_eq!(answered, !matches!(outcome, Connection(_)), "{outcome:?} {back:?}");
    (outcome, back)
}

#[test]
fn every_rule_and_its_consequence() {
    run(async {
        for (name, frames, expected) in connection_rules().into_iter().chain(stream_rules()) {
            let (outcome, back) = outcome(&frames).await;
            assert_eq!(outcome, expected, "{name}: {back:?}");
        }
    });
}

#[test]
fn windows_are_enforced_both_ways() {
    run(async {
        // Nobody reads this body, so its window is never opened again.
        let stuck = frame(HEADERS, END_HEADERS, 1, &good_head("POST", "/hang"));
        let full = frame(DATA, 0, 1, &[0; 16_384]).repeat(4);
        assert_eq!(outcome(&[stuck.clone(), full.clone()]).await.0, Fine);
        assert_eq!(outcome(&[stuck, full, frame(DATA, 0, 1, b"x")]).await.0, Stream(FLOW));

        // Ours towards the client: nothing leaves before it opens its window, and never more than it holds.
        let mut conn = raw(Limits::default());
        conn.io.write_all(PREFACE).await.unwrap();
        conn.io.write_all(&setting(4, 3)).await.unwrap();
        conn.io.write_all(&done(1)).await.unwrap();
        let data = |frames: &[(u8, Vec<u8>)]| {
            frames.iter().filter(|f| f.0 == DATA).map(|f| String::from_utf8(f.1.clone()).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(data(&frames_now(&mut conn).await), ["ear"]);
        conn.io.write_all(&update(1, 1)).await.unwrap();
        assert_eq!(data(&frames_now(&mut conn).await), ["l"]);
        // A window may become negative.
        conn.io.write_all(&setting(4, 0)).await.unwrap();
        conn.io.write_all(&update(1, 3)).await.unwrap();
        assert_eq!(data(&frames_now(&mut conn).await), Vec::<String>::new());
        conn.io.write_all(&update(1, 9)).await.unwrap();
        assert_eq!(data(&frames_now(&mut conn).await), ["y"]);
    });
}

#[test]
fn frames_may_come_byte_by_byte() {
    run(async {
        let mut conn = raw(Limits::default());
        for byte in [PREFACE, &open(1), &frame(DATA, PADDED | END_STREAM, 1, &[2, b'a', b'b', 0, 0])].concat() {
            conn.io.write_all(&[byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        let frames = frames_now(&mut conn).await;
        assert!(frames.contains(&(DATA, b"ab".to_vec())), "{frames:?}");
    });
}

#[test]
fn what_is_written_is_what_was_meant() {
    let mut out = Vec::new();
    super::super::frame::header_block(&mut out, 7, true, 10, |block| block.extend_from_slice(&[b'h'; 25]));
    let frames = split(&out);
    assert_eq!(frames, [(HEADERS, vec![b'h'; 10]), (CONTINUATION, vec![b'h'; 10]), (CONTINUATION, vec![b'h'; 5])]);
    assert_eq!((out[4], out[4 + 19], out[4 + 38]), (END_STREAM, 0, END_HEADERS));
}
