//! The signal that this worker no longer wants new requests.
//!
//! One per worker thread. Asking it is one load; each connection leaves its waker here once, not per request.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::{Context, Waker},
};

use slab::Slab;
use tokio::time::Instant;

/// Shared by a worker and its connections.
#[derive(Debug, Clone, Default)]
pub struct Drain(Rc<State>);

#[derive(Debug, Default)]
struct State {
    since: Cell<Option<Instant>>,
    wakers: RefCell<Slab<Option<Waker>>>,
}

impl Drain {
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts the drain and wakes every connection. May be called again.
    pub fn begin(&self) {
        if self.0.since.get().is_none() {
            self.0.since.set(Some(Instant::now()));
        }
        let wakers: Vec<Waker> = self.0.wakers.borrow_mut().iter_mut().filter_map(|(_, w)| w.take()).collect();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// When it began, if it did.
    pub fn since(&self) -> Option<Instant> {
        self.0.since.get()
    }

    pub fn is_draining(&self) -> bool {
        self.since().is_some()
    }

    /// A place for one connection's waker; given back when dropped.
    pub(crate) fn watch(&self) -> DrainWatch {
        let key = self.0.wakers.borrow_mut().insert(None);
        DrainWatch { drain: self.clone(), key }
    }
}

#[derive(Debug)]
pub(crate) struct DrainWatch {
    drain: Drain,
    key: usize,
}

impl DrainWatch {
    /// When the drain began; if it has not, the task is woken once it does.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Option<Instant> {
        let since = self.drain.since();
        if since.is_none()
            && let Some(slot) = self.drain.0.wakers.borrow_mut().get_mut(self.key)
        {
            match slot {
                Some(waker) => waker.clone_from(cx.waker()),
                None => *slot = Some(cx.waker().clone()),
            }
        }
        since
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.drain.is_draining()
    }
}

impl Drop for DrainWatch {
    fn drop(&mut self) {
        self.drain.0.wakers.borrow_mut().try_remove(self.key);
    }
}
