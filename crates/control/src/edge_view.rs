//! What control may see and ask of the edge.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;

use mezu_api::request::{Recorded, Tried};
use mezu_model::{Hostname, OrgId, RayId, RouteId, WorkloadId};
use mezu_snapshot::Parts;

/// A future in a box, so that [`EdgeView`] can be an object.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How a change has arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The generation that holds the change, or the one that is served while it is late.
    pub generation: u64,
    /// Why the edge does not serve it yet.
    pub late: Option<Arc<str>>,
}

/// A request that somebody thinks of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub method: String,
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub client: IpAddr,
    pub body: Option<u64>,
}

/// What would become of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The org whose routes lead from its host, if any do.
    pub org: Option<OrgId>,
    /// Names that only the store knows are left out.
    pub tried: Tried,
}

/// Why it cannot be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Untold {
    /// No such request can come; what is wrong with it.
    NoRequest { pointer: &'static str, why: String },
    /// What was supposed cannot be served from.
    NotServable(String),
    /// The edge does not run yet.
    NoEdge,
}

/// Which of an org's last requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub org: OrgId,
    pub route: Option<RouteId>,
    pub workload: Option<WorkloadId>,
    pub statuses: RangeInclusive<u16>,
    /// Only those that ended before this one.
    pub before: Option<RayId>,
    /// How many at most, the newest first.
    pub most: usize,
}

/// The edge as control knows it; the program that has both hands it in.
pub trait EdgeView: Send + Sync + 'static {
    /// Brings what the store holds to the edge, and waits for a bounded time until it is served.
    fn publish(&self) -> Pending<'_, Publication>;

    /// The generation that is served now.
    fn generation(&self) -> u64;

    /// Gates that serve a workload now.
    fn gates(&self, workload: WorkloadId) -> usize;

    /// Gates that are connected for a workload and get no requests, because their health check fails.
    fn unwell_gates(&self, workload: WorkloadId) -> usize;

    /// The domain under which workloads get their names.
    fn base_domain(&self) -> &Hostname;

    /// The public URL of a host and path.
    fn url(&self, host: &Hostname, path: &str) -> String;

    /// Says who would answer a request, by the code that answers requests. With parts: as if there were the routes and
    /// workloads of these alone. Nothing is sent, counted or kept.
    fn explain(&self, question: Question, supposing: Option<Parts>) -> Pending<'_, Result<Told, Untold>>;

    /// What became of a request to a host of the org, if the edge still knows. Names that only the store knows are left
    /// out.
    fn why(&self, org: OrgId, ray: RayId) -> Pending<'_, Option<Recorded>>;

    /// An org's last requests, the newest first. `None` when the edge does not know that of [`Wanted::before`] any more.
    fn recent(&self, wanted: Wanted) -> Pending<'_, Option<Vec<Recorded>>>;

    /// What keeps clients from reaching a host as things stand, such as a certificate that is not for it.
    fn warning(&self, host: &Hostname) -> Option<String>;
}
