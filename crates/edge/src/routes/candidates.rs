//! Which routes of a host were looked at for a request, and what each lacked: for people, off the hot path.

use mezu_model::{Hostname, OrgId, RequestHead, RouteId, WorkloadId};
use mezu_snapshot::{Parts, Snapshot, Unmet};
use serde::Serialize;

use super::{Route, Table, Uncompilable};

/// The most that are listed. A host with more routes than this lists only those whose path takes the request.
const MOST: usize = 50;

/// A route of the request's host, at its place in the match order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Candidate {
    pub route: RouteId,
    pub workload: WorkloadId,
    /// As it is written.
    pub path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<i64>,
    /// What the captures of its path took.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub captures: Vec<(String, String)>,
    /// Why it did not take the request; nothing for the one that did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unmatched: Option<Unmatched>,
}

/// Why a route did not take a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum Unmatched {
    /// It is switched off.
    Off,
    Path,
    Method,
    Header {
        name: String,
    },
    /// It would have, but one before it did.
    Later,
}

impl Table {
    /// The org whose routes lead from this hostname, if any do.
    pub(crate) fn org_of(&self, host: &str) -> Option<OrgId> {
        self.host(host).and_then(|(host, _)| host.org)
    }

    /// The table that would be if there were only these parts. It knows nothing of earlier requests, and nothing that it
    /// is asked is remembered.
    pub(crate) fn supposing(&self, base: Hostname, parts: Parts) -> Result<Self, Uncompilable> {
        Self::compile(&Snapshot::new(self.generation, base, parts))
    }

    /// The routes of the request's host in match order, and how many are not listed.
    pub(crate) fn candidates(&self, head: &RequestHead) -> (Vec<Candidate>, usize) {
        let Some((host, _)) = self.host(&head.host) else { return (Vec::new(), 0) };
        // What the tree says decides; the list explains it.
        let chosen = host.find(head).map(|route| route.id);
        let mut listed = Vec::new();
        for route in &host.routes {
            let is_chosen = chosen == Some(route.id);
            let unmatched = if is_chosen { None } else { Some(route.unmatched(head)) };
            let is_near = host.routes.len() <= MOST || !matches!(unmatched, Some(Unmatched::Path));
            if is_chosen || (is_near && listed.len() < MOST) {
                listed.push(route.candidate(head, unmatched));
            }
        }
        let others = host.routes.len().saturating_sub(listed.len());
        (listed, others)
    }
}

impl Route {
    fn unmatched(&self, head: &RequestHead) -> Unmatched {
        if !self.enabled {
            return Unmatched::Off;
        }
        if !self.path.matches(&head.path) {
            return Unmatched::Path;
        }
        match self.matcher.unmet(head) {
            Some(Unmet::Method) => Unmatched::Method,
            Some(Unmet::Header(name)) => Unmatched::Header { name: name.to_owned() },
            None => Unmatched::Later,
        }
    }

    fn candidate(&self, head: &RequestHead, unmatched: Option<Unmatched>) -> Candidate {
        let taken = self.path.captures(&head.path).unwrap_or_default();
        let captures = taken.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
        Candidate {
            route: self.id,
            workload: self.workload,
            path: self.path.to_string(),
            rank: self.rank,
            captures,
            unmatched,
        }
    }
}
