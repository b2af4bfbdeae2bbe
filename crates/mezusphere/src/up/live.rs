//! What the control side may ask of the running edge.

use std::sync::{Arc, OnceLock};

use mezu_edge::EdgeHandle;
use mezu_model::WorkloadId;

/// The edge, from the moment at which it runs.
#[derive(Clone, Default)]
pub(super) struct Live(Arc<OnceLock<EdgeHandle>>);

impl Live {
    pub(super) fn set(&self, edge: EdgeHandle) {
        // Set once, by the one place that starts the edge.
        let _ = self.0.set(edge);
    }

    pub(super) fn edge(&self) -> Option<&EdgeHandle> {
        self.0.get()
    }

    /// Gates connected for a workload.
    #[must_use]
    pub(super) fn gates(&self, workload: WorkloadId) -> usize {
        self.edge().map_or(0, |edge| usize::try_from(edge.gates(workload)).unwrap_or(usize::MAX))
    }

    /// The edge's metrics in the OpenMetrics text format.
    #[must_use]
    pub(super) fn metrics(&self) -> String {
        self.edge().map(|edge| edge.metrics().text()).unwrap_or_default()
    }
}
