//! How many requests of a workload may be sent a second time.
//!
//! A share of its requests plus a floor per second. A workload that is going down must not get more requests than a
//! healthy one. Requests that certainly never reached it (parked, refused unseen) are not counted.

use std::cell::Cell;
use std::time::{Duration, Instant};

use mezu_model::Limits;

/// What may be saved up, in seconds of the floor, and requests a share is taken of.
const SAVED: f64 = 10.0;
/// The least that may be saved up, so that the death of a busy gate is covered after a quiet time too.
const SAVED_AT_LEAST: f64 = 100.0;

pub(crate) struct Budget {
    tokens: Cell<f64>,
    requests: Cell<u32>,
    at: Cell<Instant>,
}

impl Budget {
    pub(crate) fn new(now: Instant) -> Self {
        Self { tokens: Cell::new(SAVED_AT_LEAST), requests: Cell::new(0), at: Cell::new(now) }
    }

    /// A request was sent for the first time.
    #[inline]
    pub(crate) fn count(&self) {
        self.requests.set(self.requests.get().saturating_add(1));
    }

    /// Takes a re-send out of the budget, if there is one.
    pub(crate) fn spend(&self, limits: &Limits, now: Instant) -> bool {
        // At least a second counts, so that a burst right after a look is not seen as a huge rate.
        let passed = now.saturating_duration_since(self.at.get()).max(Duration::from_millis(1)).as_secs_f64();
        let share = f64::from(self.requests.replace(0)) * f64::from(limits.retry_percent) / 100.0;
        let floor = passed * f64::from(limits.retries_per_second);
        let most = (SAVED * share / passed.max(1.0) + SAVED * f64::from(limits.retries_per_second)).max(SAVED_AT_LEAST);
        self.at.set(now);
        let tokens = (self.tokens.get() + share + floor).min(most.max(self.tokens.get()));
        let spent = tokens >= 1.0;
        self.tokens.set(if spent { tokens - 1.0 } else { tokens });
        spent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spendable(budget: &Budget, now: Instant) -> usize {
        (0..100_000).take_while(|_| budget.spend(&Limits::default(), now)).count()
    }

    #[test]
    fn what_is_saved_is_bounded_and_grows_with_traffic() {
        let start = Instant::now();
        let budget = Budget::new(start);
        assert_eq!(spendable(&budget, start), 100);
        assert_eq!(spendable(&budget, start + Duration::from_secs(1)), 3);
        (0..1000).for_each(|_| budget.count());
        let spent = spendable(&budget, start + Duration::from_secs(2));
        assert!((102..=104).contains(&spent), "{spent}");
        assert_eq!(spendable(&budget, start + Duration::from_secs(3600)), 100);
    }
}
