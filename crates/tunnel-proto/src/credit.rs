//! Credit: how many body bytes may be under way (docs/protocol.md §6).
//!
//! The receiver owns the window and returns credit when half of it has been consumed. When that half went by in less
//! than two round trips the window is what holds the sender back, so it doubles, up to its maximum and as long as
//! there is room; when it took more than sixteen, the window is far too large and halves, down to where it began. So
//! every window converges on what bandwidth × delay needs.
//!
//! The carrier's window must not become a way for slow streams to starve the others: when what they leave unread has
//! used it up it grows regardless of rates and past its maximum. What is held is bounded by the streams' own windows
//! and by the budget, and the window is never larger than what is held and two of where it began.

use std::time::{Duration, Instant};

use crate::error::Violation;

/// Credit of a new stream, and the smallest window of one: part of the protocol.
pub const STREAM_START: u32 = 64 * 1024;
/// Credit of the answer to a request that says so, and the smallest window of it: part of the protocol.
pub const STREAM_NARROW: u32 = 16 * 1024;
/// Credit of a new carrier, and the smallest window of one: part of the protocol.
pub const CARRIER_START: u32 = 1024 * 1024;
/// The most that one side may have been granted and not yet used.
pub const MAX_CREDIT: u32 = (1 << 31) - 1;
/// A CREDIT of less is a scrap: it counts as a control frame, of which a peer may send few. We send none.
pub const SCRAP: u32 = 8 * 1024;
/// Round trip assumed until one was measured.
const UNMEASURED: Duration = Duration::from_millis(20);
/// Round trip assumed at least: on a busy machine programs take their turns this slowly, however near the peer is.
const TURN: Duration = Duration::from_millis(5);

/// What we may still send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SendCredit(u32);

impl SendCredit {
    pub(crate) const fn new(start: u32) -> Self {
        Self(start)
    }

    #[inline]
    pub(crate) const fn left(self) -> usize {
        self.0 as usize
    }

    /// Uses `n`, which is at most what is left.
    #[inline]
    pub(crate) fn spend(&mut self, n: usize) {
        self.0 = self.0.saturating_sub(u32::try_from(n).unwrap_or(u32::MAX));
    }

    /// Takes a CREDIT frame from the peer.
    pub(crate) fn add(&mut self, n: u32) -> Result<(), Violation> {
        let sum = self.0.checked_add(n).filter(|sum| n > 0 && *sum <= MAX_CREDIT);
        self.0 = sum.ok_or(Violation::BadCredit)?;
        Ok(())
    }
}

/// What a window may do at this moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tuning {
    pub now: Instant,
    pub rtt: Option<Duration>,
    pub max: u32,
    /// There is room for larger windows.
    pub may_grow: bool,
    /// The process is short of memory.
    pub must_shrink: bool,
}

/// What the peer may still send us. Invariant: `allow` + bytes held + `pending` = `size`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RecvWindow {
    start: u32,
    size: u32,
    allow: u32,
    pending: u32,
    /// When credit was last returned; `None` until the first half has gone by, which proves nothing about the rate.
    since: Option<Instant>,
}

impl RecvWindow {
    pub(crate) const fn new(start: u32) -> Self {
        Self { start, size: start, allow: start, pending: 0, since: None }
    }

    #[cfg(test)]
    pub(crate) const fn size(&self) -> u32 {
        self.size
    }

    /// What it has grown by.
    #[inline]
    pub(crate) const fn extra(&self) -> usize {
        (self.size - self.start) as usize
    }

    /// Whether most of where it began is used up.
    #[inline]
    pub(crate) const fn is_low(&self) -> bool {
        self.allow < self.start / 2
    }

    /// Whether next to nothing may come any more.
    #[inline]
    pub(crate) const fn is_spent(&self) -> bool {
        self.allow < self.start / 16
    }

    /// For a window that is low because what it let in is not consumed: returns what was consumed, however little, else
    /// grows.
    pub(crate) fn relieve(&mut self, tuning: &Tuning) -> Option<u32> {
        let step = if self.pending >= self.allow.max(SCRAP) {
            // Bulk comes in pieces as large as half a window: it must not be low between two of them and never grow.
            if !tuning.must_shrink {
                return self.grant(tuning);
            }
            std::mem::take(&mut self.pending)
        } else if tuning.may_grow {
            let step = self.start.min(MAX_CREDIT.saturating_sub(self.size));
            self.size += step;
            step
        } else {
            0
        };
        self.allow += step;
        (step > 0).then_some(step)
    }

    /// Counts `n` received bytes.
    #[inline]
    pub(crate) fn receive(&mut self, n: usize, stream: u32) -> Result<(), Violation> {
        let left = u32::try_from(n).ok().and_then(|n| self.allow.checked_sub(n));
        self.allow = left.ok_or(Violation::CreditOverrun(stream))?;
        Ok(())
    }

    /// Counts `n` consumed bytes; says how much credit to return, if it is time to.
    #[inline]
    pub(crate) fn consume(&mut self, n: usize, tuning: impl FnOnce() -> Tuning) -> Option<u32> {
        self.pending = self.pending.saturating_add(u32::try_from(n).unwrap_or(u32::MAX));
        if self.pending < self.size / 2 { None } else { self.grant(&tuning()) }
    }

    fn grant(&mut self, tuning: &Tuning) -> Option<u32> {
        let mut grant = self.pending;
        if tuning.must_shrink {
            let surplus = self.size.saturating_sub(self.start).min(grant);
            self.size -= surplus;
            grant -= surplus;
        } else if self.size > tuning.max {
            let surplus = (self.size - tuning.max).min(grant);
            self.size -= surplus;
            grant -= surplus;
        } else if tuning.may_grow && self.went_by_in(2, tuning) {
            let larger = self.size.saturating_mul(2).min(tuning.max);
            grant = grant.saturating_add(larger - self.size);
            self.size = larger;
        } else if !self.went_by_in(16, tuning) {
            let surplus = (self.size / 2).min(self.size - self.start).min(grant);
            self.size -= surplus;
            grant -= surplus;
        }
        self.since = Some(tuning.now);
        if grant < SCRAP {
            self.pending = grant;
            return None;
        }
        self.pending = 0;
        self.allow = self.allow.saturating_add(grant);
        Some(grant)
    }

    /// Whether half a window was consumed within so many round trips.
    fn went_by_in(&self, round_trips: u32, tuning: &Tuning) -> bool {
        let Some(since) = self.since else { return false };
        let rtt = tuning.rtt.unwrap_or(UNMEASURED).max(TURN);
        tuning.now.saturating_duration_since(since) < rtt * round_trips
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn tuning(now: Instant, rtt_ms: u64) -> Tuning {
        let rtt = Some(Duration::from_millis(rtt_ms));
        Tuning { now, rtt, max: 16 * STREAM_START, may_grow: true, must_shrink: false }
    }

    #[test]
    fn sending_never_passes_what_was_granted() {
        let mut credit = SendCredit::new(10);
        credit.spend(4);
        assert_eq!(credit.left(), 6);
        assert_eq!(credit.add(0), Err(Violation::BadCredit));
        assert_eq!(credit.add(MAX_CREDIT), Err(Violation::BadCredit));
        assert_eq!(credit.add(u32::MAX), Err(Violation::BadCredit));
        assert!(credit.add(MAX_CREDIT - 6).is_ok());
    }

    #[test]
    fn an_overrun_is_a_violation() {
        let mut window = RecvWindow::new(STREAM_START);
        assert!(window.receive(STREAM_START as usize, 1).is_ok());
        assert_eq!(window.receive(1, 7), Err(Violation::CreditOverrun(7)));
        assert_eq!(window.receive(usize::MAX, 7), Err(Violation::CreditOverrun(7)));
    }

    #[test]
    fn credit_returns_at_half_a_window() {
        let now = Instant::now();
        let (mut window, half) = (RecvWindow::new(STREAM_START), STREAM_START / 2);
        window.receive(STREAM_START as usize, 1).unwrap();
        assert_eq!(window.consume(half as usize - 1, || unreachable!()), None);
        assert_eq!(window.consume(1, || tuning(now, 1)), Some(half));
    }

    #[test]
    fn a_window_that_holds_back_a_fast_sender_doubles_and_a_slow_one_stays() {
        let mut now = Instant::now();
        let mut window = RecvWindow::new(STREAM_START);
        let mut step = |gap_ms: u64| {
            now += Duration::from_millis(gap_ms);
            let half = window.size() / 2;
            window.receive(half as usize, 1).unwrap();
            let grant = window.consume(half as usize, || tuning(now, 100));
            (window.size() / STREAM_START, grant.is_some_and(|grant| grant >= half))
        };
        assert_eq!(step(0), (1, true), "the first half proves nothing");
        assert_eq!(step(500), (1, true), "slow");
        assert_eq!(step(150), (2, true));
        assert_eq!(step(150), (4, true));
        assert_eq!([step(150).0, step(150).0, step(150).0], [8, 16, 16], "never past its maximum");
        assert_eq!([step(1500).0, step(1700).0, step(1700).0], [16, 8, 4], "far too large");
    }

    #[test]
    fn a_shrinking_window_leaves_the_sender_all_of_what_remains() {
        let mut now = Instant::now();
        let mut window = RecvWindow::new(STREAM_START);
        window.receive(STREAM_START as usize / 2, 1).unwrap();
        window.consume(STREAM_START as usize / 2, || tuning(now, 100));
        window.receive(STREAM_START as usize / 2, 1).unwrap();
        window.consume(STREAM_START as usize / 2, || tuning(now, 100));
        assert_eq!(window.size(), 2 * STREAM_START);
        now += Duration::from_secs(9);
        window.receive(STREAM_START as usize, 1).unwrap();
        assert_eq!(window.consume(STREAM_START as usize, || tuning(now, 100)), None);
        assert_eq!((window.size(), window.allow), (STREAM_START, STREAM_START));
    }

    #[test]
    fn a_window_used_up_by_what_is_not_read_grows_in_steps() {
        let (mut window, now) = (RecvWindow::new(CARRIER_START), Instant::now());
        window.receive(CARRIER_START as usize / 2, 0).unwrap();
        assert!(!window.is_low());
        window.receive(1, 0).unwrap();
        assert!(window.is_low());
        assert_eq!(window.relieve(&Tuning { may_grow: false, ..tuning(now, 1) }), None);
        assert_eq!(window.relieve(&tuning(now, 1)), Some(CARRIER_START));
        assert_eq!(window.extra(), CARRIER_START as usize);
    }

    #[test]
    fn a_spent_window_returns_what_little_was_consumed() {
        let (mut window, now) = (RecvWindow::new(CARRIER_START), Instant::now());
        window.receive(CARRIER_START as usize, 0).unwrap();
        assert!(window.is_spent());
        assert_eq!(window.consume(SCRAP as usize - 1, || tuning(now, 1)), None);
        assert_eq!(window.relieve(&Tuning { may_grow: false, ..tuning(now, 1) }), None, "a scrap");
        assert_eq!(window.consume(1, || tuning(now, 1)), None);
        assert_eq!(window.relieve(&tuning(now, 1)), Some(SCRAP));
        assert_eq!(window.extra(), 0);
    }

    #[test]
    fn a_window_that_grew_past_its_maximum_comes_down_to_it() {
        let (mut window, now) = (RecvWindow::new(CARRIER_START), Instant::now());
        for _ in 0..32 {
            window.receive(window.allow as usize, 0).unwrap();
            window.relieve(&tuning(now, 1)).unwrap();
        }
        let most = Tuning { max: 16 * CARRIER_START, ..tuning(now, 1) };
        let held = window.size - window.allow;
        assert_eq!(window.consume(held as usize, || most), Some(held - 17 * CARRIER_START));
        assert_eq!((window.size, window.allow), (most.max, most.max));
    }

    #[test]
    fn want_of_memory_shrinks_a_window_to_its_start() {
        let now = Instant::now();
        let mut window = RecvWindow::new(STREAM_START);
        let half = STREAM_START / 2;
        for _ in 0..2 {
            window.receive(half as usize, 1).unwrap();
            window.consume(half as usize, || tuning(now, 100));
        }
        assert_eq!(window.size(), 2 * STREAM_START);
        window.receive(2 * half as usize, 1).unwrap();
        let short = Tuning { must_shrink: true, may_grow: false, ..tuning(now, 100) };
        assert_eq!(window.consume(2 * half as usize, || short), None);
        assert_eq!(window.size(), STREAM_START);
    }
}
