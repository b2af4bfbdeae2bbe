//! The cross-object checks: what types alone cannot promise.

mod after;
mod problem;
mod whole;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use mezu_model::{Hostname, OrgId, RouteId, WorkloadId};
use mezu_policy::Pipeline;

use crate::{RouteEntry, Snapshot, limits};

pub use problem::{Problem, Problems};

/// A snapshot that was checked and found whole. What comes after it needs only to be checked where it differs.
#[derive(Clone, Debug)]
pub struct Checked {
    snapshot: Arc<Snapshot>,
    /// Of each org that has routes.
    totals: HashMap<OrgId, Total>,
}

/// What an org's routes come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Total {
    routes: usize,
}

/// What a check has found out on its way, for one who makes something of the snapshot.
#[derive(Debug, Default)]
pub struct Fresh {
    /// The hosts with routes that have come, gone or changed; `None`: nothing is known to have stayed.
    pub hosts: Option<HashSet<Hostname>>,
    /// The pipelines of the routes that have come or changed.
    pub pipelines: HashMap<RouteId, Pipeline>,
}

impl Snapshot {
    /// Whether this snapshot is whole: bounded, free of duplicates, every reference resolved, every hostname owned by
    /// one org, every pipeline compilable by the edge's own code.
    ///
    /// # Errors
    /// The problems found.
    pub fn check(&self) -> Result<(), Problems> {
        whole::check(self).map(drop)
    }
}

impl Checked {
    /// A snapshot in which nothing exists, which is whole.
    #[must_use]
    pub fn empty(base_domain: Hostname) -> Self {
        Self { snapshot: Arc::new(Snapshot::empty(base_domain)), totals: HashMap::new() }
    }

    /// Checks all of a snapshot.
    ///
    /// # Errors
    /// The problems found.
    pub fn first(snapshot: Arc<Snapshot>) -> Result<(Self, Fresh), Problems> {
        let (totals, pipelines) = whole::check(&snapshot)?;
        Ok((Self { snapshot, totals }, Fresh { hosts: None, pipelines }))
    }

    /// Checks a snapshot that comes after this one: the same as checking all of it, at the cost of what differs and a
    /// look at the rest.
    ///
    /// # Errors
    /// The problems found.
    pub fn next(&self, snapshot: Arc<Snapshot>) -> Result<(Self, Fresh), Problems> {
        let Some(differences) = after::Differences::between(&self.snapshot, &snapshot) else {
            return Self::first(snapshot);
        };
        let (totals, pipelines) = after::check(&self.totals, &self.snapshot, &snapshot, &differences)?;
        let hosts = Some(differences.hosts.into_iter().cloned().collect());
        Ok((Self { snapshot, totals }, Fresh { hosts, pipelines }))
    }

    /// What was checked.
    #[must_use]
    pub const fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }
}

/// What checking finds: problems, or what the routes come to.
#[derive(Default)]
struct Findings {
    problems: Vec<Problem>,
    totals: HashMap<OrgId, Total>,
    pipelines: HashMap<RouteId, Pipeline>,
}

type Outcome = Result<(HashMap<OrgId, Total>, HashMap<RouteId, Pipeline>), Problems>;

impl Findings {
    fn outcome(mut self) -> Outcome {
        for (org, total) in &self.totals {
            if total.routes > limits::ROUTES_PER_ORG {
                self.problems.push(Problem::TooManyRoutesOfOrg { org: *org, found: total.routes });
            }
        }
        match Problems::of(self.problems) {
            Some(problems) => Err(problems),
            None => Ok((self.totals, self.pipelines)),
        }
    }

    /// Compiles a route's pipeline and counts the route for the org that its workload is of.
    fn add(&mut self, route: &RouteEntry, owners: &HashMap<WorkloadId, OrgId>) {
        match Pipeline::compile(&route.pipeline) {
            Ok(pipeline) => drop(self.pipelines.insert(route.id, pipeline)),
            Err(invalid) => {
                self.problems.push(Problem::Pipeline { route: route.id, reason: invalid.to_string() });
                return;
            }
        }
        if let Some(org) = owners.get(&route.workload) {
            self.totals.entry(*org).or_default().routes += 1;
        }
    }

    /// Every workload that a route names must be there, and all of them one org's.
    fn resolve(&mut self, route: &RouteEntry, owners: &HashMap<WorkloadId, OrgId>) {
        let Some(org) = owners.get(&route.workload) else {
            self.problems.push(Problem::dangling("route", route.id, route.workload));
            return;
        };
        // Another org's workload is as good as none: nothing of it is told.
        for target in route.pipeline.workloads().filter(|target| owners.get(target) != Some(org)) {
            self.problems.push(Problem::dangling("route", route.id, target));
        }
    }

    /// Routes stand at places of their own, and those of one host lead to one org.
    fn places<'r>(
        &mut self,
        routes: impl ExactSizeIterator<Item = &'r RouteEntry>,
        owners: &HashMap<WorkloadId, OrgId>,
    ) {
        let mut places = HashSet::with_capacity(routes.len());
        let mut hosts: HashMap<&Hostname, OrgId> = HashMap::with_capacity(routes.len());
        for route in routes {
            if !places.insert((&route.host, &route.path, &route.matcher)) {
                let id = format!("{}{}", route.host, route.path);
                self.problems.push(Problem::Duplicate { what: "route for", id });
            }
            let Some(&org) = owners.get(&route.workload) else { continue };
            if *hosts.entry(&route.host).or_insert(org) != org {
                self.problems.push(Problem::HostOfTwoOrgs { host: route.host.clone() });
            }
        }
    }
}

#[cfg(test)]
mod tests;
