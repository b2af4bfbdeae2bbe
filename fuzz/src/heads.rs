//! A head that decodes holds nothing that could be read as two, and is the same after a way over the wire.

use mezu_model::{Headers, RequestHead, ResponseHead};
use mezu_tunnel_proto::heads::{
    HeadLimits, REQUEST_PREFIX, RESPONSE_PREFIX, decode_request, decode_response, decode_trailers, put_request,
    put_response, put_trailers, read_request_prefix, read_response_prefix,
};

const LIMITS: HeadLimits = HeadLimits { bytes: 16 * 1024, fields: 100 };

/// One input.
pub fn run(data: &[u8]) {
    let Some((first, wire)) = data.split_first() else { return };
    match first % 3 {
        0 => request(wire),
        1 => response(wire),
        _ => trailers(wire),
    }
}

fn request(wire: &[u8]) {
    let Some(prefix) = read_request_prefix(wire) else { return };
    let mut head = RequestHead { query: Some("stale".into()), ..RequestHead::default() };
    let Ok(workload) = decode_request(&wire[REQUEST_PREFIX..prefix.head_end], &prefix, LIMITS, &mut head) else {
        return;
    };
    assert!(head.path.starts_with('/') || head.path == "*");
    assert!([&head.host, &head.path].iter().all(|text| text.bytes().all(|b| b.is_ascii_graphic())));
    assert!(head.query.iter().all(|query| query.bytes().all(|b| b.is_ascii_graphic())));
    check(&head.headers);

    let mut again = Vec::new();
    put_request(&mut again, &prefix.context, &head, workload, prefix.terms(), LIMITS).expect("no larger than it was");
    let second = read_request_prefix(&again).expect("what was encoded can be read");
    assert_eq!(second.context, prefix.context);
    let mut copy = RequestHead::default();
    assert_eq!(decode_request(&again[REQUEST_PREFIX..], &second, LIMITS, &mut copy), Ok(workload));
    assert_eq!(copy, head);
}

fn response(wire: &[u8]) {
    let Some(prefix) = read_response_prefix(wire) else { return };
    let mut head = ResponseHead::default();
    if decode_response(&wire[RESPONSE_PREFIX..prefix.head_end], &prefix, LIMITS, &mut head).is_err() {
        return;
    }
    check(&head.headers);
    let mut again = Vec::new();
    put_response(&mut again, &head, LIMITS).expect("no larger than it was");
    let second = read_response_prefix(&again).expect("what was encoded can be read");
    let mut copy = ResponseHead::default();
    assert_eq!(decode_response(&again[RESPONSE_PREFIX..], &second, LIMITS, &mut copy), Ok(()));
    assert_eq!(copy, head);
}

fn trailers(wire: &[u8]) {
    let mut fields = Headers::new();
    if decode_trailers(wire, LIMITS, &mut fields).is_err() {
        return;
    }
    check(&fields);
    let mut again = Vec::new();
    put_trailers(&mut again, &fields, LIMITS).expect("no larger than it was");
    let mut copy = Headers::new();
    assert_eq!(decode_trailers(&again, LIMITS, &mut copy), Ok(()));
    assert_eq!(copy, fields);
}

fn check(fields: &Headers) {
    assert!(fields.len() <= LIMITS.fields);
    for field in fields.iter() {
        assert!(!field.name.is_empty());
        assert!(field.name.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')));
        assert!(!field.value.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)));
        assert!(fields.find_name(field.name).is_some());
    }
}
