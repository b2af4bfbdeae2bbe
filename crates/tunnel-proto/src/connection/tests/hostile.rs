//! Peers that do not keep to the protocol: each is found out, none does harm.

use super::*;
use crate::credit::{CARRIER_START, STREAM_START};
use crate::frames::{MAX_PAYLOAD, header};
use crate::heads::{HeadLimits, Terms, put_request, put_response};

const LIMITS: HeadLimits = HeadLimits { bytes: 60_000, fields: 200 };

fn frame(kind: Kind, end: bool, stream: u32, payload: &[u8]) -> Vec<u8> {
    [&header(kind, end, stream, payload.len())[..], payload].concat()
}

fn request_frame(stream: u32, end: bool, park: bool) -> Vec<u8> {
    let mut payload = Vec::new();
    put_request(&mut payload, &Context::default(), &request(), 0, Terms { park, narrow: false }, LIMITS).unwrap();
    frame(Kind::Request, end, stream, &payload)
}

fn response_frame(stream: u32, status: u16, end: bool) -> Vec<u8> {
    let mut payload = Vec::new();
    put_response(&mut payload, &ResponseHead::new(status), LIMITS).unwrap();
    frame(Kind::Response, end, stream, &payload)
}

/// What a fresh gate says to these frames from its edge.
fn gate_says(frames: &[Vec<u8>]) -> Result<(), Violation> {
    let mut pair = Pair::with(|config| config.agreed.max_streams = 3);
    let result = pair.gate.handle_input(pair.now, &mut BytesMut::from(&frames.concat()[..]));
    if let Err(violation) = result {
        assert_eq!(pair.gate.death(), Some(&Death::Violation(violation)));
        assert!(pair.gate.wants_write(), "a last word");
    }
    result
}

/// What an edge with stream 1 open (parked or not) says to these frames from its gate.
fn edge_says(park: bool, frames: &[Vec<u8>]) -> Result<(), Violation> {
    let mut pair = Pair::new();
    pair.open(OpenOptions { park, ..OpenOptions::default() });
    pair.pump();
    pair.edge.handle_input(pair.now, &mut BytesMut::from(&frames.concat()[..]))
}

#[test]
fn what_a_gate_does_not_take_from_its_edge() {
    let data = |stream, payload: &[u8]| frame(Kind::Data, false, stream, payload);
    let open = || request_frame(1, false, false);
    let cases: &[(&str, Vec<Vec<u8>>, Violation)] = &[
        ("id skipped", vec![request_frame(2, true, false)], Violation::IdOrder),
        ("id used again", vec![open(), open()], Violation::IdOrder),
        ("too many", (1..=4).map(|n| request_frame(n, false, false)).collect(), Violation::TooManyStreams),
        ("short prefix", vec![frame(Kind::Request, true, 1, &[0; 39])], Violation::BadPayload(8)),
        ("head past the end", vec![frame(Kind::Request, true, 1, &[0xff; 50])], Violation::BadPayload(8)),
        ("a response", vec![open(), response_frame(1, 200, true)], Violation::WrongRole(9)),
        ("a hello", vec![frame(Kind::Hello, false, 0, b"{}")], Violation::WrongRole(1)),
        ("a welcome", vec![frame(Kind::Welcome, false, 0, b"{}")], Violation::WrongRole(2)),
        ("READY", vec![open(), frame(Kind::Ready, false, 1, &[])], Violation::WrongRole(13)),
        ("data unopened", vec![data(1, b"x")], Violation::UnknownStream),
        ("data empty", vec![open(), data(1, b"")], Violation::EmptyData),
        ("data after end", vec![request_frame(1, true, false), data(1, b"x")], Violation::AfterEnd),
        ("end after end", vec![request_frame(1, true, false), frame(Kind::Data, true, 1, b"")], Violation::AfterEnd),
        ("data after reset", vec![open(), frame(Kind::Reset, false, 1, &[1]), data(1, b"x")], Violation::AfterEnd),
        (
            "two resets",
            vec![open(), frame(Kind::Reset, false, 1, &[1]), frame(Kind::Reset, false, 1, &[1])],
            Violation::AfterEnd,
        ),
        ("reset empty", vec![open(), frame(Kind::Reset, false, 1, &[])], Violation::BadPayload(12)),
        ("reset unopened", vec![frame(Kind::Reset, false, 1, &[1])], Violation::UnknownStream),
        ("trailers open-ended", vec![open(), frame(Kind::Trailers, false, 1, &[])], Violation::BadPayload(11)),
        ("GO unparked", vec![open(), frame(Kind::Go, false, 1, &[])], Violation::HandOver),
        ("GO before READY", vec![request_frame(1, true, true), frame(Kind::Go, false, 1, &[])], Violation::HandOver),
        (
            "GO with payload",
            vec![request_frame(1, true, true), frame(Kind::Go, false, 1, &[1])],
            Violation::BadPayload(14),
        ),
        ("GO unopened", vec![frame(Kind::Go, false, 1, &[])], Violation::UnknownStream),
        ("credit zero", vec![frame(Kind::Credit, false, 0, &[0; 4])], Violation::BadCredit),
        ("credit too much", vec![frame(Kind::Credit, false, 0, &[0x7f, 0xff, 0xff, 0xff])], Violation::BadCredit),
        ("credit in scraps", vec![frame(Kind::Credit, false, 0, &[0, 0, 0, 1]); 202], Violation::ControlFlood),
        ("credit unopened", vec![frame(Kind::Credit, false, 1, &[0, 0, 0, 1])], Violation::UnknownStream),
        ("credit short", vec![frame(Kind::Credit, false, 0, &[1])], Violation::BadPayload(7)),
        ("ping short", vec![frame(Kind::Ping, false, 0, &[1])], Violation::BadPayload(4)),
        ("pong unasked", vec![frame(Kind::Pong, false, 0, &[9; 8])], Violation::UnaskedPong),
        ("pings without end", vec![frame(Kind::Ping, false, 0, &[9; 8]); 202], Violation::ControlFlood),
        ("skippable without end", vec![vec![0, 0, 0, 0x7f, 0, 0, 0, 0]; 202], Violation::ControlFlood),
        ("wrong last id", vec![frame(Kind::Drain, false, 0, &[0, 0, 0, 1])], Violation::BadPayload(6)),
        ("two drains", vec![frame(Kind::Drain, false, 0, &[0; 4]); 2], Violation::AfterDrain),
        ("request after drain", vec![frame(Kind::Drain, false, 0, &[0; 4]), open()], Violation::AfterDrain),
        ("refused, no JSON", vec![frame(Kind::Refused, false, 0, b"?")], Violation::BadPayload(3)),
    ];
    for (name, frames, violation) in cases {
        assert_eq!(gate_says(frames), Err(*violation), "{name}");
    }
}

#[test]
fn what_an_edge_does_not_take_from_its_gate() {
    let data = frame(Kind::Data, false, 1, b"x");
    let ready = frame(Kind::Ready, false, 1, &[]);
    let ok = || response_frame(1, 200, false);
    let cases: &[(&str, bool, Vec<Vec<u8>>, Violation)] = &[
        ("a request", false, vec![request_frame(1, true, false)], Violation::WrongRole(8)),
        ("GO", false, vec![frame(Kind::Go, false, 1, &[])], Violation::WrongRole(14)),
        ("response unasked", false, vec![response_frame(2, 200, true)], Violation::UnknownStream),
        ("status 99", false, vec![response_frame(1, 99, true)], Violation::BadPayload(9)),
        ("two responses", false, vec![ok(), ok()], Violation::HeadOrder),
        ("interim with end", false, vec![response_frame(1, 103, true)], Violation::BadPayload(9)),
        ("nine interims", false, vec![response_frame(1, 103, false); 9], Violation::TooManyInterims),
        ("body first", false, vec![data.clone()], Violation::HeadOrder),
        ("body after interim", false, vec![response_frame(1, 103, false), data.clone()], Violation::HeadOrder),
        ("trailers first", false, vec![frame(Kind::Trailers, true, 1, &[])], Violation::HeadOrder),
        ("data after end", false, vec![response_frame(1, 200, true), data], Violation::AfterEnd),
        ("READY unparked", false, vec![ready.clone()], Violation::HandOver),
        ("two READY", true, vec![ready.clone(), ready.clone()], Violation::HandOver),
        ("READY after answer", false, vec![ok(), ready.clone()], Violation::HandOver),
        ("answer before GO", true, vec![ready, ok()], Violation::HandOver),
    ];
    for (name, park, frames, violation) in cases {
        assert_eq!(edge_says(*park, frames), Err(*violation), "{name}");
    }
}

#[test]
fn late_frames_for_a_stream_that_has_ended_are_nobodys_fault() {
    let late = [
        response_frame(1, 200, true),
        frame(Kind::Reset, false, 1, &[1]),
        frame(Kind::Credit, false, 1, &[0, 0, 0, 1]),
        vec![0, 0, 0, 0x7f, 0, 0, 0, 1],
    ];
    let mut pair = Pair::new();
    pair.open(OpenOptions { end: true, ..OpenOptions::default() });
    assert_eq!(pair.edge.handle_input(pair.now, &mut BytesMut::from(&late.concat()[..])), Ok(()));
}

#[test]
fn more_bytes_than_credit_are_a_violation_on_stream_and_carrier() {
    let chunk = vec![0; MAX_PAYLOAD];
    let fill = |stream| {
        let mut frames = vec![request_frame(stream, false, false)];
        frames.extend(std::iter::repeat_n(frame(Kind::Data, false, stream, &chunk), 4));
        frames.push(frame(Kind::Data, false, stream, &chunk[..STREAM_START as usize - 4 * MAX_PAYLOAD]));
        frames
    };
    assert_eq!(gate_says(&fill(1)), Ok(()));
    let mut over = fill(1);
    over.push(frame(Kind::Data, false, 1, &[0]));
    assert_eq!(gate_says(&over), Err(Violation::CreditOverrun(1)));

    let mut pair = Pair::with(|config| config.budget = ByteBudget::new(CARRIER_START as usize));
    let many: Vec<u8> = (1..=16).flat_map(fill).flatten().collect();
    assert_eq!(pair.gate.handle_input(pair.now, &mut BytesMut::from(&many[..])), Ok(()));
    let mut more = request_frame(17, false, false);
    more.extend(frame(Kind::Data, false, 17, &[0]));
    let result = pair.gate.handle_input(pair.now, &mut BytesMut::from(&more[..]));
    assert_eq!(result, Err(Violation::CreditOverrun(0)));
}

#[test]
fn bytes_for_a_stream_we_reset_are_dropped_and_their_credit_returned() {
    let mut pair = Pair::new();
    for n in 1..=60 {
        let (edge, gate, _) = pair.opened(OpenOptions::default());
        pair.gate.reset(gate, Reason::WorkloadFailed);
        // The edge does not know yet.
        assert_eq!(pair.edge.send_data(edge, &[0; 60_000], n % 2 == 0), Ok(60_000), "{n}");
        pair.gate.release(gate);
        pair.pump();
        pair.edge.release(edge);
        pair.pump();
        assert_eq!((pair.gate.held(), pair.gate.in_flight(), pair.edge.in_flight()), (0, 0, 0));
    }
}

#[test]
fn a_bad_head_harms_its_own_stream_only() {
    let mut pair = Pair::new();
    let edge = pair.open(OpenOptions { end: true, ..OpenOptions::default() });
    pair.pump();
    let wire = frame(Kind::Response, true, 1, &[0, 200, 0, 0, 4, 11, 2, b'a', b'\n']);
    assert_eq!(pair.edge.handle_input(pair.now, &mut BytesMut::from(&wire[..])), Ok(()));
    let Ok(Some(Incoming::Response(got))) = pair.edge.recv(edge) else { panic!("no response") };
    assert_eq!(got.decode(&mut ResponseHead::default()), Err(crate::HeadError::Value));
    pair.edge.reset(edge, Reason::BadHead);
    assert!(pair.edge.death().is_none());
}

#[test]
fn a_peer_that_asks_and_does_not_read_is_given_up() {
    let mut pair = Pair::with(|config| config.output_max = 4096);
    let pings = frame(Kind::Ping, false, 0, &[9; 8]).repeat(100);
    let mut result = Ok(());
    for _ in 0..10 {
        pair.now += 1000 * MS;
        result = result.and(pair.gate.handle_input(pair.now, &mut BytesMut::from(&pings[..])));
    }
    assert_eq!(result, Err(Violation::NotReading));
    assert!(pair.gate.output().len() < 8192);
}

#[test]
fn a_dead_connection_takes_nothing_more() {
    let mut pair = Pair::new();
    pair.gate.handle_closed();
    let mut input = BytesMut::from(&request_frame(1, true, false)[..]);
    assert_eq!(pair.gate.handle_input(pair.now, &mut input), Ok(()));
    assert!(input.is_empty());
    assert_eq!(pair.gate.in_flight(), 0);
}
