#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::*;

/// Everything a reader made of some bytes, offered whole and then byte by byte.
#[derive(Debug, Default, PartialEq)]
struct Read {
    interim: Vec<u16>,
    head: Option<ResponseHead>,
    body: Vec<u8>,
    trailers: Option<Box<Headers>>,
    done: bool,
    keep_alive: bool,
    surplus: usize,
}

fn read(asked: Asked, input: &[u8], step: usize) -> Result<Read, BadResponse> {
    let mut reader = Reader::new(asked);
    let (mut out, mut head, mut kept) = (Read::default(), ResponseHead::default(), Vec::<u8>::new());
    for piece in input.chunks(step) {
        kept.extend_from_slice(piece);
        while !kept.is_empty() && !out.done {
            match reader.step(&mut kept, &mut head)? {
                Step::More => break,
                Step::Interim { consumed } => {
                    out.interim.push(head.status);
                    kept.drain(..consumed);
                }
                Step::Final { consumed } => {
                    out.head = Some(head.clone());
                    out.done = reader.is_done();
                    kept.drain(..consumed);
                }
                Step::Body { payload, consumed, done } => {
                    out.body.extend_from_slice(&kept[payload]);
                    kept.drain(..consumed);
                    out.done = done;
                    if done {
                        out.trailers = reader.take_trailers();
                    }
                }
            }
        }
    }
    if !out.done {
        reader.closed()?;
        out.done = true;
    }
    out.surplus = kept.len();
    out.keep_alive = reader.keeps_alive();
    Ok(out)
}

fn both(asked: Asked, input: &[u8]) -> Result<Read, BadResponse> {
    let whole = read(asked, input, input.len().max(1));
    if input.len() < 4096 {
        assert_eq!(whole, read(asked, input, 1), "{:?}", String::from_utf8_lossy(input));
    }
    whole
}

fn get(input: &[u8]) -> Result<Read, BadResponse> {
    both(Asked::default(), input)
}

#[test]
fn good_responses() {
    let length = get(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\n\r\nhello").unwrap();
    assert!(length.keep_alive && length.body == b"hello" && length.head.unwrap().headers.len() == 2);
    let chunked = get(b"HTTP/1.1 200\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n").unwrap();
    assert!(chunked.keep_alive && chunked.body == b"hello" && chunked.trailers.unwrap().len() == 1);
    assert!(chunked.head.unwrap().headers.is_empty());
    let closed = get(b"HTTP/1.1 200 OK\r\n\r\nhello").unwrap();
    assert!(!closed.keep_alive && closed.body == b"hello");
    let old = get(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi").unwrap();
    assert!(!old.keep_alive && old.body == b"hi");
    let empty = get(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert!(empty.keep_alive && empty.done);
}

#[test]
fn bodies_that_are_not_there() {
    let head = Asked { head_only: true, ..Default::default() };
    let answer = both(head, b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n").unwrap();
    assert!(answer.done && answer.keep_alive);
    assert_eq!(answer.head.unwrap().headers.find(known::CONTENT_LENGTH), Some(&b"500"[..]));
    let not_modified = get(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n").unwrap();
    assert!(not_modified.done && not_modified.keep_alive);
    let none = get(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert!(none.done && none.keep_alive && none.head.unwrap().headers.is_empty());
}

#[test]
fn interim_answers_come_before_the_final_one() {
    let two = get(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .unwrap();
    assert_eq!(two.interim, [100, 103]);
    assert_eq!(two.head.unwrap().status, 200);
}

#[test]
fn hop_by_hop_fields_stay_behind() {
    let answer = get(
        b"HTTP/1.1 200 OK\r\nConnection: close, X-Private, Content-Length\r\nX-Private: 1\r\nKeep-Alive: timeout=5\r\n\
          Proxy-Connection: x\r\nUpgrade: h2c\r\nX-Mezu-Ray: forged\r\nMezu-Ray: forged\r\nX-Odd_Name: 1\r\nX-Public: 2\r\n\
          Content-Length: 0\r\n\r\n",
    )
    .unwrap();
    let headers = answer.head.unwrap().headers;
    let names: Vec<_> = headers.iter().map(|h| String::from_utf8_lossy(h.name).into_owned()).collect();
    assert_eq!(names, ["x-public", "content-length"]);
    assert!(!answer.keep_alive);
}

/// Threat 25: each of these is refused, however its bytes are cut.
#[test]
fn thirty_bad_responses() {
    let many_fields = [&b"HTTP/1.1 200 OK\r\n"[..], &b"a: b\r\n".repeat(101), b"\r\n"].concat();
    let endless_head = [&b"HTTP/1.1 200 OK\r\nX: "[..], &vec![b'x'; 40_000]].concat();
    let many_interim = b"HTTP/1.1 102 Processing\r\n\r\n".repeat(9);
    let bad: &[&[u8]] = &[
        b"",
        b"\r\n",
        b"garbage\r\n\r\n",
        b"HTTP/2 200 OK\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 099 OK\r\n\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 -200 OK\r\n\r\n",
        b"HTTP/1.1  200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\nA: b\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n A: b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\rSet-Cookie: c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloX\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        &many_fields,
        &endless_head,
        &many_interim,
    ];
    assert!(bad.len() >= 30);
    for input in bad {
        assert!(get(input).is_err(), "{:?} was taken", String::from_utf8_lossy(input));
    }
}

#[test]
fn surplus_bytes_and_forbidden_bodies_are_never_a_second_answer() {
    let surplus = get(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n\r\nevil").unwrap();
    assert!(surplus.body == b"hi" && surplus.surplus > 0);
    let body_on_204 = get(b"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil").unwrap();
    assert!(!body_on_204.keep_alive && body_on_204.body.is_empty());
    let chunks_on_204 =
        get(b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n").unwrap();
    assert!(!chunks_on_204.keep_alive && chunks_on_204.body.is_empty());
    let mut reader = Reader::new(Asked::default());
    let mut head = ResponseHead::default();
    reader.step(&mut b"HTTP/1.1 204 No\r\n\r\n".to_vec(), &mut head).unwrap();
    assert_eq!(reader.step(&mut b"x".to_vec(), &mut head), Err(BadResponse::Surplus));
}

#[test]
fn an_upgrade_must_be_asked_for_and_be_the_one_asked_for() {
    let asked = Asked { upgrade: true, ..Default::default() };
    let raw = both(asked, b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\r\n\x81\x05hello")
        .unwrap();
    assert!(raw.body == b"\x81\x05hello" && !raw.keep_alive);
    for input in [
        &b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n"[..],
        b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"HTTP/1.0 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ] {
        assert_eq!(both(asked, input), Err(BadResponse::Status));
    }
    assert!(both(asked, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").unwrap().done);
}

/// Damages good responses in every way a few random bytes can, and reads each whole and in pieces: nothing panics, and
/// how the bytes were cut makes no difference to what was read.
#[test]
fn damage_is_read_the_same_however_it_is_cut() {
    let good: &[&[u8]] = &[
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-A: 1\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nConnection: close, x-a\r\nKeep-Alive: timeout=5\r\n\r\n",
        b"HTTP/1.1 101 Up\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nraw",
    ];
    const BYTES: &[u8] = b"\r\n :;,0159afAF-+\0\t\x7f\xffXx";
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for round in 0..40_000 {
        let mut input = good[round % good.len()].to_vec();
        for _ in 0..=random(3) {
            let (at, byte) = (random(input.len()), BYTES[random(BYTES.len())]);
            match random(4) {
                0 => input[at] = byte,
                1 => input.insert(at, byte),
                2 => drop(input.remove(at)),
                _ => {
                    let from = random(input.len());
                    let piece = input[from..(from + 1 + random(12)).min(input.len())].to_vec();
                    input.splice(at..at, piece);
                }
            }
        }
        let asked = Asked { head_only: random(8) == 0, upgrade: random(4) == 0, expect: random(4) == 0 };
        let whole = read(asked, &input, input.len());
        for step in [1, 1 + random(20)] {
            let cut = read(asked, &input, step);
            assert_eq!(whole.is_ok(), cut.is_ok(), "{:?}: {whole:?} {cut:?}", String::from_utf8_lossy(&input));
            if let (Ok(whole), Ok(cut)) = (&whole, &cut) {
                assert_eq!(whole, cut, "{:?}", String::from_utf8_lossy(&input));
            }
        }
    }
}
