#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

mod flow;
mod hostile;
mod narrow;

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use mezu_model::{Context, Headers, Method, RequestHead, ResponseHead};

use super::*;
use crate::{Incoming, OpenError, OpenOptions, StreamError};

const MS: Duration = Duration::from_millis(1);

/// An edge and a gate with nothing between them but what [`Pair::pump`] carries.
struct Pair {
    edge: Connection,
    gate: Connection,
    now: Instant,
    to_edge: BytesMut,
    to_gate: BytesMut,
    /// What the connections said, until a test takes it.
    edge_events: Vec<Event>,
    gate_events: Vec<Event>,
}

impl Pair {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl Fn(&mut Config)) -> Self {
        let now = Instant::now();
        let make = |role| {
            let mut config = Config::new(ByteBudget::new(64 << 20));
            change(&mut config);
            Connection::new(role, config, now)
        };
        let (edge, gate) = (make(Role::Edge), make(Role::Gate));
        let mut pair = Self {
            edge,
            gate,
            now,
            to_edge: BytesMut::new(),
            to_gate: BytesMut::new(),
            edge_events: vec![],
            gate_events: vec![],
        };
        pair.pump();
        pair
    }

    /// Carries everything both ways until nothing moves.
    fn pump(&mut self) {
        loop {
            let moved = shift(&mut self.edge, &mut self.to_gate) | shift(&mut self.gate, &mut self.to_edge);
            self.gate.handle_input(self.now, &mut self.to_gate).unwrap();
            self.edge.handle_input(self.now, &mut self.to_edge).unwrap();
            self.edge_events.extend(std::iter::from_fn(|| self.edge.poll_event()));
            self.gate_events.extend(std::iter::from_fn(|| self.gate.poll_event()));
            if !moved {
                return;
            }
        }
    }

    fn open(&mut self, options: OpenOptions<'_>) -> StreamId {
        self.edge.open(&Context::default(), &request(), 0, options).unwrap().0
    }

    /// Opens a stream and finds it at the gate, its REQUEST read.
    fn opened(&mut self, options: OpenOptions<'_>) -> (StreamId, StreamId, Bytes) {
        let at_edge = self.open(options);
        self.pump();
        let at_gate = self.gate_events.drain(..).find_map(|event| match event {
            Event::Opened(id) => Some(id),
            _ => None,
        });
        let at_gate = at_gate.unwrap();
        let Ok(Some(Incoming::Request(got))) = self.gate.recv(at_gate) else { panic!("no request") };
        assert_eq!(got.is_parked(), options.park);
        let mut head = RequestHead::default();
        assert_eq!(got.decode(&mut head), Ok(0));
        assert_eq!(head, request());
        (at_edge, at_gate, got.into_body())
    }

    /// The response at the edge: status, body that came with it, and whether that was all.
    fn response(&mut self, id: StreamId) -> (u16, Bytes, bool) {
        self.pump();
        let Ok(Some(Incoming::Response(got))) = self.edge.recv(id) else { panic!("no response") };
        let end = got.ended();
        (got.status(), got.into_body(), end)
    }

    fn advance(&mut self, by: Duration) {
        self.now += by;
        self.edge.handle_timeout(self.now);
        self.gate.handle_timeout(self.now);
    }
}

fn shift(from: &mut Connection, to: &mut BytesMut) -> bool {
    let n = from.output().len();
    to.extend_from_slice(from.output());
    from.advance_output(n);
    n > 0
}

fn request() -> RequestHead {
    RequestHead { method: Method::Post, host: "app.test".into(), path: "/up".into(), ..RequestHead::default() }
}

fn trailers() -> Headers {
    let mut fields = Headers::new();
    fields.push(b"grpc-status", b"0").unwrap();
    fields
}

fn data(connection: &mut Connection, id: StreamId) -> Option<Bytes> {
    match connection.recv(id) {
        Ok(Some(Incoming::Data(data))) => Some(data),
        Ok(None) => None,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_small_exchange_is_one_frame_each_way() {
    let mut pair = Pair::new();
    let (edge, gate, body) = pair.opened(OpenOptions { inline: b"ping", end: true, ..OpenOptions::default() });
    assert_eq!(&body[..], b"ping");
    assert!(matches!(pair.gate.recv(gate), Ok(Some(Incoming::End))));
    assert_eq!(pair.gate.send_response(gate, &ResponseHead::new(200), b"pong", true), Ok(4));
    assert_eq!(pair.gate.output()[3], Kind::Response as u8 | 0x80);
    assert_eq!(pair.response(edge), (200, Bytes::from_static(b"pong"), true));
    for _ in 0..2 {
        assert!(matches!(pair.edge.recv(edge), Ok(Some(Incoming::End))));
    }
    assert_eq!((pair.edge.in_flight(), pair.gate.in_flight()), (0, 0));
    pair.edge.release(edge);
    pair.gate.release(gate);
    pair.pump();
    assert_eq!(pair.edge.recv(edge).err(), Some(StreamError::State));
    assert!(!pair.edge.wants_write() && !pair.gate.wants_write());
    assert!(pair.edge.rtt().is_some());
}

#[test]
fn interim_heads_body_and_trailers_come_in_order() {
    let mut pair = Pair::new();
    let (edge, gate, _) = pair.opened(OpenOptions::default());
    assert_eq!(pair.gate.send_response(gate, &ResponseHead::new(100), b"", true), Err(StreamError::State));
    pair.gate.send_response(gate, &ResponseHead::new(100), b"", false).unwrap();
    assert_eq!(pair.response(edge).0, 100);
    assert_eq!(pair.edge.send_data(edge, b"up", true), Ok(2));
    pair.pump();
    assert_eq!(data(&mut pair.gate, gate).unwrap(), "up");
    for n in 1..9 {
        let again = pair.gate.send_response(gate, &ResponseHead::new(103), b"", false);
        assert_eq!(again.is_ok(), n < 8, "{n}");
    }
    assert_eq!(pair.gate.send_data(gate, b"x", false), Err(StreamError::State), "no head yet");
    pair.gate.send_response(gate, &ResponseHead::new(200), b"", false).unwrap();
    assert_eq!(pair.gate.send_data(gate, b"down", false), Ok(4));
    pair.gate.send_trailers(gate, &trailers()).unwrap();
    assert_eq!(pair.gate.send_data(gate, b"x", false), Err(StreamError::State), "after the end");
    for _ in 0..7 {
        assert_eq!(pair.response(edge).0, 103);
    }
    assert_eq!(pair.response(edge).0, 200);
    assert_eq!(data(&mut pair.edge, edge).unwrap(), "down");
    let Ok(Some(Incoming::Trailers(got))) = pair.edge.recv(edge) else { panic!("no trailers") };
    let mut fields = Headers::new();
    got.decode(&mut fields).unwrap();
    assert_eq!(fields, trailers());
    assert!(matches!(pair.edge.recv(edge), Ok(Some(Incoming::End))));
}

#[test]
fn an_upgrade_is_two_raw_directions_with_half_close() {
    let mut pair = Pair::new();
    let (edge, gate, _) = pair.opened(OpenOptions::default());
    pair.gate.send_response(gate, &ResponseHead::new(101), b"hi", false).unwrap();
    assert_eq!(pair.response(edge), (101, Bytes::from_static(b"hi"), false));
    pair.gate.send_data(gate, b"", true).unwrap();
    pair.edge.send_data(edge, b"more", false).unwrap();
    pair.pump();
    assert!(matches!(pair.edge.recv(edge), Ok(Some(Incoming::End))));
    assert_eq!(data(&mut pair.gate, gate).unwrap(), "more");
    assert_eq!(pair.gate.in_flight(), 1);
    pair.edge.send_data(edge, b"", true).unwrap();
    pair.pump();
    assert!(matches!(pair.gate.recv(gate), Ok(Some(Incoming::End))));
    assert_eq!((pair.edge.in_flight(), pair.gate.in_flight()), (0, 0));
}

#[test]
fn a_parked_request_is_held_until_go() {
    let mut pair = Pair::new();
    let (edge, gate, body) =
        pair.opened(OpenOptions { park: true, inline: b"a", end: false, ..OpenOptions::default() });
    assert_eq!(&body[..], b"a");
    pair.edge.send_data(edge, b"b", true).unwrap();
    assert_eq!(pair.edge.send_go(edge), Err(StreamError::State), "no READY yet");
    pair.pump();
    assert!(matches!(pair.gate.recv(gate), Ok(None)), "nothing between REQUEST and GO");
    let early = pair.gate.send_response(gate, &ResponseHead::new(200), b"", true);
    assert_eq!(early, Err(StreamError::State), "no answer before GO");
    pair.gate.send_ready(gate).unwrap();
    assert_eq!(pair.gate.send_ready(gate), Err(StreamError::State));
    pair.pump();
    assert!(matches!(pair.edge.recv(edge), Ok(Some(Incoming::Ready))));
    assert!(matches!(pair.edge.recv(edge), Ok(None)));
    pair.edge.send_go(edge).unwrap();
    assert_eq!(pair.edge.send_go(edge), Err(StreamError::State), "only once");
    pair.pump();
    assert!(matches!(pair.gate.recv(gate), Ok(Some(Incoming::Go))));
    assert_eq!(data(&mut pair.gate, gate).unwrap(), "b");
    pair.advance(2000 * MS);
    assert!(pair.gate.recv(gate).is_ok(), "does not expire after GO");
}

#[test]
fn a_parked_request_expires_even_when_go_is_under_way() {
    let mut pair = Pair::new();
    let (edge, gate, _) = pair.opened(OpenOptions { park: true, end: true, ..OpenOptions::default() });
    pair.gate.send_ready(gate).unwrap();
    pair.pump();
    pair.now += 999 * MS;
    pair.gate.handle_timeout(pair.now);
    assert_eq!(pair.gate.poll_timeout(), Some(pair.now + MS));
    pair.now += MS;
    pair.gate.handle_timeout(pair.now);
    pair.edge.send_go(edge).unwrap();
    pair.pump();
    assert_eq!(pair.gate.recv(gate).err(), Some(StreamError::Reset(Reason::ParkExpired)));
    let seen = pair.edge.recv(edge).err();
    assert_eq!(seen, Some(StreamError::Reset(Reason::ParkExpired)));
    assert!(Reason::ParkExpired.is_untouched());
    assert_eq!((pair.edge.in_flight(), pair.gate.in_flight()), (0, 0));
}

#[test]
fn a_reset_counts_until_the_gate_lets_go() {
    let mut pair = Pair::with(|config| config.agreed.max_streams = 1);
    let (edge, gate, _) = pair.opened(OpenOptions { inline: b"x", ..OpenOptions::default() });
    pair.edge.send_data(edge, b"unread", false).unwrap();
    pair.edge.release(edge);
    pair.pump();
    let again = pair.edge.open(&Context::default(), &request(), 0, OpenOptions::default());
    assert_eq!(again.err(), Some(OpenError::TooManyStreams), "the gate still works on it");
    assert_eq!(pair.gate.recv(gate).err(), Some(StreamError::Reset(Reason::Cancelled)));
    assert_eq!(pair.gate.send_data(gate, b"x", false), Err(StreamError::Reset(Reason::Cancelled)));
    pair.gate.release(gate);
    pair.pump();
    assert_eq!((pair.edge.in_flight(), pair.gate.in_flight()), (0, 0));
    assert_eq!((pair.edge.held(), pair.gate.held()), (0, 0));
    pair.open(OpenOptions::default());
}

#[test]
fn an_early_answer_stops_the_upload_and_is_read_whole() {
    let mut pair = Pair::new();
    let (edge, gate, _) = pair.opened(OpenOptions { inline: b"x", ..OpenOptions::default() });
    pair.gate.send_response(gate, &ResponseHead::new(413), b"no", true).unwrap();
    pair.gate.release(gate);
    pair.pump();
    assert_eq!(pair.edge.send_data(edge, b"more", false), Err(StreamError::Reset(Reason::Cancelled)));
    assert_eq!(pair.response(edge), (413, Bytes::from_static(b"no"), true));
    assert!(matches!(pair.edge.recv(edge), Ok(Some(Incoming::End))));
    assert_eq!((pair.edge.in_flight(), pair.gate.in_flight()), (0, 0));
}

#[test]
fn resets_that_cross_settle() {
    let mut pair = Pair::new();
    let (edge, gate, _) = pair.opened(OpenOptions::default());
    pair.edge.reset(edge, Reason::Cancelled);
    pair.gate.reset(gate, Reason::WorkloadFailed);
    pair.pump();
    assert_eq!((pair.edge.in_flight(), pair.gate.in_flight()), (0, 0));
    assert_eq!(pair.edge.recv(edge).err(), Some(StreamError::Reset(Reason::Cancelled)));
    assert!(pair.edge.death().is_none());
}

#[test]
fn a_gates_drain_lets_requests_under_way_in_and_then_completes() {
    let mut pair = Pair::new();
    let early = pair.open(OpenOptions { end: true, ..OpenOptions::default() });
    pair.gate.drain();
    pair.pump();
    assert!(pair.edge_events.contains(&Event::Draining));
    let late = pair.edge.open(&Context::default(), &request(), 0, OpenOptions::default());
    assert_eq!(late.err(), Some(OpenError::Draining));
    let Some(Event::Opened(gate)) = pair.gate_events.first().copied() else { panic!("not accepted") };
    assert!(!pair.gate_events.contains(&Event::Drained));
    pair.gate.recv(gate).unwrap();
    pair.gate.send_response(gate, &ResponseHead::new(200), b"", true).unwrap();
    assert_eq!(pair.response(early).0, 200);
    assert!(pair.edge_events.contains(&Event::Drained) && pair.gate_events.contains(&Event::Drained));
}

#[test]
fn an_edges_drain_completes_at_once_when_idle() {
    let mut pair = Pair::new();
    pair.edge.drain();
    pair.edge.drain();
    pair.pump();
    assert_eq!(pair.edge_events, [Event::Drained]);
    assert_eq!(pair.gate_events, [Event::Draining, Event::Drained]);
}

#[test]
fn silence_is_death_within_its_bounds() {
    let mut pair = Pair::new();
    pair.advance(10_000 * MS);
    assert!(pair.edge.death().is_none(), "idle");
    let id = pair.open(OpenOptions::default());
    assert!(pair.edge.poll_timeout().unwrap() <= pair.now, "asks to be told the time");
    pair.advance(Duration::ZERO);
    for _ in 0..14 {
        pair.advance(100 * MS);
        assert_eq!(pair.edge.death(), None);
    }
    assert_eq!(pair.edge.silent_for(pair.now), 1400 * MS);
    pair.advance(100 * MS);
    assert_eq!(pair.edge.death(), Some(&Death::Silent));
    assert_eq!(pair.edge.recv(id).err(), Some(StreamError::Dead));
    assert_eq!(pair.edge.send_data(id, b"x", true), Err(StreamError::Dead));
    assert_eq!(pair.edge.poll_timeout(), None);
    pair.edge.release(id);
    assert_eq!(pair.edge.in_flight(), 0);
}

#[test]
fn what_came_whole_can_be_read_after_death() {
    let mut pair = Pair::new();
    let (edge, gate, _) = pair.opened(OpenOptions { end: true, ..OpenOptions::default() });
    pair.gate.send_response(gate, &ResponseHead::new(200), b"all", true).unwrap();
    pair.pump();
    let other = pair.open(OpenOptions::default());
    pair.edge.handle_closed();
    assert_eq!(pair.response(edge), (200, Bytes::from_static(b"all"), true));
    assert!(matches!(pair.edge.recv(edge), Ok(Some(Incoming::End))));
    assert_eq!(pair.edge.recv(other).err(), Some(StreamError::Dead));
    assert_eq!(pair.edge.open(&Context::default(), &request(), 0, OpenOptions::default()).err(), Some(OpenError::Dead));
}

#[test]
fn a_close_says_why() {
    let mut pair = Pair::new();
    let refused = Refused::new(RefusedCode::Revoked, "the key was revoked");
    pair.edge.close(&refused);
    pair.pump();
    assert_eq!(pair.edge.death(), Some(&Death::Local));
    assert_eq!(pair.gate.death(), Some(&Death::Refused(refused)));
    assert!(pair.gate_events.contains(&Event::Dead));
}

/// 100,000 idle gates are what an edge shall bear.
#[test]
fn a_connection_and_a_stream_are_small() {
    assert!(size_of::<Connection>() <= 1024, "{}", size_of::<Connection>());
    assert!(size_of::<Stream>() <= 192, "{}", size_of::<Stream>());
    assert!(size_of::<Item>() <= 160, "{}", size_of::<Item>());
}

#[test]
fn an_idle_connection_holds_no_buffers() {
    let mut pair = Pair::new();
    let (edge, gate, _) = pair.opened(OpenOptions { inline: &[1; 9000], end: true, ..OpenOptions::default() });
    pair.gate.send_response(gate, &ResponseHead::new(200), &[1; 9000], true).unwrap();
    pair.response(edge);
    pair.edge.release(edge);
    pair.gate.release(gate);
    pair.now += 15_000 * MS;
    pair.gate.handle_timeout(pair.now);
    pair.pump();
    pair.advance(100 * MS);
    for connection in [&pair.edge, &pair.gate] {
        assert!(connection.output().is_empty() && connection.out.capacity() < 64);
        assert!(connection.streams.capacity() == 0);
    }
    pair.opened(OpenOptions::default());
}

#[test]
fn a_gate_says_which_of_its_workloads_are_well_and_the_edge_hears_of_each_change_once() {
    let mut pair = Pair::new();
    for (said, told) in [(0b101, 1), (0b101, 0), (u64::MAX, 1), (0, 1), (0, 0)] {
        pair.edge_events.clear();
        pair.gate.tell_health(said);
        pair.pump();
        assert_eq!(pair.edge.unwell(), said);
        assert_eq!(pair.edge_events.iter().filter(|event| **event == Event::Health).count(), told, "{said:b}");
    }
}

#[test]
fn health_is_the_gates_to_tell_in_8_bytes_and_not_too_often() {
    let framed = |bytes: &[u8]| {
        let mut frame = BytesMut::from(&crate::frames::header(Kind::Health, false, 0, bytes.len())[..]);
        frame.extend_from_slice(bytes);
        frame
    };
    let mut pair = Pair::new();
    assert_eq!(pair.gate.handle_input(pair.now, &mut framed(&[0; 8])), Err(Violation::WrongRole(0x51)));
    for length in [0, 7, 9] {
        let mut pair = Pair::new();
        assert_eq!(pair.edge.handle_input(pair.now, &mut framed(&vec![0; length])), Err(Violation::BadPayload(0x51)));
    }
    let mut pair = Pair::new();
    let told = (0..1000u64).map(|n| pair.edge.handle_input(pair.now, &mut framed(&n.to_be_bytes())));
    assert_eq!(told.filter_map(Result::err).next(), Some(Violation::ControlFlood));
    // What the edge says of health is nothing.
    let mut pair = Pair::new();
    pair.edge.tell_health(1);
    assert!(!pair.edge.wants_write());
}
