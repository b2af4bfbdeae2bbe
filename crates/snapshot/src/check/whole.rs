//! Checking a snapshot of which nothing is known.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::Hash;

use mezu_model::{OrgId, WorkloadId};

use super::{Findings, Outcome, Problem};
use crate::{Snapshot, limits};

/// Checks everything. Work is done only on what is bounded.
pub(super) fn check(snapshot: &Snapshot) -> Outcome {
    let mut findings = Findings::default();
    counts(snapshot, &mut findings.problems);
    if findings.problems.is_empty() {
        orgs_and_keys(snapshot, &mut findings.problems);
        let owners = workloads(snapshot, &mut findings.problems);
        no_duplicates("route", snapshot.routes.iter().map(|route| route.id), &mut findings.problems);
        findings.places(snapshot.routes.iter().map(|route| &**route), &owners);
        for route in &snapshot.routes {
            findings.resolve(route, &owners);
            findings.add(route, &owners);
        }
    }
    findings.outcome()
}

pub(super) fn counts(snapshot: &Snapshot, found: &mut Vec<Problem>) {
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

pub(super) fn orgs_and_keys(snapshot: &Snapshot, found: &mut Vec<Problem>) {
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
            found.push(Problem::dangling("key", key.id, key.org));
        }
    }
}

/// Gives the org of each.
pub(super) fn workloads(snapshot: &Snapshot, found: &mut Vec<Problem>) -> HashMap<WorkloadId, OrgId> {
    let orgs: HashSet<OrgId> = snapshot.orgs.iter().map(|org| org.id).collect();
    no_duplicates("workload", snapshot.workloads.iter().map(|workload| workload.id), found);
    let mut names = HashSet::new();
    for workload in &snapshot.workloads {
        if !names.insert((workload.org, workload.name.as_str())) {
            found.push(Problem::Duplicate { what: "workload name", id: workload.name.to_string() });
        }
        if !orgs.contains(&workload.org) {
            found.push(Problem::dangling("workload", workload.id, workload.org));
        }
    }
    snapshot.workloads.iter().map(|workload| (workload.id, workload.org)).collect()
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
