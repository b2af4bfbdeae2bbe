//! Takes so many requests of a route at once and refuses the rest, so that a slow workload is not buried.
//!
//! A request is in flight from here until its answer has ended, or its WebSocket is closed. There is no queue: whoever
//! waits in one holds memory here and has given up by the time that it is his turn.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Answer, Invalid, Request, Stage, Verdict};

/// Most requests in flight that can be asked for.
const MAX: u32 = 100_000;

/// The limit of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// In flight at once on one edge.
    pub requests: u32,
}

/// The JSON schema of [`Spec`].
#[must_use]
pub fn schema() -> serde_json::Value {
    json!({
        "title": "Concurrency",
        "description": "Takes so many requests at once.",
        "type": "object",
        "additionalProperties": false,
        "required": ["requests"],
        "properties": {
            "requests": { "title": "Requests in flight", "type": "integer", "minimum": 1, "maximum": MAX }
        }
    })
}

#[derive(Debug)]
pub(crate) struct Concurrency {
    most: u32,
}

pub(crate) fn compile(spec: &Spec) -> Result<Concurrency, Invalid> {
    if !(1..=MAX).contains(&spec.requests) {
        return Err(Invalid::new("concurrency.requests", format!("1 to {MAX}")));
    }
    Ok(Concurrency { most: spec.requests })
}

impl Stage for Concurrency {
    fn name(&self) -> &'static str {
        "concurrency"
    }

    fn keeps_state(&self) -> bool {
        true
    }

    fn request(&self, request: &mut Request<'_>) -> Verdict {
        if request.is_trial() {
            let others = request.live.in_flight();
            request.tell(|_| format!("{others} in flight, {} allowed", self.most));
            return if others < self.most { Verdict::Continue } else { Verdict::Answer(Answer::RouteBusy) };
        }
        request.slot = request.live.enter(self.most);
        if request.slot.is_some() { Verdict::Continue } else { Verdict::Answer(Answer::RouteBusy) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use serde_json::json;

    use crate::case::{Case, fault, pipeline, state};
    use crate::{Answer, Stop};

    #[test]
    fn a_place_is_held_to_the_end_of_the_request() {
        let (live, pipeline) = (state(), pipeline(json!({ "concurrency": { "requests": 2 } })));
        let mut cases = [(); 3].map(|()| Case::get("/").with(&live));
        let [one, two, three] = &mut cases;
        let first = one.permit(&pipeline).unwrap();
        let _second = two.permit(&pipeline).unwrap();
        assert_eq!(three.permit(&pipeline).map(drop), Err(Stop::Refused(Answer::RouteBusy)));
        drop(first);
        assert!(three.permit(&pipeline).is_ok());
    }

    #[test]
    fn what_a_later_stage_refuses_holds_no_place() {
        // Not reached in the order of today; the place must not depend on it.
        let live = state();
        let pipeline = pipeline(json!({ "concurrency": { "requests": 1 }, "body_limit": { "bytes": 0 } }));
        for _ in 0..3 {
            let mut case = Case { declared: Some(1), ..Case::get("/") }.with(&live);
            assert!(case.permit(&pipeline).is_err());
        }
        assert!(Case::get("/").with(&live).permit(&pipeline).is_ok());
    }

    #[test]
    fn asking_about_a_request_holds_nothing() {
        let (live, pipeline) = (state(), pipeline(json!({ "concurrency": { "requests": 1 } })));
        for _ in 0..2 {
            let told = Case::get("/").with(&live).explain(&pipeline);
            assert_eq!(told.steps[0].note.as_deref(), Some("0 in flight, 1 allowed"));
        }
        assert!(Case::get("/").with(&live).permit(&pipeline).is_ok());
    }

    #[test]
    fn bounds() {
        for requests in [0, super::MAX + 1] {
            assert_eq!(fault(json!({ "concurrency": { "requests": requests } })), "concurrency.requests");
        }
    }
}
