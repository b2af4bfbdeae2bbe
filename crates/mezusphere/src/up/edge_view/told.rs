//! What the edge tells of requests, in the API's words.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mezu_api::Time;
use mezu_api::request::{
    Candidate, Capture, Forwarded, Gate, Outcome, Recorded, Refusal, Replied, Tried, Unmatched, Verdict,
};
use mezu_control::{Question, Told, Untold};
use mezu_edge::{Decision, Explanation, GateLoad, StageVerdict, Unasked};

/// The question as the edge takes it.
pub(super) fn asked(question: Question) -> mezu_edge::Question {
    let Question { method, url, headers, client, body } = question;
    // No port of a client means anything to a route.
    mezu_edge::Question { method, url, headers, client: (client, 0).into(), body }
}

pub(super) fn untold(problem: Unasked) -> Untold {
    let why = problem.to_string();
    match problem {
        Unasked::Method => Untold::NoRequest { pointer: "/method", why },
        Unasked::Url => Untold::NoRequest { pointer: "/url", why },
        Unasked::Unreadable(_) => Untold::NoRequest { pointer: "", why },
        Unasked::Uncompilable(_) => Untold::NotServable(why),
    }
}

pub(super) fn told(explanation: Explanation) -> Told {
    let Explanation { generation, method, host, path, org, candidates, others, route, stages, outcome } = explanation;
    let tried = Tried {
        generation,
        draft: None,
        method,
        host,
        path,
        host_known: org.is_some(),
        candidates: candidates.into_iter().map(candidate).collect(),
        others: count(others),
        route,
        stages: stages.into_iter().map(verdict).collect(),
        outcome: end(outcome),
    };
    Told { org, tried }
}

pub(super) fn recorded(decision: Decision) -> Recorded {
    let stages = decision.stages.into_iter();
    Recorded {
        ray: decision.ray,
        at: before(decision.ago),
        generation: decision.generation,
        route: decision.route,
        place: None,
        workload_id: decision.workload,
        workload: None,
        stages: stages.map(|one| Verdict { stage: one.stage.into(), passed: one.passed, note: None }).collect(),
        gate: decision.gate,
        status: decision.status,
        code: decision.code.map(str::to_string),
        title: decision.title.map(str::to_string),
        duration_us: decision.duration_us,
        workload_us: decision.workload_us,
    }
}

fn candidate(one: mezu_edge::Candidate) -> Candidate {
    let mezu_edge::Candidate { route, workload, path, rank, captures, unmatched } = one;
    let captures = captures.into_iter().map(|(name, value)| Capture { name, value }).collect();
    let unmatched = unmatched.map(|why| match why {
        mezu_edge::Unmatched::Off => Unmatched::Off,
        mezu_edge::Unmatched::Path => Unmatched::Path,
        mezu_edge::Unmatched::Method => Unmatched::Method,
        mezu_edge::Unmatched::Header { name } => Unmatched::Header { name },
        mezu_edge::Unmatched::Later => Unmatched::Later,
    });
    Candidate { route, path, rank, workload_id: workload, workload: None, captures, unmatched, shadowed_by: None }
}

fn verdict(one: StageVerdict) -> Verdict {
    Verdict { stage: one.stage.into(), passed: one.passed, note: one.note }
}

fn end(outcome: mezu_edge::Outcome) -> Outcome {
    match outcome {
        mezu_edge::Outcome::Forwarded { workload, label, gates } => {
            let gates = gates.into_iter().map(gate).collect();
            Outcome::Forwarded(Forwarded { workload_id: workload, workload: None, label, gates })
        }
        mezu_edge::Outcome::Replied { stage, status } => Outcome::Replied(Replied { stage: stage.into(), status }),
        mezu_edge::Outcome::Refused { stage, code, status, title } => {
            let (code, title) = (code.to_string(), title.to_string());
            Outcome::Refused(Refusal { stage: stage.map(str::to_string), code, status, title })
        }
    }
}

fn gate(load: GateLoad) -> Gate {
    let GateLoad { gate, worker, in_flight, is_free } = load;
    Gate { gate, worker: count(worker), in_flight: count(in_flight), is_free }
}

/// The time so long ago.
fn before(ago: Duration) -> Time {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(i64::try_from(now.saturating_sub(ago).as_micros()).unwrap_or(i64::MAX))
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
