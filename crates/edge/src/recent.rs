//! What became of the last requests, for «why did I get this answer?»: looked up by ray id.
//!
//! Each worker has a ring of its own, which a request writes one entry into when it ends: no lock, no allocation.

use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use mezu_model::{GateId, OrgId, RayId, RouteId, WorkloadId};
use mezu_policy::{ORDER, Pipeline};
use serde::Serialize;

use crate::access_log::Owner;
use crate::answer::Code;
use crate::edge::EdgeHandle;
use crate::worker::Worker;

/// Requests that each worker remembers.
const KEPT: usize = 4096;

/// How long a worker may take to look.
const ASK: Duration = Duration::from_secs(2);

/// What a worker remembers of its last requests.
#[derive(Debug)]
pub(crate) struct Recent {
    ring: RefCell<Ring>,
}

#[derive(Debug)]
struct Ring {
    entries: Vec<Entry>,
    next: usize,
}

/// One request, as it ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry {
    pub(crate) ray: RayId,
    pub(crate) ended: Instant,
    pub(crate) generation: u64,
    /// Whose host it was for, also where no route took it.
    pub(crate) org: Option<OrgId>,
    pub(crate) owner: Option<Owner>,
    /// The stages of its route.
    pub(crate) stages: StageSet,
    /// The stage that answered, if one did.
    pub(crate) stage: Option<&'static str>,
    pub(crate) gate: Option<GateId>,
    pub(crate) status: u16,
    pub(crate) code: Option<Code>,
    pub(crate) duration: Duration,
    pub(crate) workload_took: Option<Duration>,
}

impl Recent {
    pub(crate) fn new() -> Self {
        Self { ring: RefCell::new(Ring { entries: Vec::new(), next: 0 }) }
    }

    #[inline]
    pub(crate) fn record(&self, entry: Entry) {
        let mut ring = self.ring.borrow_mut();
        let next = ring.next;
        match ring.entries.get_mut(next) {
            Some(old) => *old = entry,
            None => ring.grow(entry),
        }
        ring.next = if next + 1 == KEPT { 0 } else { next + 1 };
    }

    fn find(&self, org: OrgId, ray: RayId) -> Option<Entry> {
        self.ring.borrow().newest_first().find(|entry| entry.ray == ray && entry.org == Some(org)).copied()
    }

    /// The newest that are wanted, from before that time.
    fn newest(&self, wanted: &Wanted, before: Option<(Instant, u128)>) -> Vec<Entry> {
        let ring = self.ring.borrow();
        let older = ring.newest_first().filter(|entry| before.is_none_or(|before| entry.when() < before));
        older.filter(|entry| wanted.is(entry)).take(wanted.most).copied().collect()
    }
}

impl Ring {
    /// People ask about what has just happened.
    fn newest_first(&self) -> impl Iterator<Item = &Entry> {
        let (newer, older) = self.entries.split_at_checked(self.next).unwrap_or_default();
        newer.iter().rev().chain(older.iter().rev())
    }

    /// Room for all at once: a worker pays for it once, and an idle edge not at all.
    #[cold]
    fn grow(&mut self, entry: Entry) {
        self.entries.reserve_exact(KEPT.saturating_sub(self.entries.len()));
        self.entries.push(entry);
    }
}

/// The decision about a request that came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// 32 hex digits.
    pub ray: String,
    /// How long ago it ended.
    pub ago: Duration,
    /// Of the snapshot that it was answered by.
    pub generation: u64,
    /// Whose host it was for.
    pub org: Option<OrgId>,
    pub route: Option<RouteId>,
    /// Where it went or would have gone.
    pub workload: Option<WorkloadId>,
    /// The route's stages in their order, each with whether the request passed it: up to the one that answered.
    pub stages: Vec<Passed>,
    /// The last gate that got it, if it was one of the worker's that read it.
    pub gate: Option<GateId>,
    /// 0: the client went before there was an answer.
    pub status: u16,
    pub code: Option<&'static str>,
    pub title: Option<&'static str>,
    pub duration_us: u64,
    /// To the first byte of the workload's answer.
    pub workload_us: Option<u64>,
}

/// A stage, and whether the request went on behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Passed {
    pub stage: &'static str,
    pub passed: bool,
}

/// Which of an org's last requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub org: OrgId,
    pub route: Option<RouteId>,
    pub workload: Option<WorkloadId>,
    pub statuses: RangeInclusive<u16>,
    /// Only those that ended before this one.
    pub before: Option<RayId>,
    /// How many at most, the newest first.
    pub most: usize,
}

impl EdgeHandle {
    /// What became of a request to a host of the org, if it is among the last few thousand of its worker.
    pub async fn why(&self, org: OrgId, ray: RayId) -> Option<Decision> {
        self.find(org, ray).await.map(|entry| entry.decision(Instant::now()))
    }

    /// What became of an org's last requests, the newest first. `None` when that of [`Wanted::before`] is forgotten.
    pub async fn recent(&self, wanted: Wanted) -> Option<Vec<Decision>> {
        let before = match wanted.before {
            Some(ray) => Some(self.find(wanted.org, ray).await?.when()),
            None => None,
        };
        let most = wanted.most;
        let look = move |worker: &Worker| worker.recent.newest(&wanted, before);
        let mut found: Vec<Entry> = self.shared.ask(ASK, look).await.into_iter().flatten().collect();
        found.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.when()));
        let now = Instant::now();
        Some(found.iter().take(most).map(|entry| entry.decision(now)).collect())
    }

    async fn find(&self, org: OrgId, ray: RayId) -> Option<Entry> {
        let found = self.shared.ask(ASK, move |worker: &Worker| worker.recent.find(org, ray)).await;
        found.into_iter().flatten().next()
    }
}

impl Wanted {
    fn is(&self, entry: &Entry) -> bool {
        let (route, workload) = (entry.owner.map(|owner| owner.route), entry.owner.map(|owner| owner.workload));
        entry.org == Some(self.org)
            && self.statuses.contains(&entry.status)
            && (self.route.is_none() || self.route == route)
            && (self.workload.is_none() || self.workload == workload)
    }
}

impl Entry {
    /// Its place among those of all workers; the later, the greater.
    const fn when(&self) -> (Instant, u128) {
        (self.ended, self.ray.0)
    }

    fn decision(&self, now: Instant) -> Decision {
        let mut stages = Vec::new();
        for stage in self.stages.names() {
            let passed = self.stage != Some(stage);
            stages.push(Passed { stage, passed });
            if !passed {
                break;
            }
        }
        let code = self.code.map(Code::entry);
        Decision {
            ray: self.ray.to_string(),
            ago: now.saturating_duration_since(self.ended),
            generation: self.generation,
            org: self.org,
            route: self.owner.map(|owner| owner.route),
            workload: self.owner.map(|owner| owner.workload),
            stages,
            gate: self.gate,
            status: self.status,
            code: code.map(|code| code.code),
            title: code.map(|code| code.title),
            duration_us: micros(self.duration),
            workload_us: self.workload_took.map(micros),
        }
    }
}

/// Some of the capabilities.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct StageSet(u32);

const _: () = assert!(ORDER.len() <= u32::BITS as usize, "a bit for each capability");

impl StageSet {
    /// The stages that a pipeline has.
    pub(crate) fn of(pipeline: &Pipeline) -> Self {
        let bit = |name: &str| ORDER.iter().position(|one| *one == name).map_or(0, |place| 1 << place);
        Self(pipeline.stages().map(bit).fold(0, std::ops::BitOr::bitor))
    }

    /// In the order in which requests pass them.
    fn names(self) -> impl Iterator<Item = &'static str> {
        ORDER.iter().enumerate().filter(move |(place, _)| self.0 & (1 << place) != 0).map(|(_, name)| *name)
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
