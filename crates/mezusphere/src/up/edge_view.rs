//! The edge, as control may see it.

use std::sync::Arc;

use mezu_control::{EdgeView, Pending, Publication};
use mezu_model::{Hostname, WorkloadId};

use super::certificates::Certificates;
use super::live::Live;
use super::ops::Place;
use super::publisher::Publisher;

/// Publishes what is stored and sees that the edge serves it.
pub(super) struct Seen {
    pub(super) publisher: Publisher,
    pub(super) live: Live,
    pub(super) certificates: Arc<Certificates>,
    pub(super) place: Place,
}

impl EdgeView for Seen {
    fn publish(&self) -> Pending<'_, Publication> {
        Box::pin(async {
            let published = self.publisher.publish().await;
            let generation = self.publisher.current().generation;
            let late = match published {
                Err(why) => Some(why),
                Ok(()) if self.live.serves(generation).await => None,
                Ok(()) => Some("the edge still serves the snapshot before; see its log".into()),
            };
            Publication { generation, late }
        })
    }

    fn generation(&self) -> u64 {
        self.live.edge().map_or(0, mezu_edge::EdgeHandle::generation)
    }

    fn gates(&self, workload: WorkloadId) -> usize {
        self.live.gates(workload)
    }

    fn base_domain(&self) -> &Hostname {
        &self.place.base
    }

    fn url(&self, host: &Hostname, path: &str) -> String {
        self.place.url(host, path)
    }

    fn warning(&self, host: &Hostname) -> Option<String> {
        (!self.certificates.covers(host.as_str())).then(|| {
            format!("no certificate of this edge is for {host}, so clients will refuse it; see --tls-cert of `up`")
        })
    }
}
