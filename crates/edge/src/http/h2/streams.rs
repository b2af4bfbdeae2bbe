//! The requests under way on one connection, run inside its task.
//!
//! A finished request's memory serves the next one. A panic ends its own request only.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use super::bell::{Bell, StreamBell};

pub(super) struct Streams<F> {
    slots: Vec<Slot<F>>,
    free: Vec<usize>,
    bell: Arc<Bell>,
}

struct Slot<F> {
    work: Pin<Box<Option<F>>>,
    ring: Arc<StreamBell>,
    waker: Waker,
}

impl<F: Future<Output = ()>> Streams<F> {
    pub(super) fn new(bell: Arc<Bell>) -> Self {
        Self { slots: Vec::new(), free: Vec::new(), bell }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops all requests.
    pub(super) fn clear(&mut self) {
        self.slots.clear();
        self.free.clear();
    }

    /// Takes a request in; it is polled in this turn.
    pub(super) fn add(&mut self, work: F) {
        let index = self.free.pop().unwrap_or_else(|| self.grow());
        if let Some(slot) = self.slots.get_mut(index) {
            slot.work.set(Some(work));
            slot.waker.wake_by_ref();
        }
    }

    fn grow(&mut self) -> usize {
        let index = self.slots.len();
        let ring = StreamBell::new(self.bell.clone(), index);
        let waker = Waker::from(ring.clone());
        self.slots.push(Slot { work: Box::pin(None), ring, waker });
        index
    }

    /// Polls one request.
    pub(super) fn poll(&mut self, index: usize) {
        let Some(slot) = self.slots.get_mut(index) else { return };
        slot.ring.answer();
        let Some(work) = slot.work.as_mut().as_pin_mut() else { return };
        let mut cx = Context::from_waker(&slot.waker);
        if let Ok(Poll::Pending) = catch_unwind(AssertUnwindSafe(|| work.poll(&mut cx))) {
            return;
        }
        slot.work.set(None);
        self.free.push(index);
    }

    /// Nothing is under way: keeps memory for one request at most.
    pub(super) fn shrink(&mut self) {
        if self.slots.len() > 1 && self.len() == 0 {
            self.slots.truncate(1);
            self.slots.shrink_to(1);
            self.free = vec![0];
        }
    }
}
