//! How often something may be tried. A delay, never a lock: whoever waits may try again, and a stranger on another
//! network cannot make a member wait.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Keys that are remembered at once. Beyond, those whose attempts are long ago go first; if there are none, the newcomer
/// shares one place with all that found none.
const MOST: usize = 10_000;

/// A burst, then one every so many seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    pub(crate) burst: u32,
    pub(crate) seconds: u32,
}

/// Attempts by key, each a bucket (GCRA: one point in time per key).
#[derive(Debug)]
pub struct Attempts {
    each: Duration,
    burst: Duration,
    /// When the bucket of the key will be empty of attempts again.
    until: Mutex<HashMap<Box<str>, Instant>>,
}

impl Attempts {
    pub(crate) fn new(rate: Rate) -> Self {
        let each = Duration::from_secs(rate.seconds.into());
        Self { each, burst: each * rate.burst, until: Mutex::default() }
    }

    /// Counts an attempt. It is counted before it is made, so that many at once gain nothing.
    ///
    /// # Errors
    /// How long to wait, when there were too many.
    pub(crate) fn take(&self, key: &str, now: Instant) -> Result<(), Duration> {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let key = if until.contains_key(key) || make_room(&mut until, now) { key } else { "" };
        let point = until.get(key).copied().unwrap_or(now).max(now) + self.each;
        let over = point.saturating_duration_since(now).saturating_sub(self.burst);
        if !over.is_zero() {
            return Err(over);
        }
        until.insert(key.into(), point);
        Ok(())
    }

    /// Takes an attempt back, because it succeeded.
    pub(crate) fn give_back(&self, key: &str) {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(point) = until.get_mut(key) {
            *point = point.checked_sub(self.each).unwrap_or(*point);
        }
    }
}

/// Whether another key has room.
fn make_room(until: &mut HashMap<Box<str>, Instant>, now: Instant) -> bool {
    if until.len() >= MOST {
        until.retain(|_, point| *point > now);
    }
    until.len() < MOST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_the_burst_there_is_a_delay_and_no_lock() {
        let attempts = Attempts::new(Rate { burst: 3, seconds: 10 });
        let start = Instant::now();
        for _ in 0..3 {
            assert_eq!(attempts.take("a", start), Ok(()));
        }
        assert_eq!(attempts.take("a", start), Err(Duration::from_secs(10)));
        assert_eq!(attempts.take("a", start), Err(Duration::from_secs(10)), "refused attempts make it no longer");
        assert_eq!(attempts.take("b", start), Ok(()), "others do not wait");
        assert_eq!(attempts.take("a", start + Duration::from_secs(10)), Ok(()));
        attempts.give_back("a");
        assert_eq!(attempts.take("a", start + Duration::from_secs(10)), Ok(()), "successes do not count");
    }

    #[test]
    fn memory_is_bounded() {
        let attempts = Attempts::new(Rate { burst: 3, seconds: 10 });
        let start = Instant::now();
        for number in 0..MOST + 50 {
            let _ = attempts.take(&number.to_string(), start);
        }
        assert!(attempts.until.lock().unwrap().len() <= MOST + 1);
        assert_eq!(attempts.take("fresh", start + Duration::from_secs(60)), Ok(()));
    }
}
