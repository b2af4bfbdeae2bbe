//! Checking a snapshot that comes after one that is whole.
//!
//! What both hold alike was checked. A problem that is new has something that is new in it: so each check looks only at
//! what has come, and at what shares a host with it.

use std::collections::{HashMap, HashSet};

use mezu_model::{Hostname, OrgId, WorkloadId};

use super::{Findings, Outcome, Total, whole};
use crate::{RouteEntry, Shared, Snapshot, WorkloadEntry};

/// Where two snapshots differ.
pub(super) struct Differences<'a> {
    /// Routes that the first has, and the second not or otherwise.
    gone: Vec<&'a RouteEntry>,
    /// Routes that the second has, and the first not or otherwise.
    come: Vec<&'a RouteEntry>,
    /// The hosts of both.
    pub(super) hosts: HashSet<&'a Hostname>,
    has_other_workloads: bool,
}

impl<'a> Differences<'a> {
    /// `None` when a workload has gone to another org, so that its routes are another's, or when lists are not in the
    /// order of their ids, by which they are compared.
    pub(super) fn between(from: &'a Snapshot, to: &'a Snapshot) -> Option<Self> {
        let is_sorted = |routes: &[Shared<RouteEntry>]| routes.is_sorted_by(|a, b| a.id < b.id);
        if !is_sorted(&from.routes) || !is_sorted(&to.routes) {
            return None;
        }
        let has_other_workloads = from.workloads != to.workloads;
        if has_other_workloads && !have_same_owners(&from.workloads, &to.workloads) {
            return None;
        }
        let mut differences = Self { gone: Vec::new(), come: Vec::new(), hosts: HashSet::new(), has_other_workloads };
        differences.compare(&from.routes, &to.routes);
        let all = differences.gone.iter().chain(&differences.come);
        differences.hosts = all.map(|route| &route.host).collect();
        Some(differences)
    }

    fn compare(&mut self, from: &'a [Shared<RouteEntry>], to: &'a [Shared<RouteEntry>]) {
        let (mut old, mut new) = (from.iter().peekable(), to.iter().peekable());
        loop {
            match (old.peek(), new.peek()) {
                (None, None) => return,
                (Some(a), Some(b)) if a == b => {
                    old.next();
                    new.next();
                }
                (Some(a), Some(b)) if a.id > b.id => self.come.extend(new.next().map(|route| &**route)),
                (Some(_), _) => self.gone.extend(old.next().map(|route| &**route)),
                (None, Some(_)) => self.come.extend(new.next().map(|route| &**route)),
            }
        }
    }
}

/// Whether each workload that is in both belongs to the same org in both.
fn have_same_owners(from: &[WorkloadEntry], to: &[WorkloadEntry]) -> bool {
    let is_sorted = |workloads: &[WorkloadEntry]| workloads.is_sorted_by(|a, b| a.id < b.id);
    if !is_sorted(from) || !is_sorted(to) {
        return false;
    }
    let mut old = from.iter().peekable();
    to.iter().all(|new| {
        while old.next_if(|old| old.id < new.id).is_some() {}
        old.next_if(|old| old.id == new.id).is_none_or(|old| old.org == new.org)
    })
}

/// Checks `to`, which differs so from `from`, whose routes come to `totals`.
pub(super) fn check(
    totals: &HashMap<OrgId, Total>,
    from: &Snapshot,
    to: &Snapshot,
    differences: &Differences<'_>,
) -> Outcome {
    let mut findings = Findings { totals: totals.clone(), ..Findings::default() };
    whole::counts(to, &mut findings.problems);
    if !findings.problems.is_empty() {
        return findings.outcome();
    }
    if from.orgs != to.orgs || from.keys != to.keys {
        whole::orgs_and_keys(to, &mut findings.problems);
    }
    let owners: HashMap<WorkloadId, OrgId> = if from.orgs != to.orgs || differences.has_other_workloads {
        whole::workloads(to, &mut findings.problems)
    } else {
        to.workloads.iter().map(|workload| (workload.id, workload.org)).collect()
    };
    findings.routes(from, to, differences, &owners);
    findings.outcome()
}

impl Findings {
    fn routes(
        &mut self,
        from: &Snapshot,
        to: &Snapshot,
        differences: &Differences<'_>,
        owners: &HashMap<WorkloadId, OrgId>,
    ) {
        let shared: Vec<&RouteEntry> =
            to.routes.iter().map(|route| &**route).filter(|route| differences.hosts.contains(&route.host)).collect();
        self.places(shared.into_iter(), owners);
        if differences.has_other_workloads {
            // One that is gone may have routes that have stayed.
            to.routes.iter().for_each(|route| self.resolve(route, owners));
        } else {
            differences.come.iter().for_each(|route| self.resolve(route, owners));
        }
        let before: HashMap<WorkloadId, OrgId> = if differences.gone.is_empty() {
            HashMap::new()
        } else {
            from.workloads.iter().map(|workload| (workload.id, workload.org)).collect()
        };
        for route in &differences.gone {
            self.remove(route, &before);
        }
        for route in &differences.come {
            self.add(route, owners);
        }
    }

    fn remove(&mut self, route: &RouteEntry, owners: &HashMap<WorkloadId, OrgId>) {
        let Some(org) = owners.get(&route.workload) else { return };
        if let Some(total) = self.totals.get_mut(org) {
            total.routes = total.routes.saturating_sub(1);
            if total.routes == 0 {
                self.totals.remove(org);
            }
        }
    }
}
