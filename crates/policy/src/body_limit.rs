//! Refuses request bodies longer than the route takes.
//!
//! A declared length is judged before anything is forwarded; a body of unknown length is counted while it streams,
//! and the workload's stream is reset, never ended cleanly, when it grows too long. Routes without this capability
//! take bodies of any size. Upgraded connections have no body and are not limited.

use mezu_model::Limits;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{Answer, Invalid, Request, Stage, Verdict};

/// The limit of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The longest request body that is let through, in bytes. 0 lets none through.
    pub bytes: u64,
}

/// The JSON schema of [`Spec`].
#[must_use]
pub fn schema() -> serde_json::Value {
    json!({
        "title": "Body limit",
        "description": "Refuses request bodies longer than this.",
        "type": "object",
        "additionalProperties": false,
        "required": ["bytes"],
        "properties": {
            "bytes": {
                "title": "Longest body",
                "description": "Bytes. 0 lets no body through.",
                "type": "integer",
                "minimum": 0,
                "maximum": Limits::default().body_bytes_max,
                "default": Limits::default().body_bytes
            }
        }
    })
}

#[derive(Debug)]
pub(crate) struct BodyLimit {
    bytes: u64,
}

pub(crate) fn compile(spec: &Spec) -> Result<BodyLimit, Invalid> {
    let max = Limits::default().body_bytes_max;
    if spec.bytes > max {
        return Err(Invalid::new("body_limit.bytes", format!("at most {max} bytes")));
    }
    Ok(BodyLimit { bytes: spec.bytes })
}

impl Stage for BodyLimit {
    fn name(&self) -> &'static str {
        "body_limit"
    }

    fn request(&self, request: &mut Request<'_>) -> Verdict {
        request.body_limit = self.bytes;
        request.tell(|_| format!("{} bytes are let through", self.bytes));
        match BodyMeter::new(self.bytes).declare(request.declared) {
            Ok(()) => Verdict::Continue,
            Err(answer) => Verdict::Answer(answer),
        }
    }
}

/// How many more bytes of a body may pass.
#[derive(Debug, Clone, Copy)]
pub struct BodyMeter {
    left: u64,
    limit: u64,
}

impl BodyMeter {
    pub(crate) const fn new(limit: u64) -> Self {
        Self { left: limit, limit }
    }

    /// Checks a declared length without counting it.
    #[inline]
    pub(crate) const fn declare(&self, declared: Option<u64>) -> Result<(), Answer> {
        match declared {
            Some(bytes) if bytes > self.limit => Err(Answer::BodyTooLarge { limit: self.limit }),
            _ => Ok(()),
        }
    }

    /// Counts a piece of the body. Not to be asked about bytes after an upgrade.
    ///
    /// # Errors
    /// [`Answer::BodyTooLarge`], now and for every later piece: the piece must not be forwarded.
    #[inline]
    pub fn take(&mut self, bytes: usize) -> Result<(), Answer> {
        match self.left.checked_sub(bytes as u64) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => {
                self.left = 0;
                Err(Answer::BodyTooLarge { limit: self.limit })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::case::Case;
    use crate::{Pipeline, PipelineSpec, Stop};

    const MIB: u64 = 1024 * 1024;

    #[test]
    fn declared_lengths_are_judged_up_front() {
        let table = [
            // limit of the route, declared, passes
            (None, None, true),
            (None, Some(0), true),
            (None, Some(100 * MIB), true),
            (None, Some(u64::MAX), true),
            (Some(0), Some(0), true),
            (Some(0), None, true),
            (Some(0), Some(1), false),
            (Some(10), Some(10), true),
            (Some(10), Some(11), false),
            (Some(200 * MIB), Some(150 * MIB), true),
            (Some(200 * MIB), Some(u64::MAX), false),
        ];
        for (limit, declared, passes) in table {
            let pipeline = pipeline(limit);
            let mut case = Case { declared, ..Case::get("/") };
            let verdict = case.permit(&pipeline);
            assert_eq!(verdict.is_ok(), passes, "{limit:?} {declared:?}");
            if let Err(stop) = verdict {
                let answer = Answer::BodyTooLarge { limit: limit.unwrap() };
                assert_eq!(answer.stage(), "body_limit");
                assert_eq!(stop, Stop::Refused(answer));
            }
        }
    }

    #[test]
    fn undeclared_bodies_are_counted_while_they_stream() {
        let pipeline = pipeline(Some(10));
        let mut case = Case { declared: None, ..Case::get("/") };
        let mut permitted = case.permit(&pipeline).unwrap();
        let meter = permitted.body();
        assert_eq!(meter.take(4), Ok(()));
        assert_eq!(meter.take(6), Ok(()));
        assert_eq!(meter.take(0), Ok(()));
        assert_eq!(meter.take(1), Err(Answer::BodyTooLarge { limit: 10 }));
        assert_eq!(meter.take(1), Err(Answer::BodyTooLarge { limit: 10 }));
    }

    #[test]
    fn once_over_always_over() {
        let mut meter = BodyMeter::new(10);
        assert!(meter.take(usize::MAX).is_err());
        assert!(meter.take(1).is_err());
    }

    #[test]
    fn a_route_may_not_ask_for_more_than_the_hard_limit() {
        let max = Limits::default().body_bytes_max;
        assert!(compile(&Spec { bytes: max }).is_ok());
        assert_eq!(compile(&Spec { bytes: max + 1 }).unwrap_err().at, "body_limit.bytes");
    }

    fn pipeline(bytes: Option<u64>) -> Pipeline {
        let body_limit = bytes.map(|bytes| Spec { bytes });
        Pipeline::compile(&PipelineSpec { body_limit, ..PipelineSpec::default() }).unwrap()
    }
}
