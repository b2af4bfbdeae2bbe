//! What is told of every request, refused ones too: counters, and a line in the access log.
//!
//! It wraps the whole path, so that nothing can be answered unseen: it tells when it is dropped, which also happens
//! when the client goes away in the middle. It only listens: no step depends on it.

use std::rc::Rc;
use std::time::{Duration, Instant};

use mezu_model::{Context, GateId, OrgId, RequestHead, known};
use mezu_policy::Beside;

use crate::access_log::{Owner, Row};
use crate::answer::{Code, EdgeError};
use crate::metrics::Done;
use crate::orgs::OrgPlace;
use crate::recent::{Entry, StageSet};
use crate::worker::Worker;

/// What has become known of a request so far.
pub(crate) struct Record {
    started: Instant,
    /// Of the answer as it went out; 0 while there is none.
    pub(crate) status: u16,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    /// From the request's last hop into a tunnel to the first byte of the answer.
    pub(crate) workload_took: Option<Duration>,
    pub(crate) owner: Option<Owner>,
    /// The last gate that got it, if it was one of this worker's.
    pub(crate) gate: Option<GateId>,
    pub(crate) failure: Option<Code>,
    /// Of the snapshot that it is served from.
    pub(crate) generation: u64,
    /// Those of its route, and the one that answered.
    pub(crate) stages: StageSet,
    pub(crate) stage: Option<&'static str>,
    /// The place of its org that it has.
    place: Option<OrgPlace>,
}

impl Record {
    /// Takes one of the places of the request's org. The end of the request gives it back.
    pub(crate) fn take_place(&mut self, worker: &Worker) -> Result<(), EdgeError> {
        if let Some(owner) = &self.owner {
            self.place = Some(worker.orgs.take(owner.org)?);
        }
        Ok(())
    }

    /// From here on the request rests most of the time, and counts apart from those that do not.
    pub(crate) fn rest(&mut self, worker: &Worker) {
        if let (Some(owner), Some(place)) = (&self.owner, &mut self.place) {
            worker.orgs.rest(owner.org, place, worker.free());
        }
    }

    fn give_place_back(&mut self, worker: &Worker) {
        if let (Some(owner), Some(place)) = (&self.owner, self.place.take()) {
            worker.orgs.give_back(owner.org, place);
        }
    }

    pub(crate) fn started(&self) -> Instant {
        self.started
    }
}

/// A request under observation.
pub(crate) struct Watch<'w> {
    worker: &'w Worker,
    pub(crate) context: Context,
    pub(crate) head: &'w mut RequestHead,
    pub(crate) record: Record,
    /// What the stages left beside the request.
    pub(crate) beside: Beside,
    finished: bool,
}

impl<'w> Watch<'w> {
    pub(crate) fn open(worker: &'w Worker, context: Context, head: &'w mut RequestHead) -> Self {
        worker.metrics.request_started();
        worker.in_flight.set(worker.in_flight.get() + 1);
        let record = Record {
            started: Instant::now(),
            status: 0,
            bytes_in: 0,
            bytes_out: 0,
            workload_took: None,
            owner: None,
            gate: None,
            failure: None,
            generation: 0,
            stages: StageSet::default(),
            stage: None,
            place: None,
        };
        Self { worker, context, head, record, beside: Beside::default(), finished: false }
    }

    /// The request was dealt with to its end, good or bad.
    pub(crate) fn finish(mut self) {
        self.finished = true;
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let Self { worker, context, head, record, beside, finished } = self;
        // What is told of is what the client asked for.
        if let Some(asked) = beside.take_asked_path() {
            head.path = asked;
        }
        worker.in_flight.set(worker.in_flight.get().saturating_sub(1));
        record.give_place_back(worker);
        if !*finished {
            record.failure.get_or_insert(Code::ClientGone);
        }
        if let Some(code) = record.failure {
            worker.metrics.failed(code);
        }
        let ended = Instant::now();
        let duration = ended.saturating_duration_since(record.started);
        worker.metrics.request_done(&Done {
            protocol: context.protocol,
            status: record.status,
            duration,
            workload: record.workload_took,
            bytes_in: record.bytes_in,
            bytes_out: record.bytes_out,
        });
        worker.recent.record(Entry {
            ray: context.ray,
            ended,
            generation: record.generation,
            org: record.owner.map(|owner| owner.org).or_else(|| unrouted(worker, record, head)),
            owner: record.owner,
            stages: record.stages,
            stage: record.stage,
            gate: record.gate,
            status: record.status,
            code: record.failure,
            duration,
            workload_took: record.workload_took,
        });
        let unread = head.path.is_empty();
        worker.journal.record(&Row {
            ray: context.ray,
            owner: record.owner,
            gate: record.gate,
            client: context.client,
            method: if unread { "" } else { head.method.as_str() },
            host: &head.host,
            path: &head.path,
            protocol: context.protocol,
            status: record.status,
            bytes_in: record.bytes_in,
            bytes_out: record.bytes_out,
            duration,
            workload: record.workload_took,
            code: record.failure,
            would_refuse: beside.would_refuse(),
            user_agent: head.headers.find(known::USER_AGENT),
        });
    }
}

/// The org that a request was for which none of its routes took.
fn unrouted(worker: &Worker, record: &Record, head: &RequestHead) -> Option<OrgId> {
    if record.failure != Some(Code::NoRoute) { None } else { worker.table().org_of(&head.host) }
}

/// How often the round trips of this worker's tunnels are looked at.
const SAMPLE: Duration = Duration::from_secs(15);

/// Samples what only shows from time to time; never returns.
pub(crate) async fn sample(worker: Rc<Worker>) {
    loop {
        tokio::time::sleep(SAMPLE).await;
        for gate in worker.gates.all() {
            if let Some(rtt) = gate.session.rtt() {
                worker.metrics.tunnel_rtt(rtt);
            }
        }
    }
}
