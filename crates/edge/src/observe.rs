//! What is told of every request, refused ones too: counters, and a line in the access log.
//!
//! It wraps the whole path, so that nothing can be answered unseen. It only listens: no step depends on it.

use std::time::{Duration, Instant};

use mezu_model::{Context, RequestHead, RouteId, WorkloadId};

use crate::answer::Code;
use crate::metrics::Done;
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
    pub(crate) route: Option<(RouteId, WorkloadId)>,
    pub(crate) failure: Option<Code>,
}

impl Record {
    pub(crate) fn open(worker: &Worker) -> Self {
        worker.metrics.request_started();
        worker.in_flight.set(worker.in_flight.get() + 1);
        Self {
            started: Instant::now(),
            status: 0,
            bytes_in: 0,
            bytes_out: 0,
            workload_took: None,
            route: None,
            failure: None,
        }
    }

    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// The request is over.
    pub(crate) fn close(self, worker: &Worker, context: &Context, _head: &RequestHead) {
        worker.in_flight.set(worker.in_flight.get().saturating_sub(1));
        if let Some(code) = self.failure {
            worker.metrics.failed(code);
        }
        worker.metrics.request_done(&Done {
            protocol: context.protocol,
            status: self.status,
            duration: self.started.elapsed(),
            workload: self.workload_took,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
        });
    }
}
