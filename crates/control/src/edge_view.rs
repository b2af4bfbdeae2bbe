//! What control may see and ask of the edge.

use std::pin::Pin;
use std::sync::Arc;

use mezu_model::{Hostname, WorkloadId};

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

/// The edge as control knows it; the program that has both hands it in.
pub trait EdgeView: Send + Sync + 'static {
    /// Brings what the store holds to the edge, and waits for a bounded time until it is served.
    fn publish(&self) -> Pending<'_, Publication>;

    /// The generation that is served now.
    fn generation(&self) -> u64;

    /// Gates that serve a workload now.
    fn gates(&self, workload: WorkloadId) -> usize;

    /// The domain under which workloads get their names.
    fn base_domain(&self) -> &Hostname;

    /// The public URL of a host and path.
    fn url(&self, host: &Hostname, path: &str) -> String;

    /// What keeps clients from reaching a host as things stand, such as a certificate that is not for it.
    fn warning(&self, host: &Hostname) -> Option<String>;
}
