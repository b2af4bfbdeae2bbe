//! Requests per second: now, and over the last minute.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Seconds remembered.
const SECONDS: usize = 60;
/// Seconds that "now" is averaged over.
const NOW: usize = 3;

pub(crate) struct Rate {
    /// Requests in each whole second that is over, the newest last.
    seconds: VecDeque<u64>,
    second_began: Instant,
    count_then: u64,
}

impl Rate {
    pub(crate) fn new(now: Instant) -> Self {
        Self { seconds: VecDeque::new(), second_began: now, count_then: 0 }
    }

    /// Notes how many requests there have been in all.
    pub(crate) fn note(&mut self, now: Instant, count: u64) {
        let passed = now.duration_since(self.second_began).as_secs();
        if passed == 0 {
            return;
        }
        let per_second = count.saturating_sub(self.count_then) / passed;
        for _ in 0..passed.min(SECONDS as u64) {
            if self.seconds.len() == SECONDS {
                self.seconds.pop_front();
            }
            self.seconds.push_back(per_second);
        }
        self.second_began += Duration::from_secs(passed);
        self.count_then = count;
    }

    #[allow(clippy::cast_precision_loss, reason = "shown with one digit after the point")]
    pub(crate) fn per_second(&self) -> f64 {
        let recent: Vec<u64> = self.seconds.iter().rev().take(NOW).copied().collect();
        if recent.is_empty() { 0.0 } else { recent.iter().sum::<u64>() as f64 / recent.len() as f64 }
    }

    pub(crate) fn history(&self) -> Vec<u64> {
        self.seconds.iter().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_counted_and_forgotten() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut rate = Rate::new(start);
        rate.note(at(500), 10);
        assert!(rate.history().is_empty());
        rate.note(at(1000), 12);
        rate.note(at(3000), 32);
        assert_eq!(rate.history(), [12, 10, 10]);
        assert!((rate.per_second() - 32.0 / 3.0).abs() < 0.01);
        rate.note(at(200_000), 32);
        assert_eq!((rate.history().len(), rate.per_second()), (60, 0.0));
    }
}
