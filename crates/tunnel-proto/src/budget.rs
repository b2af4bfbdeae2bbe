//! The process-wide bound on body bytes that were received and not yet consumed.
//!
//! Credit bounds one connection; this bounds all of them together. A connection counts in lots against the shared
//! number and keeps a small allowance that is not counted at all, so that ordinary small requests touch no shared
//! cache line. What is held in the whole process is therefore at most the limit + [`FREE`] per connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes that each connection may hold uncounted.
pub const FREE: usize = 32 * 1024;
const LOT: usize = 64 * 1024;

/// A shared number of bytes; clones share it.
#[derive(Debug, Clone)]
pub struct ByteBudget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: usize,
    used: AtomicUsize,
}

impl ByteBudget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Inner { limit, used: AtomicUsize::new(0) }))
    }

    /// Bytes reserved now.
    pub fn used(&self) -> usize {
        self.0.used.load(Relaxed)
    }

    /// Bytes in all.
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// Half of it is gone: windows no longer grow.
    pub fn is_tight(&self) -> bool {
        self.used() > self.0.limit / 2
    }

    /// Three quarters are gone: windows shrink back to where they began.
    pub fn is_short(&self) -> bool {
        self.used() > self.0.limit / 4 * 3
    }

    fn reserve(&self, n: usize) -> bool {
        // Relaxed: a count, nothing is published through it.
        self.0
            .used
            .fetch_update(Relaxed, Relaxed, |used| used.checked_add(n).filter(|sum| *sum <= self.0.limit))
            .is_ok()
    }

    fn release(&self, n: usize) {
        self.0.used.fetch_sub(n, Relaxed);
    }
}

/// One connection's part of the budget.
#[derive(Debug)]
pub struct Share {
    budget: ByteBudget,
    held: usize,
    reserved: usize,
}

impl Share {
    pub fn new(budget: ByteBudget) -> Self {
        Self { budget, held: 0, reserved: 0 }
    }

    pub fn budget(&self) -> &ByteBudget {
        &self.budget
    }

    /// Bytes held by this connection.
    pub fn held(&self) -> usize {
        self.held
    }

    /// Counts `n` more bytes; false, and nothing counted, when the process has no room for them.
    #[inline]
    pub fn take(&mut self, n: usize) -> bool {
        let held = self.held.saturating_add(n);
        if held > self.reserved + FREE {
            let lots = (held - self.reserved - FREE).div_ceil(LOT) * LOT;
            if !self.budget.reserve(lots) {
                return false;
            }
            self.reserved += lots;
        }
        self.held = held;
        true
    }

    /// Counts `n` bytes that are dropped at once, room or no room.
    pub fn count(&mut self, n: usize) {
        self.held = self.held.saturating_add(n);
    }

    /// `n` bytes were consumed or dropped. Keeps two lots at hand, so that a steady flow does not go to and fro.
    #[inline]
    pub fn give(&mut self, n: usize) {
        self.held = self.held.saturating_sub(n);
        if self.reserved > self.held + 3 * LOT {
            self.shrink_to(2 * LOT);
        }
    }

    /// Gives back all that is not in use.
    pub fn settle(&mut self) {
        self.shrink_to(0);
    }

    fn shrink_to(&mut self, spare: usize) {
        let wanted = (self.held.saturating_sub(FREE)).div_ceil(LOT) * LOT + spare;
        if self.reserved > wanted {
            self.budget.release(self.reserved - wanted);
            self.reserved = wanted;
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.release(self.reserved);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_holdings_are_free_and_large_ones_are_bounded() {
        let budget = ByteBudget::new(4 * LOT);
        let (mut a, mut b) = (Share::new(budget.clone()), Share::new(budget.clone()));
        assert!(a.take(FREE) && budget.used() == 0);
        assert!(a.take(1) && budget.used() == LOT);
        assert!(a.take(3 * LOT - 1) && budget.used() == 3 * LOT);
        assert!(b.take(FREE + LOT) && budget.used() == 4 * LOT);
        assert!(!b.take(1) && b.held() == FREE + LOT);
        assert!(budget.is_short());
        a.give(3 * LOT);
        a.settle();
        assert_eq!(budget.used(), LOT);
        assert!(b.take(1));
        drop((a, b));
        assert_eq!(budget.used(), 0);
    }
}
