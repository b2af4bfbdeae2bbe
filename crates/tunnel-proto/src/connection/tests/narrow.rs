//! Answers that begin with a small window, and what a reader has taken and not passed on.

use super::*;
use crate::credit::{STREAM_NARROW, STREAM_START};

#[test]
fn an_answer_that_is_to_be_narrow_begins_so_and_grows_with_its_reader() {
    let mut pair = Pair::new();
    let (edge, gate, _) = pair.opened(OpenOptions { narrow: true, end: true, ..OpenOptions::default() });
    let first = pair.gate.send_response(gate, &ResponseHead { status: 200, ..ResponseHead::default() }, &[], false);
    assert_eq!(first, Ok(0));
    let body = vec![3; 1 << 20];
    let mut sent = pair.gate.send_data(gate, &body, true).unwrap();
    assert_eq!(sent, STREAM_NARROW as usize);
    pair.pump();
    assert!(!pair.edge.is_data_next(edge), "the head comes first");
    assert!(matches!(pair.edge.recv(edge), Ok(Some(Incoming::Response(_)))));
    assert!(pair.edge.is_data_next(edge));
    let (mut got, mut most) = (0, 0);
    while got < body.len() {
        let mut held = 0;
        while let Ok(Some(Incoming::Data(data))) = pair.edge.recv(edge) {
            held += data.len();
        }
        (got, most) = (got + held, most.max(held));
        pair.pump();
        if sent < body.len() {
            sent += pair.gate.send_data(gate, &body[sent..], true).unwrap();
        }
        pair.pump();
    }
    assert!(most > STREAM_NARROW as usize, "a reader that takes all is held back by its window: {most}");
    assert!(matches!(pair.edge.recv(edge), Ok(Some(Incoming::End))));
}

#[test]
fn what_a_reader_has_taken_and_not_passed_on_counts_until_it_asks_again_or_lets_go() {
    let mut pair = Pair::new();
    for release in [false, true] {
        let (edge, gate, _) = pair.opened(OpenOptions { end: true, ..OpenOptions::default() });
        pair.gate
            .send_response(gate, &ResponseHead { status: 200, ..ResponseHead::default() }, &[1; 900], true)
            .unwrap();
        pair.pump();
        assert!(matches!(pair.edge.recv(edge), Ok(Some(Incoming::Response(_)))));
        assert_eq!(pair.edge.held(), 900);
        if release {
            pair.edge.release(edge);
        } else {
            assert!(matches!(pair.edge.recv(edge), Ok(Some(Incoming::End))));
        }
        assert_eq!(pair.edge.held(), 0);
    }
}

#[test]
fn what_a_narrow_answer_holds_unread_is_no_more_than_it_began_with() {
    let mut pair = Pair::new();
    for _ in 0..100 {
        let (_, gate, _) = pair.opened(OpenOptions { narrow: true, end: true, ..OpenOptions::default() });
        pair.gate.send_response(gate, &ResponseHead { status: 200, ..ResponseHead::default() }, &[], false).unwrap();
        pair.gate.send_data(gate, &[0; STREAM_START as usize], true).unwrap();
        pair.pump();
    }
    assert_eq!(pair.edge.held(), 100 * STREAM_NARROW as usize);
}

#[test]
fn a_gate_of_version_1_is_never_told_to_answer_narrowly() {
    let mut pair = Pair::with(|config| config.version = 1);
    let (_, gate, _) = pair.opened(OpenOptions { narrow: true, end: true, ..OpenOptions::default() });
    pair.gate.send_response(gate, &ResponseHead { status: 200, ..ResponseHead::default() }, &[], false).unwrap();
    assert_eq!(pair.gate.send_data(gate, &[0; 2 * STREAM_START as usize], true), Ok(STREAM_START as usize));
}
