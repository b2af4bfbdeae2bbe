//! Handshakes under way on one worker: how many at once, and how many may begin per second.
//!
//! A handshake is the dearest thing a stranger can ask for, so beginnings are paced: a burst passes, what comes
//! faster waits its turn within the handshake's own deadline, and what finds all places taken is closed.

use std::cell::Cell;
use std::time::{Duration, Instant};

use mezu_model::Limits;

use super::Refused;

pub(crate) struct Handshakes {
    open: Cell<usize>,
    most: usize,
    /// Time that one beginning costs.
    gap: Duration,
    /// How far the schedule may lie behind: one second's worth may come at once.
    slack: Duration,
    /// When the next may begin.
    next: Cell<Instant>,
}

impl Handshakes {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            open: Cell::new(0),
            most: limits.handshakes_open,
            gap: Duration::from_secs(1) / limits.handshakes_per_second.max(1),
            slack: Duration::from_secs(1),
            next: Cell::new(Instant::now()),
        }
    }

    /// Takes a place, and tells how long to wait before beginning.
    pub(crate) fn begin(&self, now: Instant) -> Result<(Handshake<'_>, Duration), Refused> {
        if self.open.get() >= self.most {
            return Err(Refused::Handshakes);
        }
        self.open.set(self.open.get() + 1);
        let earliest = now.checked_sub(self.slack).unwrap_or(now);
        let mine = self.next.get().max(earliest);
        self.next.set(mine + self.gap);
        Ok((Handshake(self), mine.saturating_duration_since(now)))
    }
}

/// One place among the handshakes of a worker.
pub(crate) struct Handshake<'a>(&'a Handshakes);

impl Drop for Handshake<'_> {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_second_of_them_begins_at_once_and_the_next_waits() {
        let limits = Limits { handshakes_per_second: 10, handshakes_open: 100, ..Limits::default() };
        let all = Handshakes::new(&limits);
        let now = Instant::now() + Duration::from_secs(10);
        let mut held = Vec::new();
        for _ in 0..11 {
            let (place, wait) = all.begin(now).unwrap();
            assert_eq!(wait, Duration::ZERO);
            held.push(place);
        }
        assert_eq!(all.begin(now).unwrap().1, Duration::from_millis(100));
    }

    #[test]
    fn places_are_bounded_and_given_back() {
        let all = Handshakes::new(&Limits { handshakes_open: 1, ..Limits::default() });
        let now = Instant::now();
        let held = all.begin(now).unwrap();
        assert_eq!(all.begin(now).err(), Some(Refused::Handshakes));
        drop(held);
        assert!(all.begin(now).is_ok());
    }
}
