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

/// How many windows of waiting a client may have saved up by what it took before.
const SAVED_WINDOWS: u32 = 10;

/// One direction of one body: each byte that moves buys waiting time at the minimum rate, within bounds.
#[derive(Debug)]
pub(crate) struct Pace {
    waiting_since: Option<Instant>,
    /// How much longer the client may keep us waiting, and the most of that.
    left: Duration,
    most: Duration,
    /// Bytes per second; 0: any byte buys all.
    rate: u32,
}

impl Pace {
    /// For what a client sends: it is here as soon as it has come.
    pub(crate) fn reading(limits: &Limits) -> Self {
        let most = limits.min_rate_grace + limits.min_rate_window;
        Self { waiting_since: None, left: most, most, rate: limits.min_rate }
    }

    /// For what it takes. That shows only in steps as large as the kernels' buffers at both ends, which at the minimum
    /// rate last for minutes; so what was taken may be saved up.
    pub(crate) fn writing(limits: &Limits) -> Self {
        let left = limits.min_rate_grace + limits.min_rate_window;
        let most = left.max(limits.min_rate_window * SAVED_WINDOWS);
        Self { waiting_since: None, left, most, rate: limits.min_rate }
    }

    /// For streams that may rest (duplex bodies): only silence counts.
    pub(crate) fn patient(idle: Duration) -> Self {
        Self { waiting_since: None, left: idle, most: idle, rate: 0 }
    }

    /// Whether the client was being waited for.
    #[inline]
    pub(crate) fn is_waiting(&self) -> bool {
        self.waiting_since.is_some()
    }

    /// `n` bytes moved, and the wait is over, if there was one.
    pub(crate) fn moved(&mut self, n: usize) {
        if let Some(since) = self.waiting_since.take() {
            self.left = self.left.saturating_sub(since.elapsed());
        }
        self.left = self.left.saturating_add(self.worth(n)).min(self.most);
    }

    fn worth(&self, n: usize) -> Duration {
        match (n, self.rate) {
            (0, _) => Duration::ZERO,
            (_, 0) => self.most,
            (n, rate) => Duration::from_micros((n as u64).saturating_mul(1_000_000) / u64::from(rate)),
        }
    }

    /// Nothing moves just now. Ready when the client was given all the time it gets.
    pub(crate) fn poll_too_slow(&mut self, cx: &mut Context<'_>, alarm: &mut Alarm) -> Poll<()> {
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        alarm.poll_until(cx, since + self.left)
    }
}
