//! One read buffer per thread, shared by all its connections: bytes never rest in it between two polls.

use std::cell::RefCell;

use crate::record::{HEADER, MAX_PLAINTEXT};

/// Eight full records as nearly everybody makes them: a reader of bulk then always ends where a record ends, and has no
/// piece of one to keep and to copy back.
pub(crate) const SCRATCH: usize = 8 * (HEADER + MAX_PLAINTEXT + 17);

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into_boxed_slice());
}

/// Lends the thread's buffer. Must not be nested.
pub(crate) fn with_scratch<R>(f: impl FnOnce(&mut [u8]) -> R) -> R {
    BUFFER.with_borrow_mut(|buffer| f(buffer))
}
