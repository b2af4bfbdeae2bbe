#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use mezu_model::{Context, Headers, Method, Protocol, RayId, RequestHead, ResponseHead, Scheme, Upgrade, known};

use super::*;
use crate::error::HeadError;

const LIMITS: HeadLimits = HeadLimits { bytes: 32 * 1024, fields: 100 };
const TERMS: Terms = Terms { park: true, narrow: false };

fn request() -> RequestHead {
    let mut head = RequestHead {
        method: Method::Post,
        host: "app.example.net".into(),
        port: Some(8443),
        path: "/a/b%20c".into(),
        query: Some("x=1&y=%2F".into()),
        upgrade: Some(Upgrade::WebSocket),
        ..RequestHead::default()
    };
    head.headers.push(b"User-Agent", b"curl/8.5.0").unwrap();
    head.headers.push(b"x-own", b"").unwrap();
    head.headers.push(b"cookie", "läng\t".repeat(60).as_bytes()).unwrap();
    head
}

fn context() -> Context {
    Context {
        ray: RayId(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10),
        client: "192.0.2.7:50000".parse().unwrap(),
        scheme: Scheme::Https,
        port: 8443,
        protocol: Protocol::H2,
    }
}

fn encode(head: &RequestHead, workload: u32) -> Vec<u8> {
    let mut out = Vec::new();
    put_request(&mut out, &context(), head, workload, TERMS, LIMITS).unwrap();
    out
}

fn decode(payload: &[u8]) -> Result<(u32, RequestHead), HeadError> {
    let prefix = read_request_prefix(payload).ok_or(HeadError::Malformed)?;
    let mut head = RequestHead { query: Some("stale".into()), ..RequestHead::default() };
    head.headers.push(b"stale", b"x").unwrap();
    let workload = decode_request(&payload[REQUEST_PREFIX..prefix.head_end], &prefix, LIMITS, &mut head)?;
    Ok((workload, head))
}

#[test]
fn requests_round_trip_over_stale_heads() {
    let payload = encode(&request(), 300);
    let prefix = read_request_prefix(&payload).unwrap();
    assert_eq!(prefix.context, context());
    assert_eq!(prefix.terms(), TERMS);
    assert_eq!(prefix.head_end, payload.len());
    assert_eq!(decode(&payload), Ok((300, request())));

    let plain = RequestHead { host: "h".into(), path: "*".into(), method: Method::Options, ..RequestHead::default() };
    assert_eq!(decode(&encode(&plain, 0)), Ok((0, plain)));
    let own = RequestHead { method: Method::from_bytes(b"PROPFIND").unwrap(), ..request() };
    assert_eq!(decode(&encode(&own, 0)), Ok((0, own)));
}

#[test]
fn the_encoding_is_as_documented() {
    let mut head = RequestHead { host: "h".into(), path: "/".into(), ..RequestHead::default() };
    head.headers.push(b"accept", b"*/*").unwrap();
    head.headers.push(b"x-a", b"b").unwrap();
    let payload = encode(&head, 2);
    assert_eq!(payload[..16], context().ray.0.to_be_bytes());
    assert_eq!(payload[16..32], [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7]);
    assert_eq!(payload[32..40], [0xc3, 0x50, 0x20, 0xfb, 0b0001_0011, 0, 0, 18]);
    assert_eq!(payload[40..46], [2, 1, 1, b'h', 1, b'/']);
    assert_eq!(payload[46..51], [known::ACCEPT.index(), 3, b'*', b'/', b'*']);
    assert_eq!(payload[51..], [0, 3, b'x', b'-', b'a', 1, b'b']);
    let mut out = Vec::new();
    put_response(&mut out, &ResponseHead::new(204), LIMITS).unwrap();
    assert_eq!(out, [0, 204, 0, 0, 0]);
}

#[test]
fn responses_and_trailers_round_trip() {
    let mut head = ResponseHead::new(200);
    head.headers.push(b"content-type", b"text/plain").unwrap();
    head.headers.push(b"x-long", &[b'v'; 20_000]).unwrap();
    let mut out = vec![1, 2, 3];
    put_response(&mut out, &head, LIMITS).unwrap();
    out.extend_from_slice(b"body");
    let payload = &out[3..];
    let prefix = read_response_prefix(payload).unwrap();
    assert_eq!((prefix.status, &payload[prefix.head_end..]), (200, &b"body"[..]));
    let mut got = ResponseHead::new(500);
    decode_response(&payload[RESPONSE_PREFIX..prefix.head_end], &prefix, LIMITS, &mut got).unwrap();
    assert_eq!(got, head);

    let mut out = Vec::new();
    put_trailers(&mut out, &head.headers, LIMITS).unwrap();
    let mut got = Headers::new();
    decode_trailers(&out, LIMITS, &mut got).unwrap();
    assert_eq!(got, head.headers);
}

#[test]
fn a_known_name_spelled_out_is_still_known() {
    let mut wire = vec![0, 14];
    wire.extend_from_slice(b"content-length");
    wire.extend_from_slice(&[1, b'5']);
    let mut got = Headers::new();
    decode_trailers(&wire, LIMITS, &mut got).unwrap();
    assert_eq!(got.find(known::CONTENT_LENGTH), Some(&b"5"[..]));
}

#[test]
fn hostile_fields_are_refused() {
    let mut got = Headers::new();
    let mut check = |wire: &[u8]| decode_trailers(wire, LIMITS, &mut got);
    for value in [b"a\r", b"a\n", b"\0a", b"\x7fa", b"\x1fa"] {
        assert_eq!(check(&[11, 2, value[0], value[1]]), Err(HeadError::Value), "{value:?}");
    }
    for name in [&b"A"[..], b"", b"a b", b"a:", b"a_b", b"\xc3\xa4", b":path"] {
        let mut wire = vec![0, u8::try_from(name.len()).unwrap()];
        wire.extend_from_slice(name);
        wire.extend_from_slice(&[1, b'v']);
        assert_eq!(check(&wire), Err(HeadError::Name), "{name:?}");
    }
    assert_eq!(check(&[255, 1, b'v']), Err(HeadError::Name));
    for cut in [&[11][..], &[11, 2, b'v'], &[0], &[0, 1], &[0, 1, b'a'], &[11, 0x80, 0]] {
        assert_eq!(check(cut), Err(HeadError::Malformed), "{cut:?}");
    }
    assert_eq!(check(&[11, 0].repeat(101)), Err(HeadError::TooLarge));
    assert_eq!(check(&vec![0; LIMITS.bytes + 1]), Err(HeadError::TooLarge));
}

#[test]
fn a_bad_byte_is_found_wherever_it_stands() {
    let mut got = Headers::new();
    for len in 1..70u8 {
        let mut wire = vec![11, len];
        wire.extend((0..len).map(|n| b'a' + n % 26));
        assert_eq!(decode_trailers(&wire, LIMITS, &mut got), Ok(()), "{len}");
        for at in 2..wire.len() {
            for bad in [b'\r', b'\n', 0, 0x7f, 0x1f] {
                let mut wire = wire.clone();
                wire[at] = bad;
                assert_eq!(decode_trailers(&wire, LIMITS, &mut got), Err(HeadError::Value), "{len} {at} {bad}");
            }
            for good in [b'\t', b' ', 0x80, 0xff] {
                wire[at] = good;
                assert_eq!(decode_trailers(&wire, LIMITS, &mut got), Ok(()), "{len} {at} {good}");
            }
        }
    }
}

#[test]
fn hostile_targets_are_refused() {
    let with = |change: &dyn Fn(&mut RequestHead)| {
        let mut head = request();
        change(&mut head);
        decode(&encode(&head, 0)).map(|_| ())
    };
    for path in ["", "a", "/a b", "/a\r\n", "/ä", "/a?b", "/a#", "**"] {
        assert_eq!(with(&|h| h.path = path.into()), Err(HeadError::Target), "{path}");
    }
    for query in ["a b", "a\n", "#", "ä"] {
        assert_eq!(with(&|h| h.query = Some(query.into())), Err(HeadError::Target), "{query}");
    }
    for host in ["", "A", "a/b", "a@b", "a b", &"a".repeat(254)] {
        assert_eq!(with(&|h| h.host = host.into()), Err(HeadError::Target), "{host}");
    }
}

#[test]
fn a_request_cut_anywhere_is_refused_without_panic() {
    let whole = encode(&request(), 300);
    for cut in 0..whole.len() {
        assert!(read_request_prefix(&whole[..cut]).is_none());
        let mut short = whole[..cut].to_vec();
        if cut > REQUEST_PREFIX {
            let len = u32::try_from(cut - REQUEST_PREFIX).unwrap().to_be_bytes();
            short[37..40].copy_from_slice(&len[1..]);
            // A cut between two fields is a shorter head; anywhere else it is malformed.
            let fields = decode(&short).map(|(_, head)| head.headers.len());
            assert!(fields == Err(HeadError::Malformed) || fields.is_ok_and(|n| n < 3), "{cut}");
        }
    }
    let mut bad = whole.clone();
    bad[36] |= 0x06;
    assert!(read_request_prefix(&bad).is_none(), "no such protocol");
}

#[test]
fn heads_over_the_limit_are_not_sent() {
    let mut head = ResponseHead::new(200);
    for _ in 0..101 {
        head.headers.push(b"x", b"1").unwrap();
    }
    assert_eq!(put_response(&mut Vec::new(), &head, LIMITS), Err(HeadError::TooLarge));
    head.headers.clear();
    head.headers.push(b"x", &vec![b'v'; LIMITS.bytes]).unwrap();
    assert_eq!(put_response(&mut Vec::new(), &head, LIMITS), Err(HeadError::TooLarge));
    assert_eq!(put_trailers(&mut Vec::new(), &head.headers, LIMITS), Err(HeadError::TooLarge));
}
