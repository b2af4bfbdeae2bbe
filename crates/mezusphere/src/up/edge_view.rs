//! The edge, as control may see it.

mod told;

use std::sync::Arc;

use mezu_api::request::Recorded;
use mezu_control::{EdgeView, Pending, Publication, Question, Told, Untold, Wanted};
use mezu_model::{Hostname, OrgId, RayId, WorkloadId};
use mezu_snapshot::Parts;

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

    fn unwell_gates(&self, workload: WorkloadId) -> usize {
        self.live.unwell_gates(workload)
    }

    fn base_domain(&self) -> &Hostname {
        &self.place.base
    }

    fn url(&self, host: &Hostname, path: &str) -> String {
        self.place.url(host, path)
    }

    fn explain(&self, question: Question, supposing: Option<Parts>) -> Pending<'_, Result<Told, Untold>> {
        Box::pin(async {
            let edge = self.live.edge().ok_or(Untold::NoEdge)?;
            let question = told::asked(question);
            let explained = match supposing {
                None => edge.explain(&question).await,
                Some(parts) => edge.explain_supposing(&question, parts).await,
            };
            explained.map(told::told).map_err(told::untold)
        })
    }

    fn why(&self, org: OrgId, ray: RayId) -> Pending<'_, Option<Recorded>> {
        Box::pin(async move { self.live.edge()?.why(org, ray).await.map(told::recorded) })
    }

    fn recent(&self, wanted: Wanted) -> Pending<'_, Option<Vec<Recorded>>> {
        Box::pin(async move {
            let Some(edge) = self.live.edge() else { return Some(Vec::new()) };
            let Wanted { org, route, workload, statuses, before, most } = wanted;
            let wanted = mezu_edge::Wanted { org, route, workload, statuses, before, most };
            Some(edge.recent(wanted).await?.into_iter().map(told::recorded).collect())
        })
    }

    fn warning(&self, host: &Hostname) -> Option<String> {
        (!self.certificates.covers(host.as_str())).then(|| {
            format!("no certificate of this edge is for {host}, so clients will refuse it; see --tls-cert of `up`")
        })
    }
}
