//! From a snapshot to a table: what has not changed since the one before is taken over from it.

use std::hash::RandomState;
use std::sync::Arc;
use std::time::Instant;

use hashbrown::{HashMap, HashSet};
use mezu_model::{Hostname, OrgId, WorkloadId};
use mezu_policy::{Live, Pipeline};
use mezu_snapshot::{RouteEntry, Snapshot, WorkloadEntry};

use super::hosts::Hosts;
use super::{Host, Key, Route, Table, Uncompilable};
use crate::recent::StageSet;

/// A table and the snapshot that it was made from.
#[derive(Debug, Clone)]
pub(crate) struct Compiled {
    pub(crate) table: Arc<Table>,
    snapshot: Arc<Snapshot>,
}

impl Compiled {
    /// Checks and compiles the first snapshot.
    pub(crate) fn first(snapshot: Arc<Snapshot>) -> Result<Self, Uncompilable> {
        snapshot.check()?;
        let table = Arc::new(Table::compile(&snapshot)?);
        Ok(Self { table, snapshot })
    }

    /// Checks and compiles a later one. Nothing of it is used unless all of it is good.
    pub(crate) fn next(&self, snapshot: Arc<Snapshot>) -> Result<Self, Uncompilable> {
        let (from, to) = (self.table.generation, snapshot.generation);
        if to <= from {
            return Err(Uncompilable::Older { from, to });
        }
        snapshot.check_after(&self.snapshot)?;
        let table = match changed_hosts(&self.snapshot, &snapshot) {
            Some(changed) => self.table.with(&changed, &self.snapshot, &snapshot)?,
            None => Table::over(Arc::clone(&self.table.live), &snapshot)?,
        };
        self.table.live.tidy();
        Ok(Self { table: Arc::new(table), snapshot })
    }
}

impl Table {
    /// Compiles a snapshot. Nothing is remembered of earlier requests.
    pub(super) fn compile(snapshot: &Snapshot) -> Result<Self, Uncompilable> {
        Self::over(Arc::new(Live::new(Instant::now(), RandomState::new())), snapshot)
    }

    /// Compiles a snapshot over what is remembered.
    fn over(live: Arc<Live>, snapshot: &Snapshot) -> Result<Self, Uncompilable> {
        let mut hosts = Hosts::default();
        for (name, host) in compile_hosts(snapshot, &live, |_| true)? {
            hosts.set(name, Some(host));
        }
        Ok(Self { generation: snapshot.generation, hosts, keys: Arc::new(keys(snapshot)), live })
    }

    /// The table of a snapshot in which only these hosts differ.
    fn with(&self, changed: &HashSet<&Hostname>, from: &Snapshot, to: &Snapshot) -> Result<Self, Uncompilable> {
        let mut hosts = self.hosts.clone();
        if !changed.is_empty() {
            let mut compiled = compile_hosts(to, &self.live, |name| changed.contains(name))?;
            for name in changed {
                hosts.set(name, compiled.remove(name));
            }
        }
        let keys = if from.keys == to.keys { Arc::clone(&self.keys) } else { Arc::new(keys(to)) };
        Ok(Self { generation: to.generation, hosts, keys, live: Arc::clone(&self.live) })
    }
}

fn keys(snapshot: &Snapshot) -> HashMap<[u8; 32], Key> {
    snapshot.keys.iter().map(|key| (key.public.0, Key { id: key.id, org: key.org, scope: key.scope.clone() })).collect()
}

fn compile_hosts<'s>(
    snapshot: &'s Snapshot,
    live: &Live,
    wanted: impl Fn(&Hostname) -> bool,
) -> Result<HashMap<&'s Hostname, Host>, Uncompilable> {
    let orgs: HashMap<WorkloadId, OrgId> = snapshot.workloads.iter().map(|w| (w.id, w.org)).collect();
    let mut entries: HashMap<&Hostname, Vec<&RouteEntry>> = HashMap::new();
    for entry in snapshot.routes.iter().filter(|entry| wanted(&entry.host)) {
        entries.entry(&entry.host).or_default().push(entry);
    }
    let compile = |entry: &RouteEntry| -> Result<Route, Uncompilable> {
        let org = *orgs.get(&entry.workload).ok_or(Uncompilable::Workload(entry.id))?;
        let pipeline = Pipeline::compile(&entry.pipeline)
            .map_err(|problem| Uncompilable::Pipeline { route: entry.id, problem })?;
        Ok(Route {
            id: entry.id,
            org,
            workload: entry.workload,
            stages: StageSet::of(&pipeline),
            live: live.of(entry.id, &pipeline),
            pipeline,
            path: entry.path.clone(),
            matcher: entry.matcher.clone(),
            enabled: entry.enabled,
            rank: entry.rank,
        })
    };
    entries
        .into_iter()
        .map(|(name, mut entries)| {
            // Those that are off come last; they are there to be named.
            entries.sort_by_cached_key(|entry| (!entry.enabled, entry.order()));
            let routes = entries.into_iter().map(compile).collect::<Result<Vec<_>, _>>()?;
            Ok((name, Host::new(routes)))
        })
        .collect()
}

/// The hosts whose routes differ between two snapshots that are whole. `None` when a workload has gone to another org, or
/// the lists are not in the order of their ids, by which they are compared.
fn changed_hosts<'a>(from: &'a Snapshot, to: &'a Snapshot) -> Option<HashSet<&'a Hostname>> {
    let is_sorted = |workloads: &[WorkloadEntry]| workloads.is_sorted_by(|a, b| a.id < b.id);
    if !is_sorted(&from.workloads) || !is_sorted(&to.workloads) {
        return None;
    }
    // A host holds the orgs of its workloads.
    let mut old = from.workloads.iter().peekable();
    for new in &to.workloads {
        while old.next_if(|old| old.id < new.id).is_some() {}
        if old.next_if(|old| old.id == new.id).is_some_and(|old| old.org != new.org) {
            return None;
        }
    }
    let is_sorted = |routes: &[RouteEntry]| routes.is_sorted_by(|a, b| a.id < b.id);
    if !is_sorted(&from.routes) || !is_sorted(&to.routes) {
        return None;
    }
    let mut changed = HashSet::new();
    let (mut old, mut new) = (from.routes.iter().peekable(), to.routes.iter().peekable());
    loop {
        let one = match (old.peek(), new.peek()) {
            (None, None) => return Some(changed),
            (Some(a), Some(b)) if a.id == b.id => {
                if a != b {
                    changed.insert(&a.host);
                    changed.insert(&b.host);
                }
                old.next();
                new.next();
                continue;
            }
            (Some(a), Some(b)) if a.id < b.id => old.next(),
            (Some(_), None) => old.next(),
            (_, Some(_)) => new.next(),
        };
        changed.extend(one.map(|entry| &entry.host));
    }
}
