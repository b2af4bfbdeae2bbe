//! How fast one key may bring new workloads: each costs a transaction, a snapshot and its compilation on every edge.
//!
//! A token bucket per key. Names that are known cost nothing, so a gate that comes back never meets it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use mezu_model::KeyId;

const PER_SECOND: f64 = 1.0;
/// Four hellos as full as they get: a machine's first start, with a tunnel for each core and a second try.
const BURST: f64 = 256.0;
/// With more buckets than this, the full ones go: a key without a bucket has a full one.
const MANY: usize = 1024;

/// The buckets.
#[derive(Debug, Default)]
pub(super) struct NewNames(Mutex<HashMap<KeyId, Bucket>>);

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl NewNames {
    /// Takes a token for each of `n` names. False, and nothing taken, if there are not so many.
    pub(super) fn take(&self, key: KeyId, n: usize, now: Instant) -> bool {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MANY {
            buckets.retain(|_, bucket| bucket.filled(now) < BURST);
        }
        let bucket = buckets.entry(key).or_insert(Bucket { tokens: BURST, at: now });
        *bucket = Bucket { tokens: bucket.filled(now), at: now };
        let wanted = as_tokens(n);
        let enough = bucket.tokens >= wanted;
        if enough {
            bucket.tokens -= wanted;
        }
        enough
    }

    /// So many of the names that were paid for made no work.
    pub(super) fn give_back(&self, key: KeyId, n: usize) {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = buckets.get_mut(&key) {
            bucket.tokens = (bucket.tokens + as_tokens(n)).min(BURST);
        }
    }
}

impl Bucket {
    fn filled(&self, now: Instant) -> f64 {
        (self.tokens + now.saturating_duration_since(self.at).as_secs_f64() * PER_SECOND).min(BURST)
    }
}

fn as_tokens(n: usize) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn key(n: u16) -> KeyId {
        let [a, b] = n.to_be_bytes();
        KeyId::from_bytes([a, b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    }

    #[test]
    fn a_key_has_a_burst_then_a_name_a_second_and_others_are_not_held_up() {
        let (names, now) = (NewNames::default(), Instant::now());
        assert!(names.take(key(1), 256, now));
        assert!(!names.take(key(1), 1, now) && names.take(key(1), 0, now));
        assert!(names.take(key(2), 64, now));
        let later = now + Duration::from_secs(60);
        assert!(!names.take(key(1), 61, later) && names.take(key(1), 60, later));
        names.give_back(key(1), 5);
        assert!(!names.take(key(1), 6, later) && names.take(key(1), 5, later));
    }

    #[test]
    fn full_buckets_are_not_kept() {
        let (names, now) = (NewNames::default(), Instant::now());
        for n in 0..3000 {
            names.take(key(n), 1, now + Duration::from_secs(2 * u64::from(n)));
        }
        assert!(names.0.lock().is_ok_and(|buckets| buckets.len() <= MANY));
    }
}
