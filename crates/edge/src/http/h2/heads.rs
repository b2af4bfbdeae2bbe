//! Request heads that serve one request after another, per worker thread.

use std::cell::RefCell;

use mezu_model::RequestHead;

const KEPT: usize = 256;

thread_local! {
    static POOL: RefCell<Vec<(RequestHead, String)>> = const { RefCell::new(Vec::new()) };
}

/// An empty head, and a string for its query.
pub(super) fn take() -> (RequestHead, String) {
    POOL.with_borrow_mut(Vec::pop).unwrap_or_default()
}

pub(super) fn give_back(mut head: RequestHead, mut spare: String) {
    if let Some(query) = head.query.take() {
        spare = query;
    }
    head.clear();
    POOL.with_borrow_mut(|pool| {
        if pool.len() < KEPT {
            pool.push((head, spare));
        }
    });
}
