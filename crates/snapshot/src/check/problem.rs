//! What can be wrong with a snapshot.

use std::fmt;

use mezu_model::{Hostname, OrgId, RouteId};

use crate::limits;

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

impl Problem {
    pub(super) fn dangling(what: &'static str, id: impl fmt::Display, target: impl fmt::Display) -> Self {
        Self::Dangling { what, id: id.to_string(), target: target.to_string() }
    }
}

impl Problems {
    /// A broken snapshot is refused on the first problem; a person is helped by a few more, not by a million.
    pub const MOST: usize = 20;

    /// The first of those found, if there are any.
    pub(super) fn of(mut found: Vec<Problem>) -> Option<Self> {
        found.truncate(Self::MOST);
        (!found.is_empty()).then_some(Self(found))
    }

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
