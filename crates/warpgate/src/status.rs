//! What a running Warpgate tells about itself: a level, not a history, so that whoever looks late misses nothing.

use std::time::Duration;

/// The whole state at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Status {
    /// The workloads; their URLs are known once the first connection stands.
    pub workloads: Vec<WorkloadStatus>,
    /// One entry per connection to the edge, in use or wanted.
    pub links: Vec<Link>,
    /// Workers that the edge runs; 0 until known.
    pub workers: u32,
    pub draining: bool,
    pub ended: Option<Ended>,
}

/// One workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadStatus {
    pub name: String,
    pub target: String,
    pub url: Option<String>,
    /// What its health check says; `None` without one.
    pub health: Option<Health>,
}

/// Whether a workload is well, by its health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Not asked yet: it gets no requests.
    Unknown,
    Well,
    /// It gets no requests here.
    Unwell {
        why: String,
    },
}

/// One connection to the edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    Dialling,
    Online {
        worker: u32,
        rtt: Option<Duration>,
    },
    /// The edge goes away or we do; what is in flight finishes.
    Draining,
    /// Waiting to dial again.
    Waiting {
        why: String,
    },
    Closed,
}

/// Why a Warpgate ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    #[error("drained")]
    Drained,
    #[error("ended before all requests were finished")]
    Cut,
    /// The edge will not have us; trying again is of no use.
    #[error("the edge refuses: {message} [{code}]")]
    Refused { code: String, message: String },
    #[error("cannot start: {0}")]
    Failed(String),
}

impl Status {
    /// Whether at least one connection takes requests.
    pub fn is_online(&self) -> bool {
        self.links.iter().any(|link| matches!(link, Link::Online { .. }))
    }

    /// How many connections take requests.
    pub fn online(&self) -> usize {
        self.links.iter().filter(|link| matches!(link, Link::Online { .. })).count()
    }
}
