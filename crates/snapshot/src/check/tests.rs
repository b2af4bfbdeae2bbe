#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use mezu_model::{KeyId, PublicKey};
use mezu_policy::PipelineSpec;

use super::*;
use crate::{KeyEntry, KeyScope, OrgEntry, Parts, WorkloadEntry};

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below
    }

    /// One of few, so that things meet.
    fn id(&mut self) -> [u8; 16] {
        [u8::try_from(self.roll(12)).unwrap(); 16]
    }

    fn place<T>(&mut self, list: &[T]) -> Option<usize> {
        (!list.is_empty()).then(|| self.roll(list.len()))
    }
}

fn org(id: [u8; 16]) -> OrgEntry {
    OrgEntry { id: OrgId::from_bytes(id), name: format!("org-{}", id[0]).parse().unwrap() }
}

fn route(dice: &mut Dice) -> RouteEntry {
    let host = ["a.test", "b.test", "c.test", "d.test"][dice.roll(4)].parse().unwrap();
    let path = ["/", "/x", "/y"][dice.roll(3)].parse().unwrap();
    let pipeline = [r"{}", r#"{"body_limit":{"bytes":9}}"#, r#"{"rewrite":{"pattern":"(","replacement":"/"}}"#];
    // The last of them does not compile.
    let n = if dice.roll(40) == 0 { 2 } else { dice.roll(2) };
    let pipeline: PipelineSpec = serde_json::from_str(pipeline[n]).unwrap();
    let to = WorkloadId::from_bytes(dice.id());
    RouteEntry::new(RouteId::from_bytes(dice.id()), host, path, to, pipeline)
}

/// Something is added, taken away or changed, for good or ill.
fn edit(snapshot: &mut Snapshot, dice: &mut Dice) {
    let id = dice.id();
    match dice.roll(14) {
        0..=3 => snapshot.routes.push(route(dice).into()),
        4 | 5 => drop(dice.place(&snapshot.routes).map(|at| snapshot.routes.remove(at))),
        6 => {
            if let Some(at) = dice.place(&snapshot.routes) {
                let RouteEntry { host, path, .. } = route(dice);
                let changed = RouteEntry { host, path, ..(*snapshot.routes[at]).clone() };
                snapshot.routes[at] = changed.into();
            }
        }
        7 | 8 => {
            let owner = snapshot.orgs.get(dice.roll(3)).map_or(OrgId::from_bytes(id), |org| org.id);
            let name = format!("w-{}", id[0]).parse().unwrap();
            snapshot.workloads.push(WorkloadEntry { id: WorkloadId::from_bytes(id), org: owner, name });
        }
        9 => drop(dice.place(&snapshot.workloads).map(|at| snapshot.workloads.remove(at))),
        10 => {
            if let (Some(at), Some(to)) = (dice.place(&snapshot.workloads), dice.place(&snapshot.orgs)) {
                snapshot.workloads[at].org = snapshot.orgs[to].id;
            }
        }
        11 => snapshot.orgs.push(org(id)),
        12 => drop(dice.place(&snapshot.orgs).map(|at| snapshot.orgs.remove(at))),
        _ => {
            let public = PublicKey([id[0] / 2; 32]);
            let owner = OrgId::from_bytes(dice.id());
            snapshot.keys.push(KeyEntry { id: KeyId::from_bytes(id), org: owner, public, scope: KeyScope::default() });
        }
    }
    // Lists come in the order of their ids, nearly always.
    if dice.roll(30) > 0 {
        snapshot.routes.sort_by_key(|route| route.id);
        snapshot.workloads.sort_by_key(|workload| workload.id);
    }
}

/// Hosts with what stands at them, to be compared.
fn hosts(snapshot: &Snapshot) -> HashMap<Hostname, Vec<RouteEntry>> {
    let mut hosts: HashMap<Hostname, Vec<RouteEntry>> = HashMap::new();
    for route in &snapshot.routes {
        hosts.entry(route.host.clone()).or_default().push((**route).clone());
    }
    hosts
}

#[test]
fn checking_what_differs_finds_what_checking_everything_finds() {
    let orgs = vec![org([1; 16]), org([2; 16]), org([3; 16])];
    let empty = Snapshot::new(1, "base.test".parse().unwrap(), Parts { orgs: orgs.into(), ..Parts::default() });
    let (mut good, mut refused, mut narrow) = (0, 0, 0);
    for seed in 0..60 {
        let mut dice = Dice(seed);
        let (mut last, _) = Checked::first(Arc::new(empty.clone())).unwrap();
        for _ in 0..200 {
            let mut next = (**last.snapshot()).clone();
            for _ in 0..=dice.roll(3) {
                edit(&mut next, &mut dice);
            }
            let next = Arc::new(next);
            let (whole, after) = (Checked::first(Arc::clone(&next)), last.next(Arc::clone(&next)));
            let Ok((whole, all)) = whole else {
                assert!(after.is_err(), "seed {seed}: {} was not noticed", whole.unwrap_err());
                refused += 1;
                continue;
            };
            let (after, fresh) = after.unwrap();
            assert_eq!(after.totals, whole.totals, "seed {seed}");
            narrow += usize::from(fresh.hosts.is_some());
            let (before, now) = (hosts(last.snapshot()), hosts(&next));
            for name in before.keys().chain(now.keys()) {
                let has_changed = before.get(name) != now.get(name);
                let is_told = fresh.hosts.as_ref().is_none_or(|hosts| hosts.contains(name));
                assert!(is_told || !has_changed, "seed {seed}: {name}");
            }
            for route in &next.routes {
                let is_known = last.snapshot().routes.iter().any(|old| old == route);
                assert!(all.pipelines.contains_key(&route.id));
                assert!(is_known || fresh.pipelines.contains_key(&route.id), "seed {seed}: {route:?}");
            }
            last = after;
            good += 1;
        }
    }
    assert!(good > 1000 && refused > 1000 && narrow > good / 2, "{good} {refused} {narrow}");
}

#[test]
fn what_has_stayed_is_not_compiled_again() {
    let mut dice = Dice(1);
    let mut snapshot = Snapshot::empty("base.test".parse().unwrap());
    *snapshot.orgs = vec![org([1; 16])];
    let (id, name) = (WorkloadId::from_bytes([1; 16]), "w".parse().unwrap());
    *snapshot.workloads = vec![WorkloadEntry { id, org: OrgId::from_bytes([1; 16]), name }];
    for n in 0..9 {
        let (id, path) = (RouteId::from_bytes([n; 16]), format!("/{n}").parse().unwrap());
        let pipeline = PipelineSpec::default();
        snapshot
            .routes
            .push(RouteEntry { id, path, workload: snapshot.workloads[0].id, pipeline, ..route(&mut dice) }.into());
    }
    let (first, all) = Checked::first(Arc::new(snapshot.clone())).unwrap();
    assert_eq!(all.pipelines.len(), 9);
    snapshot.routes[4].rank = Some(1);
    let (_, fresh) = first.next(Arc::new(snapshot.clone())).unwrap();
    assert_eq!(fresh.pipelines.keys().collect::<Vec<_>>(), [&snapshot.routes[4].id]);
    assert_eq!(fresh.hosts.unwrap().into_iter().collect::<Vec<_>>(), [snapshot.routes[4].host.clone()]);
}
