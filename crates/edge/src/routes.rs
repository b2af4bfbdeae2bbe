//! The compiled snapshot: from a host and a path to a route, from a public key to its owner.
//!
//! Compiled off the hot path; a request looks things up in one [`Table`] that it keeps for its whole life, so that no
//! request sees two generations. Must never keep live state of its own: that is kept by ids and outlives it.

use std::hash::RandomState;
use std::sync::Arc;
use std::time::Instant;

use hashbrown::HashMap;

use mezu_model::{Context, Hostname, KeyId, OrgId, PublicKey, RequestHead, RouteId, WorkloadId};
use mezu_policy::{Beside, Invalid, Live, Permitted, Pipeline, RouteLive, Stop, Subject};
use mezu_snapshot::{PathPrefix, Snapshot};

use crate::access_log::Owner;
use crate::answer::EdgeError;
use crate::certs::CertStore;
use crate::http::{BodyLength, ConnInfo};

/// One generation, ready to serve from.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) generation: u64,
    hosts: HashMap<Hostname, Host>,
    keys: HashMap<[u8; 32], Key>,
    /// The same for every generation.
    live: Arc<Live>,
}

/// The routes of one hostname, longest prefix first.
#[derive(Debug, Default)]
struct Host {
    routes: Vec<Route>,
}

#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) id: RouteId,
    pub(crate) org: OrgId,
    pub(crate) workload: WorkloadId,
    pub(crate) pipeline: Pipeline,
    /// What is remembered of its requests, from generation to generation.
    live: Arc<RouteLive>,
    path: PathPrefix,
}

impl Route {
    /// Whose requests it takes, for the log.
    pub(crate) const fn owner(&self) -> Owner {
        Owner { org: self.org, route: self.id, workload: self.workload }
    }
}

/// A key that may open tunnels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) id: KeyId,
    pub(crate) org: OrgId,
}

/// A request that was read, and nothing more.
pub(crate) struct Request<'a> {
    pub(crate) conn: &'a ConnInfo,
    pub(crate) context: &'a Context,
    pub(crate) head: &'a mut RequestHead,
    /// The length of the body as the client declared it.
    pub(crate) declared: Option<u64>,
    /// When it came.
    pub(crate) now: Instant,
    /// What is to go with its answer.
    pub(crate) beside: &'a mut Beside,
}

impl<'a> Request<'a> {
    pub(crate) fn new(
        conn: &'a ConnInfo,
        context: &'a Context,
        head: &'a mut RequestHead,
        body: BodyLength,
        now: Instant,
        beside: &'a mut Beside,
    ) -> Self {
        let declared = match body {
            BodyLength::Empty => Some(0),
            BodyLength::Sized(length) => Some(length),
            BodyLength::Unknown => None,
        };
        Self { conn, context, head, declared, now, beside }
    }
}

/// A request whose workload is known.
pub(crate) struct Routed<'a> {
    pub(crate) route: &'a Route,
    request: Request<'a>,
}

impl<'a> Routed<'a> {
    /// Sends it through its route's stages.
    pub(crate) fn permit(self) -> Result<Permitted<'a>, Stop> {
        let Request { context, head, declared, now, beside, .. } = self.request;
        let Route { workload, live, pipeline, .. } = self.route;
        pipeline.permit(Subject { head, context, declared, now, workload: *workload, live, beside })
    }
}

/// Why a snapshot cannot be served from.
#[derive(Debug, thiserror::Error)]
pub enum Uncompilable {
    #[error("route {route}: {problem}")]
    Pipeline { route: RouteId, problem: Invalid },
    #[error("route {0} leads to a workload that does not exist")]
    Workload(RouteId),
}

impl Table {
    /// Compiles a snapshot. Nothing is remembered of earlier requests.
    pub(crate) fn compile(snapshot: &Snapshot) -> Result<Self, Uncompilable> {
        Self::over(Arc::new(Live::new(Instant::now(), RandomState::new())), snapshot)
    }

    /// Compiles a later snapshot over what this one remembers.
    pub(crate) fn next(&self, snapshot: &Snapshot) -> Result<Self, Uncompilable> {
        self.live.tidy();
        Self::over(Arc::clone(&self.live), snapshot)
    }

    fn over(live: Arc<Live>, snapshot: &Snapshot) -> Result<Self, Uncompilable> {
        let orgs: HashMap<WorkloadId, OrgId> = snapshot.workloads.iter().map(|w| (w.id, w.org)).collect();
        let mut hosts: HashMap<Hostname, Host> = HashMap::new();
        for entry in &snapshot.routes {
            let org = *orgs.get(&entry.workload).ok_or(Uncompilable::Workload(entry.id))?;
            let pipeline = Pipeline::compile(&entry.pipeline)
                .map_err(|problem| Uncompilable::Pipeline { route: entry.id, problem })?;
            let live = live.of(entry.id, &pipeline);
            let route = Route { id: entry.id, org, workload: entry.workload, pipeline, live, path: entry.path.clone() };
            hosts.entry(entry.host.clone()).or_default().routes.push(route);
        }
        for host in hosts.values_mut() {
            host.routes.sort_by_key(|route| std::cmp::Reverse(route.path.as_str().len()));
        }
        let keys = snapshot.keys.iter().map(|key| (key.public.0, Key { id: key.id, org: key.org })).collect();
        Ok(Self { generation: snapshot.generation, hosts, keys, live })
    }

    /// The owner of a public key; `None` when it may not (or no longer) open tunnels.
    pub(crate) fn key(&self, public: &PublicKey) -> Option<Key> {
        self.keys.get(&public.0).copied()
    }

    /// Whether any route leads from this hostname.
    pub(crate) fn has_host(&self, host: &str) -> bool {
        self.hosts.contains_key(host)
    }

    /// Finds the route of a request, if its connection may carry it at all.
    pub(crate) fn route<'a>(&'a self, request: Request<'a>, certs: &CertStore) -> Result<Routed<'a>, EdgeError> {
        let (conn, head) = (request.conn, &*request.head);
        let Some(host) = self.hosts.get(head.host.as_str()) else {
            if self.generation == 0 {
                return Err(EdgeError::Starting);
            }
            let ours = certs.stands_for(conn.sni.as_deref(), &head.host);
            return Err(if ours { EdgeError::UnknownHost } else { EdgeError::Misdirected });
        };
        if conn.sni.as_deref() != Some(head.host.as_str()) && !self.may_carry(conn, head, host, certs) {
            return Err(EdgeError::Misdirected);
        }
        let route = host.routes.iter().find(|route| route.path.matches(&head.path)).ok_or(EdgeError::NoRoute)?;
        Ok(Routed { route, request })
    }

    /// Whether a connection made for one name may carry requests for another: the same certificate must stand for
    /// both, and both must belong to one org, so that no tenant's connection reaches another tenant
    /// (RFC 9110 §7.4, RFC 9113 §9.1.1).
    fn may_carry(&self, conn: &ConnInfo, head: &RequestHead, host: &Host, certs: &CertStore) -> bool {
        let Some(sni) = conn.sni.as_deref() else { return certs.stands_for(None, &head.host) };
        certs.stands_for(Some(sni), &head.host) && self.hosts.get(sni).and_then(Host::org) == host.org()
    }
}

impl Host {
    fn org(&self) -> Option<OrgId> {
        self.routes.first().map(|route| route.org)
    }
}

#[cfg(test)]
mod tests;
