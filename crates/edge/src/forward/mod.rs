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
mod download;
mod failure;
mod head;
mod kept;
mod open;
mod relay;
mod upload;

use std::time::Instant;

use mezu_policy::Permitted;

pub(crate) use self::budget::Budget;
use self::failure::Failure;
use self::open::Opened;
use self::relay::Relay;
use crate::answer::EdgeError;
use crate::gates::Ways;
use crate::http::Exchange;
use crate::observe::Record;
use crate::worker::Worker;

/// How often a request is sent at most.
const ATTEMPTS: u32 = 3;

/// Forwards a request and its answer. After an error the exchange may or may not have started.
pub(crate) async fn forward<X: Exchange>(
    worker: &Worker,
    permitted: Permitted<'_>,
    ways: &Ways,
    exchange: &mut X,
    record: &mut Record,
) -> Result<(), EdgeError> {
    ways.budget.count();
    let repeatable = permitted.head().method.is_idempotent() && permitted.head().upgrade.is_none();
    let since = record.started();
    let mut relay = Relay::new(worker, permitted, exchange, record);
    let mut avoid = None;
    let mut last = None;
    for attempt in 1..=ATTEMPTS {
        let Opened { stream, gate, parked, impatient } =
            match open::open(&mut relay, ways, repeatable, avoid, since).await {
                Ok(opened) => opened,
                // Nobody else is there: then what the last one said is the answer.
                Err(failure) => return Err(last.unwrap_or_else(|| failure.into_error())),
            };
        relay.record.gate = gate.or(relay.record.gate);
        let Err(failure) = relay.run(stream, parked, impatient).await else { return Ok(()) };
        let again = attempt < ATTEMPTS && relay.is_repeatable() && match failure {
            Failure::Unseen(_) => true,
            Failure::Lost | Failure::Silent => repeatable && ways.budget.spend(worker.limits(), Instant::now()),
            _ => false,
        };
        // A gate that could not reach its workload is no reason to wait: another one is asked or nobody.
        let unreachable = matches!(failure, Failure::Unseen(EdgeError::WorkloadUnreachable));
        if !again || unreachable && ways.reach.gates() < 2 {
            return Err(failure.into_error());
        }
        worker.metrics.resent(failure.resend());
        // A lost tunnel is out of the choice by itself, and its gate may be back on a new one.
        avoid = gate.filter(|_| failure.is_of_a_living_gate());
        last = Some(failure.into_error());
    }
    Err(last.unwrap_or(EdgeError::NoGate))
}
