//! What stages remember from request to request: how much of a limit is used up, how much is in flight.
//!
//! It is kept by the route's id, apart from the snapshot: a change of configuration, to this route or to another one,
//! refills no bucket. All workers share it without a lock. It is bounded: a route that limits nothing has none of it,
//! a table grows only while it is full of buckets in use, and all tables together stay below [`MOST_BYTES`].

mod buckets;

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use mezu_model::RouteId;

use self::buckets::Buckets;

/// Of all tables of buckets together, bytes.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// The live state of all routes.
pub struct Live {
    common: Arc<Common>,
    routes: Mutex<HashMap<RouteId, Weak<RouteLive>>>,
    /// What routes without live state share.
    none: Arc<RouteLive>,
}

/// What all tables share.
struct Common {
    epoch: Instant,
    /// Keyed by a secret of this process, so that nobody can choose keys that meet in one bucket.
    keys: RandomState,
    /// Bytes that tables may still take.
    bytes: Arc<AtomicUsize>,
}

/// The live state of one route.
pub struct RouteLive {
    common: Arc<Common>,
    buckets: Buckets<AtomicU64>,
    in_flight: AtomicU32,
}

impl Live {
    /// Nothing used up, nothing in flight. Times before `epoch` count as `epoch`.
    #[must_use]
    pub fn new(epoch: Instant, keys: RandomState) -> Self {
        let common = Arc::new(Common { epoch, keys, bytes: Arc::new(AtomicUsize::new(MOST_BYTES)) });
        let none = Arc::new(RouteLive::new(&common));
        Self { common, routes: Mutex::default(), none }
    }

    /// The state of a route: the one that it has, as long as any snapshot in use has the route, or a new one.
    #[must_use]
    pub fn of(&self, route: RouteId, pipeline: &crate::Pipeline) -> Arc<RouteLive> {
        if !pipeline.keeps_state() {
            return Arc::clone(&self.none);
        }
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(live) = routes.get(&route).and_then(Weak::upgrade) {
            return live;
        }
        let live = Arc::new(RouteLive::new(&self.common));
        routes.insert(route, Arc::downgrade(&live));
        live
    }

    /// Forgets the routes that no snapshot has any more.
    pub fn tidy(&self) {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        routes.retain(|_, live| live.strong_count() > 0);
    }
}

impl RouteLive {
    fn new(common: &Arc<Common>) -> Self {
        let buckets = Buckets::new(Arc::clone(&common.bytes));
        Self { common: Arc::clone(common), buckets, in_flight: AtomicU32::new(0) }
    }

    /// Takes one request out of a bucket, or, for a dry run, only looks.
    pub(crate) fn take(&self, key: &impl Hash, now: Instant, quota: Quota, dry: bool) -> Taken {
        let now = nanos(now.saturating_duration_since(self.common.epoch));
        // 0 stands for a free slot.
        let tag = self.common.keys.hash_one(key).max(1);
        if dry { self.buckets.look(tag, now, quota) } else { self.buckets.take(tag, now, quota) }
    }

    /// A place among at most `most` requests in flight.
    pub(crate) fn enter(&self, most: u32) -> Option<Slot<'_>> {
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        // Dropped on refusal, so that the count is right again.
        let slot = Slot(&self.in_flight);
        (before < most).then_some(slot)
    }

    /// Requests in flight that hold a place.
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }
}

/// A place among the requests in flight; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Slot<'a>(&'a AtomicU32);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// So many at once, and one more each time that `every` has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quota {
    /// Nanoseconds in which one request comes back; at least 1.
    every: u64,
    /// Nanoseconds in which a whole bucket comes back.
    whole: u64,
}

/// What a bucket said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Whether there was one more in it.
    pub(crate) granted: bool,
    /// How many are left in it.
    pub(crate) left: u64,
    /// When it will be full, or, if it was empty, when there will be one more.
    pub(crate) wait: Duration,
}

impl Quota {
    /// `requests` in `per`, of which `burst` may come at once.
    pub(crate) fn new(requests: u32, per: Duration, burst: u32) -> Self {
        let every = (nanos(per) / u64::from(requests.max(1))).max(1);
        Self { every, whole: every.saturating_mul(burst.max(1).into()) }
    }

    /// The generic cell rate algorithm: `due` is when the bucket will be full again. Gives its new value.
    fn next(self, due: u64, now: u64) -> Result<(u64, Taken), Taken> {
        let next = due.max(now).saturating_add(self.every);
        let used = next.saturating_sub(now);
        match self.whole.checked_sub(used) {
            Some(rest) => {
                let wait = Duration::from_nanos(used);
                Ok((next, Taken { granted: true, left: rest / self.every, wait }))
            }
            None => Err(Taken { granted: false, left: 0, wait: Duration::from_nanos(used - self.whole) }),
        }
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Live")
    }
}

impl fmt::Debug for RouteLive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteLive").field("in_flight", &self.in_flight()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
