//! One hostile connection (threats 7 and 8): its work, memory and frames are bounded.

use std::time::Duration;

use h2::{Reason, client::Builder};
use mezu_model::Limits;
use tokio::{
    io::AsyncWriteExt,
    time::{Instant, sleep, timeout},
};

use super::{
    Peer, collect,
    frames::{PREFACE, block, frame, frames_now, goodbye},
    get, raw, run,
};
use crate::http::ClientGone;

/// A GET for `https://a.test/hang`.
fn hang(stream: u32, end: bool) -> Vec<u8> {
    let block = b"\x82\x87\x41\x06a.test\x44\x05/hang";
    frame(1, if end { 5 } else { 4 }, stream, block)
}

#[test]
fn malformed_heads_are_reset_and_never_served() {
    let good = [(":method", "GET"), (":scheme", "https"), (":authority", "a.test"), (":path", "/")];
    let with = |field: (&'static str, &'static str)| [&good[..], &[field]].concat();
    let without = |name: &str| good.iter().copied().filter(|f| f.0 != name).collect::<Vec<_>>();
    let instead = |name: &'static str, value: &'static str| [&without(name)[..], &[(name, value)]].concat();
    let table = [
        with(("connection", "close")),
        with(("keep-alive", "1")),
        with(("proxy-connection", "close")),
        with(("transfer-encoding", "chunked")),
        with(("upgrade", "websocket")),
        with(("te", "gzip")),
        with(("te", "trailers, gzip")),
        with(("X-Upper", "a")),
        with(("x y", "a")),
        with(("x:y", "a")),
        with(("", "a")),
        with(("x", "a\r\nb: c")),
        with(("x", "a\0b")),
        with(("x", " a")),
        with(("host", "b.test")),
        with(("content-length", "5")),
        with((":path", "/again")),
        with((":authority", "b.test")),
        with((":status", "200")),
        with((":unknown", "x")),
        [&[("x", "y")], &good[..]].concat(),
        without(":method"),
        without(":scheme"),
        without(":path"),
        without(":authority"),
        instead(":path", ""),
        instead(":path", "x"),
        instead(":path", "/a b"),
        instead(":scheme", "ftp"),
        instead(":method", "G T"),
        with((":protocol", "websocket")),
    ];
    run(async {
        for fields in table {
            let mut conn = raw(Limits::default());
            conn.io.write_all(PREFACE).await.unwrap();
            conn.io.write_all(&frame(1, 5, 1, &block(&fields))).await.unwrap();
            let frames = frames_now(&mut conn).await;
            let reset = frames.iter().any(|(kind, payload)| *kind == 3 && payload[..] == [0, 0, 0, 1]);
            let refused = frames.iter().any(|(kind, _)| *kind == 1);
            assert!(reset || refused || frames.iter().any(|(kind, _)| *kind == 7), "{fields:?} {frames:?}");
            assert_eq!(*conn.toy.seen.borrow(), Vec::<String>::new(), "{fields:?}");
        }
        let mut conn = raw(Limits::default());
        conn.io.write_all(PREFACE).await.unwrap();
        conn.io.write_all(&frame(1, 5, 1, &block(&with(("te", "trailers"))))).await.unwrap();
        frames_now(&mut conn).await;
        assert_eq!(*conn.toy.seen.borrow(), ["GET a.test / te=trailers"]);
    });
}

const CALM: Option<u32> = Some(11);

#[test]
fn rapid_reset_ends_the_connection_and_its_work() {
    run(async {
        let mut raw = raw(Limits::default());
        raw.io.write_all(PREFACE).await.unwrap();
        let mut most = 0;
        for n in 0..5_000u32 {
            let id = 2 * n + 1;
            let frames = [hang(id, true), frame(3, 0, id, &8u32.to_be_bytes())].concat();
            if raw.io.write_all(&frames).await.is_err() {
                break;
            }
            if n % 10 == 0 {
                tokio::task::yield_now().await;
            }
            most = most.max(raw.toy.working.get());
        }
        assert_eq!(goodbye(&mut raw).await, CALM);
        assert!(most <= 100, "{most}");
        assert_eq!(raw.toy.working.get(), 0);
        assert!(raw.toy.seen.borrow().len() <= 110, "{}", raw.toy.seen.borrow().len());
    });
}

#[test]
fn floods_of_frames_that_ask_for_nothing_end_the_connection() {
    let settings = frame(4, 0, 0, &[]);
    let ping = frame(6, 0, 0, &[0; 8]);
    let priority = frame(2, 0, 1, &[0, 0, 0, 3, 0]);
    let unknown = frame(0xbb, 0, 0, &[0; 20]);
    let update = frame(8, 0, 0, &1u32.to_be_bytes());
    run(async {
        for (name, flood) in
            [("settings", settings), ("ping", ping), ("priority", priority), ("unknown", unknown), ("update", update)]
        {
            let mut raw = raw(Limits::default());
            raw.io.write_all(PREFACE).await.unwrap();
            for _ in 0..50 {
                if raw.io.write_all(&flood.repeat(20)).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            assert_eq!(goodbye(&mut raw).await, CALM, "{name}");
        }
    });
}

#[test]
fn empty_data_and_continuations_are_bounded() {
    run(async {
        let mut conn = raw(Limits::default());
        conn.io.write_all(PREFACE).await.unwrap();
        conn.io.write_all(&hang(1, false)).await.unwrap();
        let _ = conn.io.write_all(&frame(0, 0, 1, &[]).repeat(1000)).await;
        assert!(goodbye(&mut conn).await.is_some());

        let mut conn = raw(Limits::default());
        conn.io.write_all(PREFACE).await.unwrap();
        let mut flood = frame(1, 1, 1, b"\x82\x87\x41\x06a.test\x84");
        flood.extend(frame(9, 0, 1, b"").repeat(100));
        let _ = conn.io.write_all(&flood).await;
        assert!(goodbye(&mut conn).await.is_some());
        assert_eq!(conn.toy.seen.borrow().len(), 0);
    });
}

#[test]
fn a_client_that_opens_no_window_is_reaped() {
    run(async {
        let mut client = Builder::new();
        client.initial_window_size(0);
        let mut peer = Peer::with(Limits::default(), &client).await;
        let start = Instant::now();
        let answer = peer.ask(get("/big"), None, None).await;
        assert_eq!((answer.status, answer.reset), (200, Some(Reason::ENHANCE_YOUR_CALM)));
        assert_eq!(peer.toy.gone.get(), Some(ClientGone::TooSlow));
        assert!(start.elapsed() < Duration::from_secs(45), "{:?}", start.elapsed());
        // Others on the connection go on.
        assert_eq!(peer.ask(get("/204"), None, None).await.status, 204);
    });
}

#[test]
fn a_cancelled_request_stops_its_work() {
    run(async {
        let mut peer = Peer::new().await;
        let (response, mut stream) = peer.client.send_request(get("/hang"), false).unwrap();
        while peer.toy.working.get() == 0 {
            tokio::task::yield_now().await;
        }
        stream.send_reset(Reason::CANCEL);
        drop(response);
        while peer.toy.working.get() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(peer.toy.gone.get(), Some(ClientGone::Cancelled));
    });
}

#[test]
fn data_in_tiny_frames_is_slowed_down_not_refused() {
    run(async {
        let mut conn = raw(Limits::default());
        conn.io.write_all(PREFACE).await.unwrap();
        let open =
            frame(1, 4, 1, &block(&[(":method", "POST"), (":scheme", "https"), (":authority", "a"), (":path", "/")]));
        conn.io.write_all(&open).await.unwrap();
        let start = Instant::now();
        for _ in 0..50 {
            conn.io.write_all(&frame(0, 0, 1, b"x").repeat(1000)).await.unwrap();
            tokio::task::yield_now().await;
        }
        conn.io.write_all(&frame(0, 1, 1, b"y")).await.unwrap();
        while conn.toy.working.get() > 0 || conn.toy.seen.borrow().is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(conn.toy.gone.get(), None);
        let waited = start.elapsed();
        assert!((Duration::from_millis(900)..Duration::from_secs(4)).contains(&waited), "{waited:?}");
    });
}

#[test]
fn a_client_that_leaves_stops_all_work() {
    run(async {
        let mut conn = raw(Limits::default());
        conn.io.write_all(PREFACE).await.unwrap();
        conn.io.write_all(&hang(1, true)).await.unwrap();
        while conn.toy.working.get() == 0 {
            tokio::task::yield_now().await;
        }
        drop(conn.io);
        timeout(Duration::from_secs(5), conn.front).await.unwrap().unwrap();
        assert_eq!((conn.toy.working.get(), conn.toy.gone.get()), (0, Some(ClientGone::Closed)));
    });
}

#[test]
fn a_client_that_opens_its_window_slowly_in_large_steps_is_served() {
    run(async {
        let mut peer = Peer::new().await;
        let (response, _) = peer.client.send_request(get("/big"), true).unwrap();
        let mut body = response.await.unwrap().into_body();
        let (mut size, mut untold) = (0, 0);
        while let Some(data) = body.data().await {
            let n = data.unwrap().len();
            (size, untold) = (size + n, untold + n);
            if untold >= 32 * 1024 {
                sleep(Duration::from_secs(50)).await;
                body.flow_control().release_capacity(untold).unwrap();
                untold = 0;
            }
        }
        assert_eq!(size, 1 << 20);
    });
}

#[test]
fn a_conversation_may_rest_before_its_answer() {
    run(async {
        let mut peer = Peer::new().await;
        let mut request = get("/");
        request.headers_mut().insert("content-type", "application/grpc+proto".parse().unwrap());
        let (response, mut stream) = peer.client.send_request(request, false).unwrap();
        sleep(Duration::from_secs(600)).await;
        stream.send_data("late".into(), true).unwrap();
        assert_eq!(collect(response.await).await.body, "late");
    });
}

#[test]
fn a_slow_upload_is_cut_off() {
    run(async {
        let mut peer = Peer::new().await;
        let (response, mut stream) = peer.client.send_request(get("/"), false).unwrap();
        let start = Instant::now();
        while peer.toy.gone.get().is_none() && start.elapsed() < Duration::from_secs(100) {
            let _ = stream.send_data("x".into(), false);
            sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(peer.toy.gone.get(), Some(ClientGone::TooSlow));
        assert_eq!(response.await.unwrap().status(), 408);
    });
}

#[test]
fn garbage_and_silence_instead_of_a_preface() {
    run(async {
        let mut conn = raw(Limits::default());
        conn.io.write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await.unwrap();
        timeout(Duration::from_secs(5), &mut conn.front).await.unwrap().unwrap();
        let conn = raw(Limits::default());
        timeout(Duration::from_secs(13), conn.front).await.unwrap().unwrap();
    });
}

#[test]
fn a_header_block_or_a_frame_has_the_time_of_a_head() {
    let ping = frame(6, 0, 0, &[0; 8]);
    let half_head = frame(1, 1, 3, b"\x82\x87\x41\x06a.test\x84");
    let half_frame = ping[..12].to_vec();
    run(async {
        for (what, half, drip) in [("block", half_head, frame(9, 0, 3, b"")), ("frame", half_frame, vec![])] {
            let mut conn = raw(Limits::default());
            conn.io.write_all(PREFACE).await.unwrap();
            // Work that lasts keeps the connection from being idle.
            conn.io.write_all(&hang(1, true)).await.unwrap();
            sleep(Duration::from_secs(60)).await;
            assert!(!conn.front.is_finished());
            let start = Instant::now();
            conn.io.write_all(&half).await.unwrap();
            for _ in 0..4 {
                sleep(Duration::from_secs(2)).await;
                conn.io.write_all(&drip).await.unwrap();
            }
            assert_eq!(goodbye(&mut conn).await, Some(0), "{what}");
            let took = start.elapsed().as_secs();
            assert!((9..=13).contains(&took), "{what} {took}");
            assert_eq!(conn.toy.working.get(), 0);
        }
    });
}

#[test]
fn malformed_requests_count_as_resets_that_were_provoked() {
    let bad = block(&[(":method", "GET"), (":scheme", "https"), (":path", "/"), ("connection", "close")]);
    run(async {
        let mut conn = raw(Limits::default());
        conn.io.write_all(PREFACE).await.unwrap();
        for n in 0..300 {
            if conn.io.write_all(&frame(1, 5, 2 * n + 1, &bad)).await.is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(goodbye(&mut conn).await, CALM);
        assert!(conn.toy.refused.borrow().len() <= 70, "{}", conn.toy.refused.borrow().len());
    });
}

#[test]
fn padding_is_no_data_and_opens_the_window_in_steps() {
    run(async {
        let mut conn = raw(Limits::default());
        conn.io.write_all(PREFACE).await.unwrap();
        conn.io.write_all(&hang(1, false)).await.unwrap();
        // As long as data that counts for something, and empty.
        let empty = frame(0, 8, 1, &[&[255][..], &[0; 255]].concat());
        let _ = conn.io.write_all(&empty.repeat(1000)).await;
        assert_eq!(goodbye(&mut conn).await, CALM);

        let mut conn = raw(Limits::default());
        conn.io.write_all(PREFACE).await.unwrap();
        conn.io.write_all(&hang(1, false)).await.unwrap();
        let padded = frame(0, 8, 1, &[&[255][..], &[b'x'; 64], &[0; 255]].concat());
        conn.io.write_all(&padded.repeat(200)).await.unwrap();
        let updates = frames_now(&mut conn).await.iter().filter(|(kind, _)| *kind == 8).count();
        // One at the greeting, one for the 50 KB of padding.
        assert_eq!(updates, 2);
    });
}

#[test]
fn data_behind_our_reset_is_let_pass_for_one_window() {
    run(async {
        let mut conn = raw(Limits::default());
        conn.io.write_all(PREFACE).await.unwrap();
        let early = block(&[(":method", "POST"), (":scheme", "https"), (":authority", "a.test"), (":path", "/early")]);
        conn.io.write_all(&frame(1, 4, 1, &early)).await.unwrap();
        assert!(frames_now(&mut conn).await.iter().any(|(kind, _)| *kind == 3), "it is reset");
        conn.io.write_all(&frame(0, 0, 1, &[b'x'; 16_000]).repeat(4)).await.unwrap();
        conn.io.write_all(&hang(3, true)).await.unwrap();
        sleep(Duration::from_secs(1)).await;
        assert!(!conn.front.is_finished());
        let _ = conn.io.write_all(&frame(0, 0, 1, &[b'x'; 16_000])).await;
        assert_eq!(goodbye(&mut conn).await, CALM);
    });
}

#[test]
fn of_many_window_sizes_in_one_frame_the_last_counts() {
    run(async {
        let mut conn = raw(Limits::default());
        conn.io.write_all(PREFACE).await.unwrap();
        let mut settings = [&[0, 4][..], &1_000u32.to_be_bytes()].concat().repeat(1000);
        settings.extend([&[0, 4][..], &2_000u32.to_be_bytes()].concat());
        conn.io.write_all(&frame(4, 0, 0, &settings)).await.unwrap();
        let big = block(&[(":method", "GET"), (":scheme", "https"), (":authority", "a.test"), (":path", "/big")]);
        conn.io.write_all(&frame(1, 5, 1, &big)).await.unwrap();
        let frames = frames_now(&mut conn).await;
        let data: usize = frames.iter().filter(|(kind, _)| *kind == 0).map(|(_, payload)| payload.len()).sum();
        assert_eq!(data, 2_000);
    });
}
