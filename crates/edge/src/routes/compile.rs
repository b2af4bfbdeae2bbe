//! From a snapshot to a table: what has not changed since the one before is taken over from it.

use std::collections::HashSet;
use std::hash::RandomState;
use std::sync::Arc;
use std::time::Instant;

use hashbrown::HashMap;
use mezu_model::{Hostname, OrgId, RouteId, WorkloadId};
use mezu_policy::{Live, Pipeline};
use mezu_snapshot::{Checked, RouteEntry, Shared, Snapshot};

use super::hosts::Hosts;
use super::{Host, Key, Route, Table, Uncompilable};
use crate::recent::StageSet;

/// A table and the snapshot that it was made from.
#[derive(Debug, Clone)]
pub(crate) struct Compiled {
    pub(crate) table: Arc<Table>,
    pub(super) checked: Checked,
}

impl Compiled {
    /// Checks and compiles the first snapshot. Nothing is remembered of earlier requests.
    pub(crate) fn first(snapshot: Arc<Snapshot>) -> Result<Self, Uncompilable> {
        let (checked, fresh) = Checked::first(snapshot)?;
        let table = Arc::new(Table::over(new_live(), checked.snapshot(), fresh.pipelines)?);
        Ok(Self { table, checked })
    }

    /// Checks and compiles a later one. Nothing of it is used unless all of it is good.
    pub(crate) fn next(&self, snapshot: Arc<Snapshot>) -> Result<Self, Uncompilable> {
        let (from, to) = (self.table.generation, snapshot.generation);
        if to <= from {
            return Err(Uncompilable::Older { from, to });
        }
        let (checked, fresh) = self.checked.next(snapshot)?;
        let (old, new) = (self.checked.snapshot(), checked.snapshot());
        let table = match fresh.hosts {
            Some(changed) => self.table.with(&changed, fresh.pipelines, old, new)?,
            None => Table::over(Arc::clone(&self.table.live), new, fresh.pipelines)?,
        };
        self.table.live.tidy();
        Ok(Self { table: Arc::new(table), checked })
    }
}

type Pipelines = std::collections::HashMap<RouteId, Pipeline>;

impl Table {
    /// Compiles a snapshot that need not be whole. Nothing is remembered of earlier requests.
    pub(super) fn compile(snapshot: &Snapshot) -> Result<Self, Uncompilable> {
        Self::over(new_live(), snapshot, Pipelines::new())
    }

    /// Compiles a snapshot over what is remembered, and what the check has compiled of it.
    fn over(live: Arc<Live>, snapshot: &Snapshot, pipelines: Pipelines) -> Result<Self, Uncompilable> {
        let mut hosts = Hosts::default();
        let mut compiler = Compiler { live: &live, pipelines };
        for (name, entries) in by_host(snapshot, |_| true) {
            let routes = compiler.routes(entries, None)?;
            hosts.set(name, Some(Host::new(routes)));
        }
        Ok(Self { generation: snapshot.generation, hosts, keys: Arc::new(keys(snapshot)), live })
    }

    /// The table of a snapshot in which only these hosts differ.
    fn with(
        &self,
        changed: &HashSet<Hostname>,
        pipelines: Pipelines,
        from: &Snapshot,
        to: &Snapshot,
    ) -> Result<Self, Uncompilable> {
        let mut hosts = self.hosts.clone();
        if !changed.is_empty() {
            let mut compiler = Compiler { live: &self.live, pipelines };
            let mut by_host = by_host(to, |name| changed.contains(name));
            for name in changed {
                let host = match by_host.remove(name) {
                    Some(entries) => Some(Host::new(compiler.routes(entries, self.hosts.get(name.as_str()))?)),
                    None => None,
                };
                hosts.set(name, host);
            }
        }
        let keys = if from.keys == to.keys { Arc::clone(&self.keys) } else { Arc::new(keys(to)) };
        Ok(Self { generation: to.generation, hosts, keys, live: Arc::clone(&self.live) })
    }
}

fn new_live() -> Arc<Live> {
    Arc::new(Live::new(Instant::now(), RandomState::new()))
}

fn keys(snapshot: &Snapshot) -> HashMap<[u8; 32], Key> {
    snapshot.keys.iter().map(|key| (key.public.0, Key { id: key.id, org: key.org, scope: key.scope.clone() })).collect()
}

/// The routes of the wanted hosts, each with the org that its workload is of.
fn by_host(snapshot: &Snapshot, wanted: impl Fn(&Hostname) -> bool) -> HashMap<&Hostname, Vec<Entry<'_>>> {
    let orgs: HashMap<WorkloadId, OrgId> = snapshot.workloads.iter().map(|one| (one.id, one.org)).collect();
    let mut entries: HashMap<&Hostname, Vec<Entry<'_>>> = HashMap::new();
    for route in snapshot.routes.iter().filter(|route| wanted(&route.host)) {
        let entry = Entry { route, org: orgs.get(&route.workload).copied() };
        entries.entry(&route.host).or_default().push(entry);
    }
    entries
}

struct Entry<'a> {
    route: &'a Shared<RouteEntry>,
    org: Option<OrgId>,
}

struct Compiler<'a> {
    live: &'a Live,
    /// What the check has compiled already.
    pipelines: Pipelines,
}

impl Compiler<'_> {
    /// Compiles the routes of a host, which may have been there before.
    fn routes(&mut self, mut entries: Vec<Entry<'_>>, before: Option<&Host>) -> Result<Vec<Route>, Uncompilable> {
        // Those that are off come last; they are there to be named.
        entries.sort_by_cached_key(|entry| (!entry.route.enabled, entry.route.order()));
        let known = before.map_or(&[][..], |host| &host.routes);
        let known: HashMap<RouteId, &Route> = known.iter().map(|route| (route.id, route)).collect();
        entries.into_iter().map(|entry| self.route(&entry, known.get(&entry.route.id).copied())).collect()
    }

    fn route(
        &mut self,
        Entry { route: entry, org }: &Entry<'_>,
        before: Option<&Route>,
    ) -> Result<Route, Uncompilable> {
        let org = org.ok_or(Uncompilable::Workload(entry.id))?;
        // What the check has compiled is new; what it has not is as it was.
        let pipeline = match (self.pipelines.remove(&entry.id), before) {
            (Some(pipeline), _) => pipeline,
            (None, Some(before)) => before.pipeline.clone(),
            (None, None) => Pipeline::compile(&entry.pipeline)
                .map_err(|problem| Uncompilable::Pipeline { route: entry.id, problem })?,
        };
        Ok(Route {
            id: entry.id,
            org,
            workload: entry.workload,
            stages: StageSet::of(&pipeline),
            live: self.live.of(entry.id, &pipeline),
            pipeline,
            path: entry.path.clone(),
            matcher: entry.matcher.clone(),
            enabled: entry.enabled,
            rank: entry.rank,
        })
    }
}
