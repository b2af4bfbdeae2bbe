//! The requests under way on one connection, run inside its task.
//!
//! Each place has one future for its whole life that serves one request after another: a request moves into it as a
//! head and a key, never as a future of some kilobytes. A panic ends its own request only.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use super::{
    bell::{Bell, StreamBell},
    core::Incoming,
};

/// How a place's future gets its requests.
#[derive(Default)]
pub(super) struct Seat {
    next: RefCell<Option<Incoming>>,
    busy: Cell<bool>,
}

impl Seat {
    /// The next request; until it comes the place is free.
    pub(super) async fn next(&self) -> Incoming {
        poll_fn(|_| {
            let next = self.next.borrow_mut().take();
            self.busy.set(next.is_some());
            next.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

pub(super) struct Streams<F, M> {
    places: Vec<Place<F>>,
    free: Vec<usize>,
    bell: Arc<Bell>,
    /// Makes a place's future, which never ends.
    make: M,
}

struct Place<F> {
    work: Pin<Box<F>>,
    seat: Rc<Seat>,
    ring: Arc<StreamBell>,
    waker: Waker,
}

impl<F: Future<Output = ()>, M: Fn(Rc<Seat>) -> F> Streams<F, M> {
    pub(super) fn new(bell: Arc<Bell>, make: M) -> Self {
        Self { places: Vec::new(), free: Vec::new(), bell, make }
    }

    /// Whether no request is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.places.len() == self.free.len()
    }

    /// Whether it holds memory for requests.
    pub(super) fn holds_memory(&self) -> bool {
        !self.places.is_empty()
    }

    /// Drops all requests and gives the memory back.
    pub(super) fn clear(&mut self) {
        self.places = Vec::new();
        self.free = Vec::new();
    }

    /// Takes a request in; it is polled in this turn.
    pub(super) fn add(&mut self, request: Incoming) {
        let index = self.free.pop().unwrap_or_else(|| {
            let index = self.places.len();
            self.places.push(self.place(index));
            index
        });
        if let Some(place) = self.places.get_mut(index) {
            *place.seat.next.borrow_mut() = Some(request);
            place.seat.busy.set(true);
            place.waker.wake_by_ref();
        }
    }

    fn place(&self, index: usize) -> Place<F> {
        let seat = Rc::new(Seat::default());
        let ring = StreamBell::new(self.bell.clone(), index);
        let waker = Waker::from(ring.clone());
        let work = Box::pin((self.make)(Rc::clone(&seat)));
        Place { work, seat, ring, waker }
    }

    /// Polls one request.
    pub(super) fn poll(&mut self, index: usize) {
        let Some(place) = self.places.get_mut(index) else { return };
        place.ring.answer();
        let busy = place.seat.busy.get();
        let mut cx = Context::from_waker(&place.waker);
        let polled = catch_unwind(AssertUnwindSafe(|| place.work.as_mut().poll(&mut cx)));
        if !matches!(polled, Ok(Poll::Pending)) {
            // It panicked. Dropping what is left of it resets the stream.
            let fresh = self.place(index);
            if let Some(place) = self.places.get_mut(index) {
                *place = fresh;
                self.free.push(index);
            }
        } else if busy && !place.seat.busy.get() {
            self.free.push(index);
        }
    }
}
