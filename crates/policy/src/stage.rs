//! What a stage is, what it sees and how it answers.

use std::fmt;

use mezu_model::{Context, RequestHead, ResponseHead};

use crate::template::Values;

/// One capability, compiled for one route.
///
/// An implementation must not wait, do I/O or read a clock, must not keep state of its own (live state is keyed by
/// stable ids and handed in), and must not depend on another stage having run. Both methods run on the hot path:
/// what can be done in `compile` is done there.
pub trait Stage: Send + Sync + fmt::Debug {
    /// Judges and may change the request, before anything of it has left the edge.
    fn request(&self, request: &mut Request<'_>) -> Verdict {
        let _ = request;
        Verdict::Continue
    }

    /// May change the head of the workload's final answer. The edge's own answers do not pass here.
    fn response(&self, response: &mut Response<'_>) {
        let _ = response;
    }
}

/// What a stage says about a request.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    Continue,
    Answer(Answer),
}

/// An answer given instead of the workload's. `edge/src/answer.rs` is the only place that turns it into HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The body is longer than the route takes. Bytes.
    BodyTooLarge { limit: u64 },
}

impl Answer {
    /// The stage that answered, for logs and counters.
    #[must_use]
    pub const fn stage(&self) -> &'static str {
        match self {
            Self::BodyTooLarge { .. } => "body_limit",
        }
    }
}

/// A request on its way through the pipeline.
#[derive(Debug)]
pub struct Request<'a> {
    pub head: &'a mut RequestHead,
    /// What the edge knows of the client; never taken from headers.
    pub context: &'a Context,
    /// The body's length as the client declared it; `None` when it did not.
    pub declared: Option<u64>,
    /// The most body bytes that will be let through.
    pub body_limit: u64,
    /// Where values are written out before they go into the head.
    pub(crate) scratch: Vec<u8>,
}

impl Request<'_> {
    pub(crate) fn values(&self) -> Values<'_> {
        Values { head: self.head, context: self.context }
    }
}

/// The head of a workload's answer on its way back, beside the request that it answers.
#[derive(Debug)]
pub struct Response<'a> {
    pub head: &'a mut ResponseHead,
    pub request: &'a RequestHead,
    pub context: &'a Context,
    pub(crate) scratch: Vec<u8>,
}

impl<'a> Response<'a> {
    pub(crate) fn values(&self) -> Values<'a> {
        Values { head: self.request, context: self.context }
    }
}

/// Why a spec does not compile: where in it, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {problem}")]
pub struct Invalid {
    /// A path into the pipeline's JSON, such as `headers.request.set[2].name`.
    pub at: String,
    pub problem: String,
}

impl Invalid {
    pub(crate) fn new(at: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { at: at.into(), problem: problem.into() }
    }
}
