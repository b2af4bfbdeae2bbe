//! Where bodies end, both ways (threats 3, 6, 25).

use super::{Peer, run, status, talk};

const POST: &str = "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";
const NEXT: &str = "GET /next HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\ndate: now\r\n";

#[test]
fn chunked_bodies_are_read_to_their_end_and_no_further() {
    let table: &[(&str, &str)] = &[
        ("0\r\n\r\n", ""),
        ("5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"),
        ("00000005\r\nhello\r\n000\r\n\r\n", "hello"),
        ("A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", "01234567890123456789"),
        ("5;x=y\r\nhello\r\n0;last\r\n\r\n", "hello"),
        ("5;x=\"a;b\"\r\nhello\r\n0\r\n\r\n", "hello"),
    ];
    run(async {
        for (body, expected) in table {
            let (answer, seen) = talk(format!("{POST}{body}{NEXT}")).await;
            assert_eq!(seen.len(), 2, "{body:?}: {answer:?}");
            let length = expected.len();
            assert!(
                answer.starts_with(&format!("{OK}content-length: {length}\r\n\r\n{expected}HTTP/1.1 200")),
                "{body:?}: {answer:?}"
            );
            // The same one byte at a time.
            let mut peer = Peer::new();
            for byte in format!("{POST}{body}{NEXT}").as_bytes() {
                peer.send([*byte]).await;
                tokio::task::yield_now().await;
            }
            assert_eq!(peer.rest().await, answer, "{body:?}");
        }
    });
}

#[test]
fn bad_chunks_are_refused_and_nothing_behind_them_is_served() {
    let table = [
        "x\r\n",
        "\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "5 \r\nhello\r\n0\r\n\r\n",
        "+5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhelloX\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "fffffffffffffffff\r\n",
        "10000000000000000\r\n",
        "5;\r\nhello\r\n0\r\n\r\n",
        "5;a\rb\r\nhello\r\n0\r\n\r\n",
        "5;a\x01\r\nhello\r\n0\r\n\r\n",
        "0\r\n\n",
        "0\n\r\n",
        "0\r\nA: b\n\r\n",
        "0\r\nA : b\r\n\r\n",
        "0\r\nA: b\r\n c\r\n\r\n",
        "0\r\nA_B: b\r\n\r\n",
        "0\r\n: b\r\n\r\n",
        "-1\r\n",
        ";\r\n",
    ];
    run(async {
        for body in table {
            let (answer, seen) = talk(format!("{POST}{body}{NEXT}")).await;
            assert_eq!((status(&answer), seen.len()), (400, 1), "{body:?}: {answer:?}");
            assert!(answer.contains("connection: close"), "{body:?}: {answer:?}");
            assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{body:?}: {answer:?}");
        }
    });
}

#[test]
fn chunk_framing_is_bounded() {
    run(async {
        let extended = format!("1;{}\r\nx\r\n", "e".repeat(200)).repeat(200);
        let (answer, _) = talk(format!("{POST}{extended}0\r\n\r\n")).await;
        assert_eq!(status(&answer), 400);
        let (answer, _) = talk(format!("{POST}1;{}", "e".repeat(400))).await;
        assert_eq!(status(&answer), 400);
        let small = "1\r\nx\r\n".repeat(5000);
        let (answer, _) = talk(format!("{POST}{small}0\r\n\r\n")).await;
        assert_eq!(status(&answer), 200);
        let trailers = "A: b\r\n".repeat(17);
        let (answer, _) = talk(format!("{POST}0\r\n{trailers}\r\n")).await;
        assert_eq!(status(&answer), 400);
        let (answer, _) = talk(format!("{POST}0\r\nA: {}", "b".repeat(9000))).await;
        assert_eq!(status(&answer), 400);
    });
}

#[test]
fn small_chunks_go_on_together() {
    run(async {
        let post = POST.replace("POST /", "POST /parts");
        let (answer, _) = talk(format!("{post}{}0\r\n\r\n", "1\r\nx\r\n".repeat(1000))).await;
        assert!(answer.ends_with("\r\n\r\n1"), "{answer}");
        let (answer, _) = talk(format!("{post}{}0\r\nA: b\r\n\r\n", "1\r\nx\r\n".repeat(10))).await;
        assert!(answer.ends_with("\r\n\r\n1"), "{answer}");
    });
}

/// Found by fuzzing: looking at what is buffered read the trailers, and lost them.
#[test]
fn trailers_of_an_empty_body_are_not_lost_when_all_comes_at_once() {
    run(async {
        let post = "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n";
        let (answer, _) = talk(format!("{post}0\r\nX-Sum: 1\r\n\r\n{NEXT}")).await;
        assert!(answer.contains("\r\n0\r\nx-sum: 1\r\n\r\nHTTP/1.1 200 "), "{answer}");
    });
}

#[test]
fn trailers_pass_both_ways_where_they_may() {
    run(async {
        let trailers = "0\r\nX-Sum: 1\r\nContent-Length: 9\r\nMezu-User: x\r\nX-Forwarded-For: 1\r\nCookie: a\r\n\r\n";
        let post = "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n3\r\nabc\r\n";
        let (answer, _) = talk(format!("{post}{trailers}")).await;
        assert_eq!(answer, format!("{OK}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 1\r\n\r\n"));
        // A client that did not ask for them gets none.
        let (answer, _) = talk(format!("{POST}3\r\nabc\r\n{trailers}")).await;
        assert_eq!(answer, format!("{OK}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"));
        // Nothing but dropped trailers is no trailers.
        let (answer, _) = talk(format!("{POST}3\r\nabc\r\n0\r\nHost: b\r\n\r\n")).await;
        assert_eq!(answer, format!("{OK}content-length: 3\r\n\r\nabc"));
    });
}

#[test]
fn answers_of_unknown_length() {
    let chunks = "3\r\none\r\n21\r\ntwo, which is longer than fifteen\r\n";
    run(async {
        let (answer, _) = talk("GET /chunked HTTP/1.1\r\nHost: a.test\r\nTE: trailers\r\n\r\n").await;
        assert_eq!(answer, format!("{OK}transfer-encoding: chunked\r\n\r\n{chunks}0\r\ngrpc-status: 0\r\n\r\n"));
        let (answer, _) = talk("GET /chunked HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n").await;
        assert_eq!(answer, format!("{OK}connection: close\r\n\r\nonetwo, which is longer than fifteen"));
    });
}

#[test]
fn answers_without_a_body_have_none() {
    let table = [
        ("HEAD /early", "HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 5\r\n\r\n"),
        ("HEAD /chunked", "HTTP/1.1 200 OK\r\ndate: now\r\n\r\n"),
        ("GET /204", "HTTP/1.1 204 No Content\r\ndate: now\r\n\r\n"),
        ("GET /304", "HTTP/1.1 304 Not Modified\r\ndate: now\r\ncontent-length: 5\r\n\r\n"),
    ];
    run(async {
        for (line, expected) in table {
            let next = "GET /early HTTP/1.1\r\nHost: a.test\r\n\r\n";
            let (answer, seen) = talk(format!("{line} HTTP/1.1\r\nHost: a.test\r\n\r\n{next}")).await;
            assert_eq!(answer, format!("{expected}{OK}content-length: 5\r\n\r\nearly"), "{line}");
            assert_eq!(seen.len(), 2);
        }
    });
}

#[test]
fn answers_that_break_their_promise_are_not_ended_cleanly() {
    run(async {
        for (path, expected) in [
            ("/short", format!("{OK}content-length: 10\r\n\r\nfive!")),
            ("/long", format!("{OK}content-length: 2\r\n\r\n")),
            ("/abort", format!("{OK}transfer-encoding: chunked\r\n\r\n4\r\nsome\r\n")),
        ] {
            let next = "GET /early HTTP/1.1\r\nHost: a.test\r\n\r\n";
            let (answer, seen) = talk(format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n{next}")).await;
            assert_eq!((answer, seen.len()), (expected, 1), "{path}");
        }
    });
}

#[test]
fn an_early_answer_drains_a_small_body_and_closes_over_a_large_one() {
    run(async {
        let body = "x".repeat(60_000);
        let post = format!("POST /early HTTP/1.1\r\nHost: a.test\r\nContent-Length: 60000\r\n\r\n{body}");
        let (answer, seen) = talk(format!("{post}{NEXT}")).await;
        assert_eq!(seen.len(), 2, "{answer}");

        let post = "POST /early HTTP/1.1\r\nHost: a.test\r\nContent-Length: 70000\r\n\r\n".to_owned();
        let (answer, seen) = talk(format!("{post}{}{NEXT}", "x".repeat(70_000))).await;
        assert_eq!((seen.len(), answer.contains("connection: close")), (1, true), "{answer}");

        let chunks = format!("8000\r\n{}\r\n", "x".repeat(0x8000)).repeat(3);
        let post = format!("{}{chunks}0\r\n\r\n{NEXT}", POST.replace("POST /", "POST /early"));
        let (answer, seen) = talk(post).await;
        assert_eq!((seen.len(), status(&answer)), (1, 200), "{answer}");

        // A malformed rest ends it as well.
        let post = format!("{}2\r\nabXX{NEXT}", POST.replace("POST /", "POST /early"));
        let (answer, seen) = talk(post).await;
        assert_eq!((seen.len(), answer), (1, format!("{OK}content-length: 5\r\n\r\nearly")));
    });
}

#[test]
fn a_body_cut_short_is_never_taken_for_whole() {
    run(async {
        for raw in [
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nabc".to_owned(),
            format!("{POST}5\r\nhel"),
            format!("{POST}5\r\nhello\r\n"),
            format!("{POST}5\r\nhello\r\n0\r\n"),
        ] {
            let (answer, seen) = talk(&raw).await;
            assert_eq!((answer.as_str(), seen.len()), ("", 1), "{raw:?}");
        }
    });
}

#[test]
fn interim_answers() {
    run(async {
        let mut peer = Peer::new();
        let head = "POST /continue HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n";
        peer.send(head).await;
        assert_eq!(peer.until("\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
        peer.send("abc").await;
        assert_eq!(peer.until("abc").await, format!("{OK}content-length: 3\r\n\r\nabc"));
        // The connection is good for more.
        peer.send(NEXT).await;
        assert_eq!(status(&peer.rest().await), 200);

        // A final answer instead: whether the body follows is unknown, so nothing is read behind it.
        let mut peer = Peer::new();
        peer.send(head.replace("/continue", "/early")).await;
        let answer = peer.rest().await;
        assert_eq!(answer, format!("{OK}content-length: 5\r\nconnection: close\r\n\r\nearly"));

        // HTTP/1.1 clients may not know 103; HTTP/1.0 ones no interim answer at all.
        let (answer, _) = talk("GET /hints HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
        assert_eq!(answer, format!("{OK}content-length: 0\r\n\r\n"));
        let (answer, _) = talk("GET /continue HTTP/1.0\r\nHost: a.test\r\n\r\n").await;
        assert_eq!(answer, format!("{OK}content-length: 0\r\nconnection: close\r\n\r\n"));
    });
}
