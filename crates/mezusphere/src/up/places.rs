//! What enrolment asks of a snapshot, arranged so that asking costs the same however large the snapshot is.
//!
//! The questions come on the edge's own threads, thousands at once after a restart, and up to 64 names at a time: none of
//! them may search. Made once per snapshot, by the publisher.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use mezu_model::{Hostname, KeyId, Label, OrgId, WorkloadId};
use mezu_snapshot::Snapshot;

/// Who may enrol, and where each workload is reached. What a change leaves alone is shared with the places before it.
#[derive(Debug)]
pub(super) struct Places {
    base: Hostname,
    keys: Arc<HashMap<KeyId, OrgId>>,
    workloads: Arc<HashMap<OrgId, HashMap<Label, WorkloadId>>>,
    /// The workloads to which a route leads from their default hostname.
    defaults: Arc<HashSet<WorkloadId>>,
}

/// A workload that is known already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub id: WorkloadId,
    /// Its default hostname, if a route leads from there to it.
    pub default: Option<Hostname>,
}

impl Places {
    pub(super) fn new(snapshot: &Snapshot, base: &Hostname) -> Self {
        Self {
            base: base.clone(),
            keys: Arc::new(snapshot.keys.iter().map(|key| (key.id, key.org)).collect()),
            workloads: Arc::new(workloads(snapshot)),
            defaults: Arc::new(defaults(snapshot, base)),
        }
    }

    /// The places of a snapshot after the one of these, which differ in these hosts; `None`: in any.
    pub(super) fn after(&self, from: &Snapshot, to: &Snapshot, hosts: Option<&HashSet<Hostname>>) -> Self {
        let Self { base, keys, workloads: before, defaults: led } = self;
        let same_workloads = from.workloads == to.workloads;
        let same_hosts = hosts.is_some_and(|hosts| !hosts.iter().any(|host| host.is_under(base)));
        Self {
            base: base.clone(),
            keys: if from.keys == to.keys {
                Arc::clone(keys)
            } else {
                Arc::new(to.keys.iter().map(|key| (key.id, key.org)).collect())
            },
            workloads: if same_workloads { Arc::clone(before) } else { Arc::new(workloads(to)) },
            defaults: if same_workloads && same_hosts { Arc::clone(led) } else { Arc::new(defaults(to, base)) },
        }
    }

    /// Whether the key is valid and the org's.
    pub(super) fn has_key(&self, key: KeyId, org: OrgId) -> bool {
        self.keys.get(&key) == Some(&org)
    }

    pub(super) fn workload(&self, org: OrgId, name: &Label) -> Option<Place> {
        let id = *self.workloads.get(&org)?.get(name)?;
        let default = if self.defaults.contains(&id) { Hostname::join(name, &self.base).ok() } else { None };
        Some(Place { id, default })
    }
}

fn workloads(snapshot: &Snapshot) -> HashMap<OrgId, HashMap<Label, WorkloadId>> {
    let mut workloads: HashMap<OrgId, HashMap<Label, WorkloadId>> = HashMap::new();
    for one in &snapshot.workloads {
        workloads.entry(one.org).or_default().insert(one.name.clone(), one.id);
    }
    workloads
}

fn defaults(snapshot: &Snapshot, base: &Hostname) -> HashSet<WorkloadId> {
    let names: HashMap<WorkloadId, &Label> = snapshot.workloads.iter().map(|one| (one.id, &one.name)).collect();
    let routes = snapshot.routes.iter().filter(|route| route.enabled && route.host.is_under(base));
    let is_default = |host: &Hostname, name: &Label| {
        let rest = host.as_str().strip_prefix(name.as_str()).and_then(|rest| rest.strip_prefix('.'));
        rest == Some(base.as_str())
    };
    routes
        .filter(|route| names.get(&route.workload).is_some_and(|name| is_default(&route.host, name)))
        .map(|route| route.workload)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use mezu_model::RouteId;
    use mezu_snapshot::{KeyEntry, KeyScope, Parts, PathRule, RouteEntry, Shared, WorkloadEntry};

    use super::*;

    const ORG: OrgId = OrgId::from_bytes([1; 16]);
    const OTHER: OrgId = OrgId::from_bytes([2; 16]);

    fn workload(n: u8, org: OrgId, name: &str) -> WorkloadEntry {
        WorkloadEntry { id: WorkloadId::from_bytes([n; 16]), org, name: name.parse().unwrap() }
    }

    fn route(host: &str, workload: u8) -> Shared<RouteEntry> {
        let to = WorkloadId::from_bytes([workload; 16]);
        RouteEntry::new(
            RouteId::from_bytes([9; 16]),
            host.parse().unwrap(),
            PathRule::root(),
            to,
            mezu_policy::PipelineSpec::default(),
        )
        .into()
    }

    #[test]
    fn a_workload_is_found_by_its_org_and_name_with_its_default_host() {
        let key = KeyEntry {
            id: KeyId::from_bytes([3; 16]),
            org: ORG,
            public: mezu_model::PublicKey([3; 32]),
            scope: KeyScope::default(),
        };
        let parts = Parts {
            keys: vec![key].into(),
            workloads: vec![workload(1, ORG, "shop"), workload(2, OTHER, "shop"), workload(3, ORG, "blog")].into(),
            routes: vec![route("shop.base.test", 1), route("shop.example.com", 2), route("shop.base.test", 3)],
            ..Parts::default()
        };
        let base = "base.test".parse().unwrap();
        let places = Places::new(&Snapshot::new(1, "old.test".parse().unwrap(), parts), &base);
        let find = |org, name: &str| places.workload(org, &name.parse().unwrap());
        let place = |n, default: Option<&str>| {
            let default = default.map(|host| host.parse().unwrap());
            Some(Place { id: WorkloadId::from_bytes([n; 16]), default })
        };
        assert_eq!(find(ORG, "shop"), place(1, Some("shop.base.test")));
        assert_eq!(find(OTHER, "shop"), place(2, None), "reached elsewhere");
        assert_eq!(find(ORG, "blog"), place(3, None), "the host of another name is not its default");
        assert_eq!(find(OTHER, "blog"), None);
        assert!(places.has_key(KeyId::from_bytes([3; 16]), ORG) && !places.has_key(KeyId::from_bytes([3; 16]), OTHER));
    }

    #[test]
    fn places_after_others_are_those_made_from_nothing() {
        let base: Hostname = "base.test".parse().unwrap();
        let snapshot = |workloads: Vec<WorkloadEntry>, routes| {
            let parts = Parts { workloads: workloads.into(), routes, ..Parts::default() };
            Snapshot::new(1, base.clone(), parts)
        };
        let (shop, blog) = (workload(1, ORG, "shop"), workload(3, ORG, "blog"));
        let all = [
            snapshot(vec![shop.clone(), blog.clone()], vec![route("shop.base.test", 1)]),
            snapshot(vec![shop.clone(), blog.clone()], vec![route("blog.base.test", 3), route("x.example.com", 1)]),
            snapshot(vec![shop.clone(), blog], vec![route("blog.base.test", 3), route("y.example.com", 1)]),
            snapshot(
                vec![WorkloadEntry { id: WorkloadId::from_bytes([7; 16]), ..shop }],
                vec![route("shop.base.test", 7)],
            ),
        ];
        for (from, to) in all.iter().flat_map(|from| all.iter().map(move |to| (from, to))) {
            let hosts = from.routes.iter().chain(&to.routes).map(|route| route.host.clone()).collect();
            let (after, whole) = (Places::new(from, &base).after(from, to, Some(&hosts)), Places::new(to, &base));
            for name in ["shop", "blog"].map(|name| name.parse().unwrap()) {
                assert_eq!(after.workload(ORG, &name), whole.workload(ORG, &name));
            }
        }
    }
}
