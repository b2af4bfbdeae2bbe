//! Deadlines that cost nothing while all goes well.
//!
//! [`Alarm`] is one timer per connection that is only ever moved when it fires or must fire earlier; [`Pace`] asks
//! a client for a minimum rate, counting only the time spent waiting for that client.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use mezu_model::Limits;
use tokio::time::{Instant, Sleep, sleep_until};

/// A lazily moved timer.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Ready at `deadline`; wakes the task by then at the latest.
    pub(crate) fn poll_until(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if deadline < sleep.deadline() {
            sleep.as_mut().reset(deadline);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

/// One direction of one body: `min_rate` over windows of waiting time, the first one longer by a grace.
#[derive(Debug)]
pub(crate) struct Pace {
    waiting_since: Option<Instant>,
    waited: Duration,
    moved: u64,
    budget: Duration,
    window: Duration,
    quota: u64,
}

impl Pace {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            waiting_since: None,
            waited: Duration::ZERO,
            moved: 0,
            budget: limits.min_rate_grace + limits.min_rate_window,
            window: limits.min_rate_window,
            quota: u64::from(limits.min_rate) * limits.min_rate_window.as_secs(),
        }
    }

    /// For streams that may rest (duplex bodies): only silence counts.
    pub(crate) fn patient(idle: Duration) -> Self {
        Self { waiting_since: None, waited: Duration::ZERO, moved: 0, budget: idle, window: idle, quota: 1 }
    }

    /// Forgets the past: a new body begins.
    pub(crate) fn restart(&mut self, limits: &Limits) {
        *self = Self::new(limits);
    }

    /// Whether the client was being waited for.
    #[inline]
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting_since.is_some()
    }

    /// `n` bytes moved, and the wait is over.
    #[inline]
    pub(crate) fn moved(&mut self, n: usize) {
        self.moved += n as u64;
        if let Some(since) = self.waiting_since.take() {
            self.waited += since.elapsed();
        }
        if self.moved >= self.quota {
            (self.moved, self.waited, self.budget) = (0, Duration::ZERO, self.window);
        }
    }

    /// Nothing moves just now. Ready when the client was given all the time it gets.
    pub(crate) fn poll_too_slow(&mut self, cx: &mut Context<'_>, alarm: &mut Alarm) -> Poll<()> {
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        alarm.poll_until(cx, since + self.budget.saturating_sub(self.waited))
    }
}
