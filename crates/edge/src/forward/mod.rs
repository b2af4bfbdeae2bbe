//! From a permitted request to an answer, by way of a gate.
//!
//! The usual case is one frame out and one frame back: open a stream, wait once, hand the answer over. Nothing is
//! allocated, spawned or flushed for it here. Everything else is the same loop, longer: bodies both ways with
//! back-pressure, interim answers, upgrades, and a second gate when the first one fails.
//!
//! When a request may be sent again:
//!
//! | what is known | which requests |
//! |---|---|
//! | the workload has not seen it (refused, or parked and not told to go) | all |
//! | the gate is lost or silent, and the client has no answer yet | those safe to repeat, within [`Budget`] |
//! | it was told to go, or the answer has begun | none |
//!
//! Must never: end a broken answer cleanly, send a request that is not safe to repeat to two workloads, or wait
//! without a deadline.

mod budget;
mod coded;
mod download;
mod failure;
mod head;
mod kept;
mod open;
mod relay;
mod upload;

use std::time::Instant;

use mezu_model::GateId;
use mezu_policy::Permitted;

pub(crate) use self::budget::Budget;
use self::failure::Failure;
use self::open::Opened;
use self::relay::Relay;
use crate::answer::EdgeError;
use crate::gates::Ways;
use crate::hop::{Avoid, GateStream};
use crate::http::Exchange;
use crate::observe::Record;
use crate::worker::Worker;

/// How often a request is sent at most, if the workload may have seen it.
const ATTEMPTS: u32 = 3;
/// The same for one that it has certainly not seen.
const ATTEMPTS_UNSEEN: u32 = 6;

/// Forwards a request and its answer. After an error the exchange may or may not have started.
pub(crate) async fn forward<X: Exchange>(
    worker: &Worker,
    permitted: Permitted<'_>,
    ways: &Ways,
    exchange: &mut X,
    record: &mut Record,
) -> Result<(), EdgeError> {
    ways.budget.count();
    // Of an upgrade nothing but the request itself is sent before it is agreed to.
    let repeatable = permitted.head().method.is_idempotent();
    let mut relay = Relay::new(worker, permitted, exchange, record);
    let mut tried = Tried::default();
    let mut last = None;
    for attempt in 1.. {
        let opened = match open::open(&mut relay, ways, repeatable, &mut tried).await {
            Ok(opened) => opened,
            // Nobody else is there. If the last one said more than that it did not want it, that is the answer.
            Err(failure) => return Err(last.filter(is_telling).unwrap_or_else(|| failure.into_error())),
        };
        let Opened { mut stream, parked, impatient } = opened;
        let result = relay.run(&mut stream, parked, impatient).await;
        let hop = Hopped::of(&stream);
        drop(stream);
        relay.record.gate = relay.record.gate.or(hop.gate);
        let Err(failure) = result else { return Ok(()) };
        if !relay.is_repeatable() || !may_resend(worker, ways, &failure, attempt, repeatable) {
            return Err(failure.into_error());
        }
        worker.metrics.resent(failure.resend());
        tried.note(relay.record.gate, hop.worker, &failure);
        last = Some(failure.into_error());
    }
    Err(EdgeError::NoGate)
}

/// Whom not to ask at the next attempt.
#[derive(Default)]
struct Tried {
    avoid: Avoid,
    /// Until when it may wait for a gate; set by the first wait.
    patience: Option<Instant>,
}

impl Tried {
    fn note(&mut self, gate: Option<GateId>, worker: Option<usize>, failure: &Failure) {
        match (gate, worker) {
            // A lost tunnel is out of the choice by itself, and its gate may be back on a new one.
            (Some(gate), _) => self.avoid.gate = failure.is_of_a_living_gate().then_some(gate),
            // That worker had none, or none but the one to avoid.
            (None, Some(worker)) => self.avoid.workers.add(worker),
            (None, None) => {}
        }
    }
}

/// What is known of an attempt that went to another worker.
#[derive(Default)]
struct Hopped {
    worker: Option<usize>,
    gate: Option<GateId>,
}

impl Hopped {
    fn of(stream: &GateStream) -> Self {
        match stream {
            GateStream::Local(..) => Self::default(),
            GateStream::Hop(hop) => Self { worker: Some(hop.worker), gate: hop.told.gate.get().copied() },
        }
    }
}

fn may_resend(worker: &Worker, ways: &Ways, failure: &Failure, attempt: u32, repeatable: bool) -> bool {
    match failure {
        // A gate that cannot reach its workload is no reason to wait: another one is asked, or nobody.
        Failure::Unseen(EdgeError::WorkloadUnreachable) if ways.reach.gates() < 2 => false,
        Failure::Unseen(_) => attempt < ATTEMPTS_UNSEEN,
        Failure::Lost | Failure::Silent => {
            attempt < ATTEMPTS && repeatable && ways.budget.spend(worker.limits(), Instant::now())
        }
        _ => false,
    }
}

/// Whether an error tells the client more than that no gate is there.
fn is_telling(error: &EdgeError) -> bool {
    !matches!(error, EdgeError::GateRefused | EdgeError::GateLost { sent: false })
}
