//! The gates that wear labels, apart from the workloads' others: which labels there are now, and how each is reached.
//!
//! A label is there as long as a tunnel holds it ([`Worn`]) and gone with the last one. Who asks for one takes no lock;
//! where labels come and go, one shard is made anew. Bounded per workload and per org, because gates choose the names.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use mezu_model::{Aim, GateLabel, OrgId, WorkloadId};

use super::{Reach, SHARDS};

/// Labels of one workload.
pub(crate) const PER_WORKLOAD: usize = 64;
/// Labels of one org.
pub(crate) const PER_ORG: usize = 1024;

type Shard = HashMap<Aim, Arc<Reach>>;

/// All labels that gates wear now.
pub(crate) struct Labels {
    shards: Vec<ArcSwap<Shard>>,
    hasher: RandomState,
    workers: usize,
    held: Mutex<Held>,
}

/// Who wears what, to know when a label comes and goes.
#[derive(Default)]
struct Held {
    tunnels: HashMap<Aim, usize>,
    of_workload: HashMap<WorkloadId, Vec<GateLabel>>,
    of_org: HashMap<OrgId, usize>,
}

/// There are as many labels as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooManyLabels {
    #[error("this workload's gates wear {PER_WORKLOAD} labels already, as many as they may")]
    OfWorkload,
    #[error("the gates of this organisation wear {PER_ORG} labels already, as many as they may")]
    OfOrg,
}

/// A tunnel's word that it wears a label; dropping it takes the label off.
pub(crate) struct Worn {
    labels: Arc<Labels>,
    org: OrgId,
    aim: Aim,
}

impl fmt::Debug for Worn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.aim)
    }
}

impl Labels {
    pub(super) fn new(workers: usize) -> Self {
        let shards = (0..SHARDS).map(|_| ArcSwap::default()).collect();
        Self { shards, hasher: RandomState::new(), workers, held: Mutex::default() }
    }

    /// How the gates with a label are reached, if there are any.
    pub(crate) fn reach(&self, aim: &Aim) -> Option<Arc<Reach>> {
        self.shard(aim)?.load().get(aim).cloned()
    }

    /// The labels that a workload's gates wear, in the order of their names.
    pub(crate) fn of(&self, workload: WorkloadId) -> Vec<GateLabel> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let mut labels = held.of_workload.get(&workload).cloned().unwrap_or_default();
        labels.sort_unstable();
        labels
    }

    /// Puts a label on one more tunnel.
    pub(crate) fn wear(self: &Arc<Self>, org: OrgId, aim: Aim) -> Result<Worn, TooManyLabels> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(tunnels) = held.tunnels.get_mut(&aim) {
            *tunnels += 1;
        } else {
            if held.of_workload.get(&aim.workload).map_or(0, Vec::len) >= PER_WORKLOAD {
                return Err(TooManyLabels::OfWorkload);
            }
            if held.of_org.get(&org).copied().unwrap_or(0) >= PER_ORG {
                return Err(TooManyLabels::OfOrg);
            }
            held.tunnels.insert(aim.clone(), 1);
            held.of_workload.entry(aim.workload).or_default().extend(aim.label.clone());
            *held.of_org.entry(org).or_default() += 1;
            // Under the lock, so that no other change is lost.
            self.change(&aim, |shard| drop(shard.insert(aim.clone(), Arc::new(Reach::new(self.workers)))));
        }
        drop(held);
        Ok(Worn { labels: Arc::clone(self), org, aim })
    }

    fn take_off(&self, org: OrgId, aim: &Aim) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(tunnels) = held.tunnels.get_mut(aim) else { return };
        *tunnels = tunnels.saturating_sub(1);
        if *tunnels > 0 {
            return;
        }
        held.tunnels.remove(aim);
        if let Some(labels) = held.of_workload.get_mut(&aim.workload) {
            labels.retain(|label| Some(label) != aim.label.as_ref());
            if labels.is_empty() {
                held.of_workload.remove(&aim.workload);
            }
        }
        if let Some(count) = held.of_org.get_mut(&org) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                held.of_org.remove(&org);
            }
        }
        self.change(aim, |shard| drop(shard.remove(aim)));
    }

    fn change(&self, aim: &Aim, change: impl FnOnce(&mut Shard)) {
        let Some(shard) = self.shard(aim) else { return };
        let mut next = Shard::clone(&shard.load());
        change(&mut next);
        shard.store(Arc::new(next));
    }

    fn shard(&self, aim: &Aim) -> Option<&ArcSwap<Shard>> {
        self.shards.get(usize::try_from(self.hasher.hash_one(aim)).unwrap_or(0) % SHARDS)
    }
}

impl Drop for Worn {
    fn drop(&mut self) {
        self.labels.take_off(self.org, &self.aim);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const ORG: OrgId = OrgId::from_bytes([1; 16]);

    fn aim(workload: u8, label: &str) -> Aim {
        Aim { workload: WorkloadId::from_bytes([workload; 16]), label: Some(label.parse().unwrap()) }
    }

    #[test]
    fn a_label_is_there_as_long_as_a_tunnel_wears_it() {
        let labels = Arc::new(Labels::new(1));
        let blue = aim(1, "blue");
        assert!(labels.reach(&blue).is_none());
        let (one, two) = (labels.wear(ORG, blue.clone()).unwrap(), labels.wear(ORG, blue.clone()).unwrap());
        let green = labels.wear(ORG, aim(1, "green")).unwrap();
        assert_eq!(labels.of(blue.workload).len(), 2);
        assert!(labels.reach(&blue).is_some() && labels.reach(&aim(2, "blue")).is_none());
        drop(one);
        assert!(labels.reach(&blue).is_some());
        drop((two, green));
        assert!(labels.reach(&blue).is_none() && labels.of(blue.workload).is_empty());
        let held = labels.held.lock().unwrap();
        assert!(held.tunnels.is_empty() && held.of_workload.is_empty() && held.of_org.is_empty());
    }

    #[test]
    fn labels_are_bounded_per_workload_and_per_org() {
        let labels = Arc::new(Labels::new(1));
        let mut worn: Vec<Worn> =
            (0..PER_WORKLOAD).map(|n| labels.wear(ORG, aim(0, &format!("l{n}"))).unwrap()).collect();
        assert_eq!(labels.wear(ORG, aim(0, "more")).unwrap_err(), TooManyLabels::OfWorkload);
        // One that is there already may be worn by more gates.
        worn.push(labels.wear(ORG, aim(0, "l0")).unwrap());
        for workload in 1..=u8::try_from(PER_ORG / PER_WORKLOAD - 1).unwrap() {
            worn.extend((0..PER_WORKLOAD).map(|n| labels.wear(ORG, aim(workload, &format!("l{n}"))).unwrap()));
        }
        assert_eq!(labels.wear(ORG, aim(99, "more")).unwrap_err(), TooManyLabels::OfOrg);
        worn.push(labels.wear(OrgId::from_bytes([2; 16]), aim(99, "more")).unwrap());
        worn.truncate(PER_WORKLOAD);
        worn.push(labels.wear(ORG, aim(98, "more")).unwrap());
    }
}
