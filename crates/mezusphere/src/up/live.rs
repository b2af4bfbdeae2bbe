//! What the control side may ask of the running edge.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mezu_edge::EdgeHandle;
use mezu_model::WorkloadId;

const LOOK: Duration = Duration::from_micros(500);
/// How long an edge may take to compile a snapshot.
const COMPILE: Duration = Duration::from_secs(3);

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

    /// Those that are connected for it and not well.
    #[must_use]
    pub(super) fn unwell_gates(&self, workload: WorkloadId) -> usize {
        self.edge().map_or(0, |edge| usize::try_from(edge.unwell_gates(workload)).unwrap_or(usize::MAX))
    }

    /// Waits until the edge serves from this generation or a later one. Says whether it does; it does not when it
    /// refused the snapshot. Without an edge, as during the start, there is nobody to wait for.
    pub(crate) async fn serves(&self, generation: u64) -> bool {
        let Some(edge) = self.edge() else { return true };
        // Compiling takes from microseconds to some milliseconds, so looking again and again is soon over.
        let look = async {
            while edge.generation() < generation {
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(COMPILE, look).await.is_ok()
    }

    /// The edge's metrics in the OpenMetrics text format.
    #[must_use]
    pub(super) fn metrics(&self) -> String {
        self.edge().map(|edge| edge.metrics().text()).unwrap_or_default()
    }
}
