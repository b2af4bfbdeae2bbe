//! Deadlines of requests, kept coarsely: one sleep per worker, however many requests wait.
//!
//! A request that meets its deadline, as nearly all do, costs one slot in a table and no timer. Deadlines fire up to
//! [`TICK`] late and never early.

use std::cell::{Cell, RefCell};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use slab::Slab;
use tokio::sync::Notify;

/// How late a deadline may fire.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// Ticks without any deadline after which the clock stops, so that an idle worker sleeps.
const IDLE_TICKS: u32 = 20;

/// All deadlines of one worker.
pub(crate) struct Deadlines {
    waiting: RefCell<Slab<Waiting>>,
    now: Cell<Instant>,
    stopped: Cell<bool>,
    start: Notify,
}

struct Waiting {
    at: Instant,
    waker: Waker,
}

impl Deadlines {
    pub(crate) fn new() -> Self {
        Self {
            waiting: RefCell::new(Slab::new()),
            now: Cell::new(Instant::now()),
            stopped: Cell::new(false),
            start: Notify::new(),
        }
    }

    /// A deadline `after` from now. It takes part only once it is polled. Sets the clock, which may have stood.
    pub(crate) fn after(&self, now: Instant, after: Duration) -> Deadline<'_> {
        self.now.set(self.now.get().max(now));
        Deadline { all: self, slot: None, at: now + after }
    }

    /// The time, up to [`TICK`] ago; only true while there is a deadline.
    pub(crate) fn now(&self) -> Instant {
        self.now.get()
    }

    /// Runs the clock for as long as the worker lives.
    pub(crate) async fn run(&self) {
        let mut idle = 0;
        loop {
            if idle > IDLE_TICKS {
                self.stopped.set(true);
                self.start.notified().await;
                self.stopped.set(false);
                idle = 0;
            }
            tokio::time::sleep(TICK).await;
            idle = if self.advance(Instant::now()) { 0 } else { idle + 1 };
        }
    }

    /// Moves the clock and wakes whoever is due. Tells whether anybody waits.
    fn advance(&self, now: Instant) -> bool {
        self.now.set(now);
        let waiting = self.waiting.borrow();
        for (_, one) in waiting.iter().filter(|(_, one)| one.at <= now) {
            one.waker.wake_by_ref();
        }
        !waiting.is_empty()
    }
}

/// One deadline. It may be moved; dropping it takes it off the clock.
pub(crate) struct Deadline<'a> {
    all: &'a Deadlines,
    slot: Option<usize>,
    at: Instant,
}

impl Deadline<'_> {
    /// Moves it. The task that polled it last is woken at the new time.
    pub(crate) fn reset(&mut self, at: Instant) {
        self.at = at;
        if let Some(slot) = self.slot
            && let Some(mine) = self.all.waiting.borrow_mut().get_mut(slot)
        {
            mine.at = at;
        }
    }

    /// Ready once the time has come.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.at <= self.all.now.get() {
            return Poll::Ready(());
        }
        let mut waiting = self.all.waiting.borrow_mut();
        match self.slot.and_then(|slot| waiting.get_mut(slot)) {
            Some(mine) if mine.waker.will_wake(cx.waker()) => {}
            Some(mine) => mine.waker = cx.waker().clone(),
            None => {
                self.slot = Some(waiting.insert(Waiting { at: self.at, waker: cx.waker().clone() }));
                if self.all.stopped.get() {
                    self.all.start.notify_one();
                }
            }
        }
        Poll::Pending
    }
}

impl Drop for Deadline<'_> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot {
            self.all.waiting.borrow_mut().try_remove(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(deadline: &mut Deadline<'_>) -> bool {
        deadline.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn fires_when_the_clock_has_passed_it_and_not_before() {
        let all = Deadlines::new();
        let start = Instant::now();
        let mut one = all.after(start, Duration::from_secs(1));
        assert!(!poll(&mut one));
        all.advance(start + Duration::from_millis(999));
        assert!(!poll(&mut one));
        all.advance(start + Duration::from_secs(1));
        assert!(poll(&mut one));
    }

    #[test]
    fn a_moved_deadline_fires_at_the_new_time() {
        let all = Deadlines::new();
        let start = Instant::now();
        let mut one = all.after(start, Duration::from_secs(1));
        assert!(!poll(&mut one));
        one.reset(start + Duration::from_secs(5));
        all.advance(start + Duration::from_secs(2));
        assert!(!poll(&mut one));
        all.advance(start + Duration::from_secs(5));
        assert!(poll(&mut one));
    }

    #[test]
    fn a_clock_that_stood_is_set_by_the_next_deadline() {
        let all = Deadlines::new();
        // Nobody has waited for so long that the clock was stopped.
        let later = Instant::now() + Duration::from_secs(3600);
        let mut one = all.after(later, Duration::from_secs(30));
        assert!(all.now() >= later);
        one.reset(all.now() + Duration::from_secs(30));
        all.advance(later + Duration::from_secs(29));
        assert!(!poll(&mut one));
    }

    #[test]
    fn a_clock_is_never_set_back() {
        let all = Deadlines::new();
        let start = Instant::now();
        all.advance(start + Duration::from_secs(5));
        let _ = all.after(start, Duration::from_secs(1));
        assert_eq!(all.now(), start + Duration::from_secs(5));
    }

    #[test]
    fn a_dropped_deadline_leaves_nothing() {
        let all = Deadlines::new();
        let mut one = all.after(Instant::now(), Duration::from_secs(1));
        assert!(!poll(&mut one));
        assert!(all.advance(Instant::now()));
        drop(one);
        assert!(!all.advance(Instant::now()));
    }
}
