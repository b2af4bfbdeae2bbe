//! Counters for the live view and the logs. Written by one thread, read by others; nothing waits for them.

use std::{
    collections::VecDeque,
    net::IpAddr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

/// Requests remembered for the live view.
const REMEMBERED: usize = 64;

/// What a running Warpgate has done.
#[derive(Debug, Default)]
pub struct Stats {
    requests: AtomicU64,
    failed: AtomicU64,
    in_flight: AtomicU64,
    watched: AtomicBool,
    last: Mutex<VecDeque<Seen>>,
}

/// One request, for the live view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub at: SystemTime,
    pub workload: u32,
    pub method: String,
    pub path: String,
    /// `None` when no answer could be given.
    pub status: Option<u16>,
    /// Why there was no whole answer; `None` also when the client left.
    pub fault: Option<String>,
    pub took: Duration,
    pub client: IpAddr,
}

impl Stats {
    /// Requests taken so far.
    pub fn requests(&self) -> u64 {
        self.requests.load(Relaxed)
    }

    /// Of these, how many got no whole answer.
    pub fn failed(&self) -> u64 {
        self.failed.load(Relaxed)
    }

    /// Requests being answered now.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Relaxed)
    }

    /// Begins to remember requests, which costs something; without a live view nothing is remembered.
    pub fn watch(&self) {
        self.watched.store(true, Relaxed);
    }

    /// The last requests, the newest last.
    pub fn last(&self) -> Vec<Seen> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.watched.load(Relaxed)
    }

    /// Counts a request, in flight until what is returned is dropped.
    pub(crate) fn begin(&self) -> InFlight<'_> {
        add(&self.requests, 1);
        add(&self.in_flight, 1);
        InFlight(self)
    }

    pub(crate) fn note_failure(&self) {
        add(&self.failed, 1);
    }

    pub(crate) fn remember(&self, seen: Seen) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.len() == REMEMBERED {
            last.pop_front();
        }
        last.push_back(seen);
    }
}

/// A request that is being answered.
pub(crate) struct InFlight<'a>(&'a Stats);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        add(&self.0.in_flight, u64::MAX);
    }
}

/// Adds, wrapping. There is one writer, so the locked instruction that `fetch_add` needs is not.
#[inline]
fn add(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(by), Relaxed);
}
