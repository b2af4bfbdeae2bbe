//! The process-wide bound on body bytes that were received and not yet consumed.
//!
//! Credit bounds one connection; this bounds all of them together. A connection counts in lots against the shared
//! number and keeps a small allowance that is not counted at all, so that ordinary small requests touch no shared
//! cache line. What is held in the whole process is therefore at most the limit + [`FREE`] per connection.
//!
//! Parties that share a process without trusting each other get a [`ByteBudget::part`] each: none can take the others'
//! room.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes that each connection may hold uncounted.
pub const FREE: usize = 32 * 1024;
const LOT: usize = 64 * 1024;

/// A shared number of bytes; clones share it.
#[derive(Debug, Clone)]
pub struct ByteBudget {
    whole: Arc<Inner>,
    /// What one of several parties has reserved of it, if this is a party's.
    part: Option<Arc<AtomicUsize>>,
}

/// Equal are those that count the same bytes for the same party.
impl PartialEq for ByteBudget {
    fn eq(&self, other: &Self) -> bool {
        let party = |budget: &Self| budget.part.as_ref().map(Arc::as_ptr);
        Arc::ptr_eq(&self.whole, &other.whole) && party(self) == party(other)
    }
}

impl Eq for ByteBudget {}

#[derive(Debug)]
struct Inner {
    limit: usize,
    used: AtomicUsize,
}

impl ByteBudget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { whole: Arc::new(Inner { limit, used: AtomicUsize::new(0) }), part: None }
    }

    /// The same bytes for one of several parties that owe each other nothing: it may have as many as it leaves free.
    /// Alone that is half of all, two of them have a third each; whoever has little always finds room, and feels no
    /// pressure that is of others' making.
    #[must_use]
    pub fn part(&self) -> Self {
        Self { whole: Arc::clone(&self.whole), part: Some(Arc::default()) }
    }

    /// Bytes reserved now, by this party if it is a party's.
    pub fn used(&self) -> usize {
        self.part.as_deref().unwrap_or(&self.whole.used).load(Relaxed)
    }

    /// Bytes in all.
    pub fn limit(&self) -> usize {
        self.whole.limit
    }

    /// Half of it is gone: windows no longer grow.
    pub fn is_tight(&self) -> bool {
        self.used() > self.bound() / 2
    }

    /// Three quarters are gone: windows shrink back to where they began.
    pub fn is_short(&self) -> bool {
        self.used() > self.bound() / 4 * 3
    }

    /// Reserves `n` bytes for as long as the hold lives; refused when that would be more than a quarter of all. For what
    /// is of use but can be done without.
    pub fn hold(&self, n: usize) -> Option<Hold> {
        let spare = self.whole.used.load(Relaxed).saturating_add(n) <= self.whole.limit / 4;
        (spare && self.reserve(n)).then(|| Hold { budget: self.clone(), n })
    }

    /// What this party could have if the others stayed as they are.
    fn bound(&self) -> usize {
        match &self.part {
            Some(part) => part.load(Relaxed).saturating_add(self.free()) / 2,
            None => self.whole.limit,
        }
    }

    fn free(&self) -> usize {
        self.whole.limit.saturating_sub(self.whole.used.load(Relaxed))
    }

    // Relaxed everywhere: counts, nothing is published through them. Two connections of one party that reserve at the
    // same instant may pass its bound by their lots, never the limit of all.
    fn reserve(&self, n: usize) -> bool {
        if let Some(part) = &self.part
            && part.load(Relaxed).saturating_add(n) > self.free()
        {
            return false;
        }
        let add = |used: usize| used.checked_add(n).filter(|sum| *sum <= self.whole.limit);
        let reserved = self.whole.used.fetch_update(Relaxed, Relaxed, add).is_ok();
        if reserved && let Some(part) = &self.part {
            part.fetch_add(n, Relaxed);
        }
        reserved
    }

    fn release(&self, n: usize) {
        self.whole.used.fetch_sub(n, Relaxed);
        if let Some(part) = &self.part {
            part.fetch_sub(n, Relaxed);
        }
    }
}

/// Bytes reserved without a connection's knowing. See [`ByteBudget::hold`].
#[derive(Debug)]
pub struct Hold {
    budget: ByteBudget,
    n: usize,
}

impl Hold {
    /// How many bytes.
    pub fn size(&self) -> usize {
        self.n
    }

    /// Keeps what another hold of the same budget has as well.
    pub fn join(&mut self, mut other: Self) {
        self.n += std::mem::take(&mut other.n);
    }

    /// Lets go of so many bytes, or of all.
    pub fn give_back(&mut self, n: usize) {
        let n = n.min(self.n);
        self.n -= n;
        self.budget.release(n);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.budget.release(self.n);
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

    #[test]
    fn a_hold_is_had_only_while_there_is_plenty_and_comes_back() {
        let budget = ByteBudget::new(8 * LOT);
        let first = budget.hold(LOT);
        assert!(first.is_some() && budget.hold(LOT + 1).is_none());
        let second = budget.hold(LOT);
        assert!(second.is_some() && budget.hold(1).is_none());
        assert_eq!(budget.used(), 2 * LOT);
        drop((first, second));
        assert_eq!(budget.used(), 0);
    }

    /// Takes lots until there is no more; says how many.
    fn hog(share: &mut Share) -> usize {
        (0..).take_while(|_| share.take(LOT)).count()
    }

    #[test]
    fn no_party_takes_the_others_room() {
        let budget = ByteBudget::new(120 * LOT);
        let (one, two, three) = (budget.part(), budget.part(), budget.part());
        assert!(one == one.clone() && one != two && one != budget);
        let (mut a, mut a2, mut b) = (Share::new(one.clone()), Share::new(one.clone()), Share::new(two.clone()));
        assert_eq!(hog(&mut a), 60);
        assert_eq!(hog(&mut a2), 0, "more connections are no more room");
        assert!(one.is_short() && !two.is_tight() && !three.is_tight());
        assert_eq!(hog(&mut b), 30);
        let mut c = Share::new(three.clone());
        assert!(c.take(5 * LOT) && !three.is_tight());
        assert!(budget.used() <= budget.limit());
        assert_eq!(one.used() + two.used() + three.used(), budget.used());
        drop((a, a2, b, c));
        assert_eq!((one.used(), two.used(), budget.used()), (0, 0, 0));
    }
}
