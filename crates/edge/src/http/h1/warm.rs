//! Buffers that follow the work instead of the connection.
//!
//! A connection holds them only while a request is under way; idle ones hold none. Each worker thread keeps a
//! bounded stack of used ones, so that a request on a keep-alive connection allocates nothing.

use std::cell::RefCell;

use bytes::BytesMut;
use mezu_model::{RequestHead, ResponseHead};

/// All that one HTTP/1 request needs to be read and answered.
#[derive(Debug, Default)]
pub(crate) struct Warm {
    pub(crate) input: BytesMut,
    pub(crate) out: Vec<u8>,
    pub(crate) head: RequestHead,
    pub(crate) refusal: ResponseHead,
    /// Capacity for the next query.
    pub(crate) query: String,
}

/// Kept per thread: more than this many requests at once on one core are rare.
const KEPT: usize = 256;
/// A buffer that has grown past this is not kept.
const KEPT_CAPACITY: usize = 20 * 1024;

thread_local! {
    static POOL: RefCell<Vec<Warm>> = const { RefCell::new(Vec::new()) };
}

pub(crate) fn take() -> Warm {
    POOL.with_borrow_mut(Vec::pop).unwrap_or_default()
}

/// The input of an idle connection is empty, its output written, its head cleared.
pub(crate) fn give_back(mut warm: Warm) {
    warm.input.clear();
    warm.out.clear();
    if warm.out.capacity() > KEPT_CAPACITY {
        warm.out = Vec::new();
    }
    if warm.input.capacity() > KEPT_CAPACITY {
        warm.input = BytesMut::new();
    }
    POOL.with_borrow_mut(|pool| {
        if pool.len() < KEPT && warm.out.capacity() > 0 {
            pool.push(warm);
        }
    });
}

impl Warm {
    /// Empties the request head, keeping what it has allocated.
    pub(crate) fn clear_head(&mut self) {
        if let Some(query) = self.head.query.take() {
            self.query = query;
        }
        self.head.clear();
    }
}
