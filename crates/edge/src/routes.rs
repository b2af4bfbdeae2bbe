//! The compiled snapshot: from a host and a path to a route, from a public key to its owner.
//!
//! Compiled off the hot path; a request looks things up in one [`Table`] that it keeps for its whole life, so that no
//! request sees two generations. Must never keep live state of its own: that is kept by ids and outlives it.

mod candidates;
mod compile;
mod hosts;
mod tree;

use std::sync::Arc;
use std::time::Instant;

use hashbrown::HashMap;

use mezu_model::{Aim, Context, GateLabel, KeyId, OrgId, PublicKey, RequestHead, RouteId, WorkloadId};
use mezu_policy::{Beside, Invalid, Live, Permitted, Pipeline, RouteLive, Stop, Subject};
use mezu_snapshot::{KeyScope, Matcher, PathRule, Problems};

use crate::access_log::Owner;
use crate::answer::EdgeError;
use crate::certs::CertStore;
use crate::http::{BodyLength, ConnInfo};
use crate::recent::StageSet;
use hosts::Hosts;
use tree::Tree;

pub use candidates::{Candidate, Unmatched};
pub(crate) use compile::Compiled;

/// One generation, ready to serve from.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) generation: u64,
    hosts: Hosts,
    keys: Arc<HashMap<[u8; 32], Key>>,
    /// The same for every generation.
    live: Arc<Live>,
}

/// The routes of one hostname.
#[derive(Debug)]
struct Host {
    org: Option<OrgId>,
    /// In match order; behind them, those that are off.
    routes: Box<[Route]>,
    /// Whether the first of them takes every request, as the only route of most hosts does.
    first_takes_all: bool,
    tree: Tree,
}

#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) id: RouteId,
    pub(crate) org: OrgId,
    pub(crate) workload: WorkloadId,
    pub(crate) pipeline: Pipeline,
    pub(crate) stages: StageSet,
    /// What is remembered of its requests, from generation to generation.
    live: Arc<RouteLive>,
    path: PathRule,
    matcher: Matcher,
    rank: Option<i64>,
    enabled: bool,
}

impl Route {
    /// Whose requests it takes, for the log.
    pub(crate) const fn owner(&self) -> Owner {
        Owner { org: self.org, route: self.id, workload: self.workload }
    }
}

/// A key that may open tunnels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) id: KeyId,
    pub(crate) org: OrgId,
    pub(crate) scope: KeyScope,
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
    /// The host is for the gates with this label alone. Whether there are any is not known here.
    pub(crate) label: Option<GateLabel>,
    request: Request<'a>,
}

impl<'a> Routed<'a> {
    /// The gates that must be there for its host to be one at all: those with the label that it is for.
    pub(crate) fn required(&self) -> Option<Aim> {
        let label = self.label.clone()?;
        Some(Aim { workload: self.route.workload, label: Some(label) })
    }

    /// Sends it through its route's stages; tells where it goes then.
    pub(crate) fn permit(self) -> Result<(Aim, Permitted<'a>), Stop> {
        let Request { context, head, declared, now, beside, .. } = self.request;
        let Route { workload, live, pipeline, .. } = self.route;
        pipeline.permit(Subject { head, context, declared, now, workload: *workload, label: self.label, live, beside })
    }
}

impl Routed<'_> {
    /// What its route's stages would say to it.
    pub(crate) fn explain(self) -> mezu_policy::Explanation {
        let Request { context, head, declared, now, beside, .. } = self.request;
        let Route { workload, live, pipeline, .. } = self.route;
        pipeline.explain(Subject { head, context, declared, now, workload: *workload, label: self.label, live, beside })
    }
}

/// Why a snapshot cannot be served from.
#[derive(Debug, thiserror::Error)]
pub enum Uncompilable {
    #[error("route {route}: {problem}")]
    Pipeline { route: RouteId, problem: Invalid },
    #[error("route {0} leads to a workload that does not exist")]
    Workload(RouteId),
    #[error(transparent)]
    Problems(#[from] Problems),
    #[error("generation {to} does not come after {from}")]
    Older { from: u64, to: u64 },
}

impl Table {
    /// The owner of a public key; `None` when it may not (or no longer) open tunnels.
    pub(crate) fn key(&self, public: &PublicKey) -> Option<&Key> {
        self.keys.get(&public.0)
    }

    /// Whether any route leads from this hostname.
    pub(crate) fn has_host(&self, host: &str) -> bool {
        self.hosts.get(host).is_some()
    }

    /// Whether a route takes the request, for [`crate::measure`].
    pub(crate) fn finds(&self, head: &RequestHead) -> bool {
        self.hosts.get(&head.host).and_then(|host| host.find(head)).is_some()
    }

    /// Finds the route of a request, if its connection may carry it at all.
    pub(crate) fn route<'a>(&'a self, request: Request<'a>, certs: &CertStore) -> Result<Routed<'a>, EdgeError> {
        let (conn, head) = (request.conn, &*request.head);
        let Some((host, label)) = self.host(&head.host) else {
            if self.generation == 0 {
                return Err(EdgeError::Starting);
            }
            let ours = certs.stands_for(conn.sni.as_deref(), &head.host);
            return Err(if ours { EdgeError::UnknownHost } else { EdgeError::Misdirected });
        };
        if conn.sni.as_deref() != Some(head.host.as_str()) && !self.may_carry(conn, head, host, certs) {
            return Err(EdgeError::Misdirected);
        }
        let route = host.find(head).ok_or(EdgeError::NoRoute)?;
        Ok(Routed { route, label, request })
    }

    /// The routes of a host: its own, or those of the host that a label was put in front of.
    fn host(&self, name: &str) -> Option<(&Host, Option<GateLabel>)> {
        if let Some(host) = self.hosts.get(name) {
            return Some((host, None));
        }
        let (label, parent) = GateLabel::split(name)?;
        Some((self.hosts.get(parent)?, Some(label.parse().ok()?)))
    }

    /// Whether a connection made for one name may carry requests for another: the same certificate must stand for
    /// both, and both must belong to one org, so that no tenant's connection reaches another tenant
    /// (RFC 9110 §7.4, RFC 9113 §9.1.1).
    fn may_carry(&self, conn: &ConnInfo, head: &RequestHead, host: &Host, certs: &CertStore) -> bool {
        let Some(sni) = conn.sni.as_deref() else { return certs.stands_for(None, &head.host) };
        certs.stands_for(Some(sni), &head.host) && self.host(sni).and_then(|(host, _)| host.org) == host.org
    }
}

impl Host {
    /// Over routes in match order, with those that are off behind.
    fn new(routes: Vec<Route>) -> Self {
        let takes_all = |first: &Route| first.enabled && first.matcher.is_empty() && first.path.takes_all();
        Self {
            org: routes.first().map(|route| route.org),
            first_takes_all: routes.first().is_some_and(takes_all),
            tree: Tree::new(routes.iter().take_while(|route| route.enabled)),
            routes: routes.into(),
        }
    }

    #[inline]
    fn find(&self, head: &RequestHead) -> Option<&Route> {
        if self.first_takes_all {
            return self.routes.first();
        }
        self.routes.get(self.tree.find(&self.routes, head)?)
    }
}

#[cfg(test)]
mod tests;
