//! Which workers hold tunnels to a workload, and how many gates it has.
//!
//! The one thing that workers share about tunnels. Each worker looks a workload up once and from then on reads plain
//! counters; a lock is taken only where gates come and go. Nothing is ever removed from the map: it is bounded by
//! the workloads that a snapshot may hold.

mod labels;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mezu_model::{GateId, WorkloadId};
use tokio::sync::Notify;

pub(crate) use self::labels::{Labels, Worn};

const SHARDS: usize = 32;

/// All workloads that were ever asked for or served.
pub(crate) struct Presence {
    shards: Vec<Mutex<HashMap<WorkloadId, Arc<Reach>>>>,
    hasher: RandomState,
    workers: usize,
    /// The gates that wear labels.
    pub(crate) labels: Arc<Labels>,
}

impl Presence {
    pub(crate) fn new(workers: usize) -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, hasher: RandomState::new(), workers, labels: Arc::new(Labels::new(workers)) }
    }

    /// How a workload can be reached. The answer is kept up to date for ever.
    pub(crate) fn reach(&self, workload: WorkloadId) -> Arc<Reach> {
        let at = usize::try_from(self.hasher.hash_one(workload)).unwrap_or(0) % SHARDS;
        let Some(shard) = self.shards.get(at) else { return Arc::new(Reach::new(self.workers)) };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(shard.entry(workload).or_insert_with(|| Arc::new(Reach::new(self.workers))))
    }
}

/// Workers that were found to have no tunnel that helps. Beyond the first 64 none is remembered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Passed(u64);

impl Passed {
    pub(crate) fn add(&mut self, worker: usize) {
        self.0 |= Self::bit(worker);
    }

    fn has(self, worker: usize) -> bool {
        self.0 & Self::bit(worker) != 0
    }

    fn bit(worker: usize) -> u64 {
        u32::try_from(worker).ok().and_then(|worker| 1u64.checked_shl(worker)).unwrap_or(0)
    }
}

/// How one workload can be reached.
pub(crate) struct Reach {
    /// Tunnels per worker.
    tunnels: Box<[AtomicU32]>,
    gates: AtomicU32,
    /// Tunnels per gate, so that `gates` counts processes and not connections.
    per_gate: Mutex<HashMap<GateId, u32>>,
    /// The same of those that are connected and whose workload is not well.
    unwell: AtomicU32,
    unwell_per_gate: Mutex<HashMap<GateId, u32>>,
    started: Instant,
    /// Milliseconds after `started` at which the last tunnel left, plus one. Zero: none ever did.
    left: AtomicU64,
    pub(crate) waiting: AtomicU32,
    /// Tunnels that ever came.
    arrivals: AtomicU32,
    /// Told when one comes.
    pub(crate) came: Notify,
}

impl Reach {
    fn new(workers: usize) -> Self {
        Self {
            tunnels: (0..workers).map(|_| AtomicU32::new(0)).collect(),
            gates: AtomicU32::new(0),
            per_gate: Mutex::default(),
            unwell: AtomicU32::new(0),
            unwell_per_gate: Mutex::default(),
            started: Instant::now(),
            left: AtomicU64::new(0),
            waiting: AtomicU32::new(0),
            arrivals: AtomicU32::new(0),
            came: Notify::new(),
        }
    }

    /// Gates that serve it now.
    pub(crate) fn gates(&self) -> u32 {
        self.gates.load(Ordering::Relaxed)
    }

    /// Gates that are connected and take no requests, because their workload is not well.
    pub(crate) fn unwell(&self) -> u32 {
        self.unwell.load(Ordering::Relaxed)
    }

    /// Whether any gate is connected for it, well or not.
    pub(crate) fn is_known(&self) -> bool {
        self.gates() > 0 || self.unwell() > 0
    }

    /// How many tunnels ever came, to notice one that comes while nobody listens.
    pub(crate) fn arrivals(&self) -> u32 {
        self.arrivals.load(Ordering::Acquire)
    }

    /// Whether its last gate left so recently that it may be restarting.
    pub(crate) fn left_within(&self, span: Duration) -> bool {
        match self.left.load(Ordering::Relaxed) {
            0 => false,
            left => self.started.elapsed() < Duration::from_millis(left - 1) + span,
        }
    }

    /// A worker other than `this` that holds a tunnel and is not `passed`, looked for from a random place on.
    pub(crate) fn elsewhere(&self, this: usize, random: u64, passed: Passed) -> Option<usize> {
        let count = self.tunnels.len();
        let start = usize::try_from(random >> 33).unwrap_or(0);
        (0..count).map(|step| (start + step) % count).find(|at| {
            *at != this
                && !passed.has(*at)
                && self.tunnels.get(*at).is_some_and(|tunnels| tunnels.load(Ordering::Relaxed) > 0)
        })
    }

    /// A worker has got a tunnel from a gate.
    pub(crate) fn join(&self, worker: usize, gate: GateId) {
        let mut per_gate = self.per_gate.lock().unwrap_or_else(PoisonError::into_inner);
        add(&mut per_gate, &self.gates, gate);
        if let Some(tunnels) = self.tunnels.get(worker) {
            tunnels.fetch_add(1, Ordering::Release);
        }
        drop(per_gate);
        self.arrivals.fetch_add(1, Ordering::Release);
        self.came.notify_waiters();
    }

    /// A tunnel takes no more requests.
    pub(crate) fn part(&self, worker: usize, gate: GateId) {
        let mut per_gate = self.per_gate.lock().unwrap_or_else(PoisonError::into_inner);
        remove(&mut per_gate, &self.gates, gate);
        if let Some(tunnels) = self.tunnels.get(worker) {
            tunnels.fetch_sub(1, Ordering::Release);
        }
        if per_gate.is_empty() {
            let millis = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
            self.left.store(millis + 1, Ordering::Relaxed);
        }
    }

    /// A tunnel that takes no requests is there, because its workload is not well.
    pub(crate) fn join_unwell(&self, gate: GateId) {
        add(&mut self.unwell_per_gate.lock().unwrap_or_else(PoisonError::into_inner), &self.unwell, gate);
    }

    /// It is well again, or gone.
    pub(crate) fn part_unwell(&self, gate: GateId) {
        remove(&mut self.unwell_per_gate.lock().unwrap_or_else(PoisonError::into_inner), &self.unwell, gate);
    }
}

/// One more tunnel of a gate; `gates` is how many gates have any.
fn add(per_gate: &mut HashMap<GateId, u32>, gates: &AtomicU32, gate: GateId) {
    *per_gate.entry(gate).or_insert(0) += 1;
    gates.store(u32::try_from(per_gate.len()).unwrap_or(u32::MAX), Ordering::Relaxed);
}

/// One less.
fn remove(per_gate: &mut HashMap<GateId, u32>, gates: &AtomicU32, gate: GateId) {
    if let Some(count) = per_gate.get_mut(&gate) {
        *count -= 1;
        if *count == 0 {
            per_gate.remove(&gate);
        }
    }
    gates.store(u32::try_from(per_gate.len()).unwrap_or(u32::MAX), Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKLOAD: WorkloadId = WorkloadId::from_bytes([7; 16]);
    const ONE: GateId = GateId::from_bytes([1; 16]);
    const TWO: GateId = GateId::from_bytes([2; 16]);

    #[test]
    fn tunnels_of_one_gate_are_one_gate() {
        let reach = Presence::new(2).reach(WORKLOAD);
        reach.join(0, ONE);
        reach.join(1, ONE);
        assert_eq!(reach.gates(), 1);
        reach.join(0, TWO);
        assert_eq!(reach.gates(), 2);
        reach.part(0, ONE);
        assert_eq!(reach.gates(), 2);
        reach.part(1, ONE);
        assert_eq!(reach.gates(), 1);
    }

    #[test]
    fn another_worker_is_found_only_where_a_tunnel_is() {
        let reach = Presence::new(3).reach(WORKLOAD);
        let mut passed = Passed::default();
        assert_eq!(reach.elsewhere(0, 9 << 40, passed), None);
        reach.join(2, ONE);
        assert_eq!(reach.elsewhere(0, 0, passed), Some(2));
        assert_eq!(reach.elsewhere(0, u64::MAX, passed), Some(2));
        assert_eq!(reach.elsewhere(2, 0, passed), None);
        passed.add(99);
        passed.add(1);
        assert_eq!(reach.elsewhere(0, 0, passed), Some(2));
        passed.add(2);
        assert_eq!(reach.elsewhere(0, 0, passed), None);
    }

    #[test]
    fn only_a_workload_that_had_a_gate_may_be_waited_for() {
        let presence = Presence::new(1);
        let reach = presence.reach(WORKLOAD);
        assert!(!reach.left_within(Duration::from_secs(10)));
        reach.join(0, ONE);
        reach.part(0, ONE);
        assert!(presence.reach(WORKLOAD).left_within(Duration::from_secs(10)));
        assert!(!reach.left_within(Duration::ZERO));
    }
}
