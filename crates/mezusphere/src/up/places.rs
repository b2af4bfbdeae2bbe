//! What enrolment asks of a snapshot, arranged so that asking costs the same however large the snapshot is.
//!
//! The questions come on the edge's own threads, thousands at once after a restart, and up to 64 names at a time: none of
//! them may search. Made once per snapshot, by the publisher.

use std::collections::HashMap;

use mezu_model::{Hostname, KeyId, Label, OrgId, WorkloadId};
use mezu_snapshot::Snapshot;

/// Who may enrol, and where each workload is reached.
#[derive(Debug, Default)]
pub(super) struct Places {
    keys: HashMap<KeyId, OrgId>,
    workloads: HashMap<OrgId, HashMap<Label, Place>>,
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
        let keys = snapshot.keys.iter().map(|key| (key.id, key.org)).collect();
        let names: HashMap<WorkloadId, (OrgId, &Label)> =
            snapshot.workloads.iter().map(|one| (one.id, (one.org, &one.name))).collect();
        let mut workloads: HashMap<OrgId, HashMap<Label, Place>> = HashMap::new();
        for one in &snapshot.workloads {
            let place = Place { id: one.id, default: None };
            workloads.entry(one.org).or_default().insert(one.name.clone(), place);
        }
        for route in &snapshot.routes {
            let Some((org, name)) = names.get(&route.workload) else { continue };
            if route.enabled
                && Hostname::join(name, base).is_ok_and(|default| default == route.host)
                && let Some(place) = workloads.get_mut(org).and_then(|of_org| of_org.get_mut(*name))
            {
                place.default = Some(route.host.clone());
            }
        }
        Self { keys, workloads }
    }

    /// Whether the key is valid and the org's.
    pub(super) fn has_key(&self, key: KeyId, org: OrgId) -> bool {
        self.keys.get(&key) == Some(&org)
    }

    pub(super) fn workload(&self, org: OrgId, name: &Label) -> Option<&Place> {
        self.workloads.get(&org)?.get(name)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use mezu_model::RouteId;
    use mezu_snapshot::{KeyEntry, KeyScope, Parts, PathRule, RouteEntry, WorkloadEntry};

    use super::*;

    const ORG: OrgId = OrgId::from_bytes([1; 16]);
    const OTHER: OrgId = OrgId::from_bytes([2; 16]);

    fn workload(n: u8, org: OrgId, name: &str) -> WorkloadEntry {
        WorkloadEntry { id: WorkloadId::from_bytes([n; 16]), org, name: name.parse().unwrap() }
    }

    fn route(host: &str, workload: u8) -> RouteEntry {
        let to = WorkloadId::from_bytes([workload; 16]);
        RouteEntry::new(
            RouteId::from_bytes([9; 16]),
            host.parse().unwrap(),
            PathRule::root(),
            to,
            mezu_policy::PipelineSpec::default(),
        )
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
            keys: vec![key],
            workloads: vec![workload(1, ORG, "shop"), workload(2, OTHER, "shop"), workload(3, ORG, "blog")],
            routes: vec![route("shop.base.test", 1), route("shop.example.com", 2), route("shop.base.test", 3)],
            ..Parts::default()
        };
        let base = "base.test".parse().unwrap();
        let places = Places::new(&Snapshot::new(1, "old.test".parse().unwrap(), parts), &base);
        let find = |org, name: &str| places.workload(org, &name.parse().unwrap()).cloned();
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
}
