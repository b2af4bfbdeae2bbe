//! Buffers that serve one connection's turn after another's, per worker thread: none is held between turns.

use std::cell::RefCell;

use bytes::BytesMut;

/// A buffer that has grown past this is not kept.
const KEPT_CAPACITY: usize = 160 * 1024;

#[derive(Default)]
struct Spares {
    input: BytesMut,
    out: Vec<u8>,
}

thread_local! {
    static SPARES: RefCell<Spares> = RefCell::default();
}

/// Lends an input buffer to a connection that has none.
pub(super) fn lend(input: &mut BytesMut) {
    if input.capacity() == 0 {
        *input = SPARES.with_borrow_mut(|spares| std::mem::take(&mut spares.input));
    }
}

/// Takes an empty input buffer back.
pub(super) fn take_back(input: &mut BytesMut) {
    let input = std::mem::take(input);
    SPARES.with_borrow_mut(|spares| {
        if input.capacity() <= KEPT_CAPACITY {
            spares.input = input;
        }
    });
}

/// The same for what is to be sent.
pub(super) fn lend_out(out: &mut Vec<u8>) {
    if out.capacity() == 0 {
        *out = SPARES.with_borrow_mut(|spares| std::mem::take(&mut spares.out));
    }
}

pub(super) fn take_back_out(out: &mut Vec<u8>) {
    let out = std::mem::take(out);
    SPARES.with_borrow_mut(|spares| {
        if (spares.out.capacity()..=KEPT_CAPACITY).contains(&out.capacity()) {
            spares.out = out;
        }
    });
}
