//! What became of the last requests, for «why did I get this answer?»: looked up by ray id.
//!
//! Each worker has a ring of its own, which a request writes one entry into when it ends: no lock, no allocation.

use std::cell::RefCell;
use std::time::Duration;

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
    pub(crate) generation: u64,
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

    /// The newest first, since people ask about what has just happened.
    fn find(&self, ray: RayId) -> Option<Entry> {
        let ring = self.ring.borrow();
        let (newer, older) = ring.entries.split_at_checked(ring.next).unwrap_or_default();
        newer.iter().rev().chain(older.iter().rev()).find(|entry| entry.ray == ray).copied()
    }
}

impl Ring {
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
    /// Of the snapshot that it was answered by.
    pub generation: u64,
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

impl EdgeHandle {
    /// What became of a request, if it is among the last few thousand of its worker.
    pub async fn why(&self, ray: RayId) -> Option<Decision> {
        let found = self.shared.ask(ASK, move |worker: &Worker| worker.recent.find(ray)).await;
        found.into_iter().flatten().next().map(|entry| entry.decision())
    }
}

impl Entry {
    fn decision(&self) -> Decision {
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
            generation: self.generation,
            org: self.owner.map(|owner| owner.org),
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
