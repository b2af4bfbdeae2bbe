//! The cross-object checks: what types alone cannot promise.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::Hash;

use mezu_model::{Hostname, OrgId, RouteId, WorkloadId};

use crate::{RouteEntry, Snapshot, limits};

/// One reason why a snapshot may not be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("there are {found} {what}; at most {most} are allowed")]
    TooMany { what: &'static str, found: usize, most: usize },
    #[error("org {org} has {found} routes; at most {} are allowed", limits::ROUTES_PER_ORG)]
    TooManyRoutesOfOrg { org: OrgId, found: usize },
    #[error("{what} {id} stands twice")]
    Duplicate { what: &'static str, id: String },
    #[error("{what} {id} refers to {target}, which does not exist")]
    Dangling { what: &'static str, id: String, target: String },
    #[error("routes for {host} lead to workloads of two orgs")]
    HostOfTwoOrgs { host: Hostname },
    #[error("route {route} cannot be compiled: {reason}")]
    Pipeline { route: RouteId, reason: String },
}

/// All that is wrong with a snapshot (at most [`Problems::MOST`] are listed).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// A broken snapshot is refused on the first problem; a person is helped by a few more, not by a million.
    pub const MOST: usize = 20;

    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("; ")?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl Snapshot {
    /// Whether this snapshot is whole: bounded, free of duplicates, every reference resolved, every hostname owned by
    /// one org, every pipeline compilable by the edge's own code.
    ///
    /// # Errors
    /// The problems found.
    pub fn check(&self) -> Result<(), Problems> {
        self.check_but(|_| false)
    }

    /// The same, after a snapshot that is known to be good: a route that stands in both the same has a pipeline that
    /// compiles, which is what takes most of the time.
    ///
    /// # Errors
    /// The problems found.
    pub fn check_after(&self, good: &Self) -> Result<(), Problems> {
        let mut good = good.routes.iter().peekable();
        // Both are in the order of their ids; where they are not, a route is only compiled once more.
        self.check_but(|route| {
            while good.next_if(|old| old.id < route.id).is_some() {}
            good.next_if(|old| old.id == route.id).is_some_and(|old| old == route)
        })
    }

    fn check_but(&self, mut is_known: impl FnMut(&RouteEntry) -> bool) -> Result<(), Problems> {
        let mut found = Vec::new();
        check_counts(self, &mut found);
        if found.is_empty() {
            check_orgs_and_keys(self, &mut found);
            let owners = check_workloads(self, &mut found);
            check_routes(self, &owners, &mut is_known, &mut found);
        }
        found.truncate(Problems::MOST);
        if found.is_empty() { Ok(()) } else { Err(Problems(found)) }
    }
}

fn check_counts(snapshot: &Snapshot, found: &mut Vec<Problem>) {
    let counts = [
        ("orgs", snapshot.orgs.len(), limits::ORGS),
        ("keys", snapshot.keys.len(), limits::KEYS),
        ("workloads", snapshot.workloads.len(), limits::WORKLOADS),
        ("routes", snapshot.routes.len(), limits::ROUTES),
    ];
    for (what, count, most) in counts {
        if count > most {
            found.push(Problem::TooMany { what, found: count, most });
        }
    }
}

fn check_orgs_and_keys(snapshot: &Snapshot, found: &mut Vec<Problem>) {
    let orgs: HashSet<OrgId> = snapshot.orgs.iter().map(|org| org.id).collect();
    no_duplicates("org", snapshot.orgs.iter().map(|org| org.id), found);
    no_duplicates("org name", snapshot.orgs.iter().map(|org| org.name.as_str()), found);
    no_duplicates("key", snapshot.keys.iter().map(|key| key.id), found);
    let mut public = HashSet::new();
    for key in &snapshot.keys {
        if !public.insert(key.public) {
            // Two keys with one public half would make it undecided whose tunnel it is.
            found.push(Problem::Duplicate { what: "public key of key", id: key.id.to_string() });
        }
        if !orgs.contains(&key.org) {
            found.push(dangling("key", key.id, key.org));
        }
    }
}

fn check_workloads(snapshot: &Snapshot, found: &mut Vec<Problem>) -> HashMap<WorkloadId, OrgId> {
    let orgs: HashSet<OrgId> = snapshot.orgs.iter().map(|org| org.id).collect();
    no_duplicates("workload", snapshot.workloads.iter().map(|workload| workload.id), found);
    let mut names = HashSet::new();
    let mut owners = HashMap::with_capacity(snapshot.workloads.len());
    for workload in &snapshot.workloads {
        owners.insert(workload.id, workload.org);
        if !names.insert((workload.org, workload.name.as_str())) {
            found.push(Problem::Duplicate { what: "workload name", id: workload.name.to_string() });
        }
        if !orgs.contains(&workload.org) {
            found.push(dangling("workload", workload.id, workload.org));
        }
    }
    owners
}

fn check_routes(
    snapshot: &Snapshot,
    owners: &HashMap<WorkloadId, OrgId>,
    is_known: &mut impl FnMut(&RouteEntry) -> bool,
    found: &mut Vec<Problem>,
) {
    no_duplicates("route", snapshot.routes.iter().map(|route| route.id), found);
    let mut places = HashSet::with_capacity(snapshot.routes.len());
    let mut hosts: HashMap<&Hostname, OrgId> = HashMap::with_capacity(snapshot.routes.len());
    let mut per_org: HashMap<OrgId, usize> = HashMap::new();
    for route in &snapshot.routes {
        if !places.insert((&route.host, &route.path, &route.matcher)) {
            found.push(Problem::Duplicate { what: "route for", id: format!("{}{}", route.host, route.path) });
        }
        if !is_known(route)
            && let Err(invalid) = mezu_policy::Pipeline::compile(&route.pipeline)
        {
            found.push(Problem::Pipeline { route: route.id, reason: invalid.to_string() });
        }
        let Some(&org) = owners.get(&route.workload) else {
            found.push(dangling("route", route.id, route.workload));
            continue;
        };
        // Another org's workload is as good as none: nothing of it is told.
        for target in route.pipeline.workloads().filter(|target| owners.get(target) != Some(&org)) {
            found.push(dangling("route", route.id, target));
        }
        *per_org.entry(org).or_default() += 1;
        if *hosts.entry(&route.host).or_insert(org) != org {
            found.push(Problem::HostOfTwoOrgs { host: route.host.clone() });
        }
    }
    for (org, count) in per_org {
        if count > limits::ROUTES_PER_ORG {
            found.push(Problem::TooManyRoutesOfOrg { org, found: count });
        }
    }
}

fn no_duplicates<T: Eq + Hash + Copy + fmt::Display>(
    what: &'static str,
    ids: impl Iterator<Item = T>,
    found: &mut Vec<Problem>,
) {
    let mut seen = HashSet::new();
    for id in ids {
        if !seen.insert(id) {
            found.push(Problem::Duplicate { what, id: id.to_string() });
        }
    }
}

fn dangling(what: &'static str, id: impl fmt::Display, target: impl fmt::Display) -> Problem {
    Problem::Dangling { what, id: id.to_string(), target: target.to_string() }
}
