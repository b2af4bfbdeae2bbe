//! From a route's spec to its stages, and from a request to a [`Permitted`].

use std::sync::Arc;
use std::time::Instant;

use mezu_model::{Aim, Context, GateLabel, RequestHead, ResponseHead, WorkloadId};

use crate::compress::Coding;
use crate::live::{RouteLive, Slot};
use crate::mirror::Copying;
use crate::stage::Note;
use crate::{Answer, AnswerBody, Beside, BodyMeter, Reply, Request, Response, Stage, Verdict};

/// The stages that one route has switched on, in order. Clones share them: a stage keeps nothing of its own.
#[derive(Clone, Debug)]
pub struct Pipeline {
    stages: Arc<[Box<dyn Stage>]>,
}

/// What a route without a `body_limit` stage lets through, bytes: anything (`docs/adr/0006`).
const NO_BODY_LIMIT: u64 = u64::MAX;

/// A request to be judged, and what it is judged by.
#[derive(Debug)]
pub struct Subject<'a> {
    pub head: &'a mut RequestHead,
    pub context: &'a Context,
    /// The length of its body if the client told it, 0 for none.
    pub declared: Option<u64>,
    /// When it came.
    pub now: Instant,
    /// The route's.
    pub workload: WorkloadId,
    /// What the gates wear that its host is for. Then no stage chooses others.
    pub label: Option<GateLabel>,
    /// The route's.
    pub live: &'a RouteLive,
    pub beside: &'a mut Beside,
}

/// Why a request does not go to a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    Refused(Answer),
    Replied(Box<Reply>),
}

impl Pipeline {
    pub(crate) fn new(stages: Vec<Box<dyn Stage>>) -> Self {
        Self { stages: stages.into() }
    }

    /// Judges a request; tells where it goes to.
    ///
    /// # Errors
    /// The answer of the stage that did not let it pass.
    #[inline]
    pub fn permit<'a>(&'a self, subject: Subject<'a>) -> Result<(Aim, Permitted<'a>), Stop> {
        if self.stages.is_empty() {
            let Subject { head, context, declared, workload, label, beside, .. } = subject;
            let body = BodyMeter::new(NO_BODY_LIMIT);
            body.declare(declared).map_err(Stop::Refused)?;
            let permitted =
                Permitted { pipeline: self, head, context, body, beside, instead: None, coding: None, _slot: None };
            return Ok((Aim { workload, label }, permitted));
        }
        let mut request = Request::new(subject, Note::Off);
        for stage in self.stages.iter() {
            match stage.request(&mut request) {
                Verdict::Continue => {}
                Verdict::Answer(answer) => return Err(Stop::Refused(answer)),
                Verdict::Reply(reply) => return Err(Stop::Replied(reply)),
            }
        }
        let Request { head, context, declared, body_limit, workload, label, instead, coding, beside, slot, .. } =
            request;
        let body = BodyMeter::new(body_limit);
        body.declare(declared).map_err(Stop::Refused)?;
        let permitted = Permitted { pipeline: self, head, context, body, beside, instead, coding, _slot: slot };
        Ok((Aim { workload, label }, permitted))
    }

    /// The names of its stages, in their order.
    pub fn stages(&self) -> impl Iterator<Item = &'static str> {
        self.stages.iter().map(|stage| stage.name())
    }

    /// Whether a stage needs the route's live state.
    pub(crate) fn keeps_state(&self) -> bool {
        self.stages.iter().any(|stage| stage.keeps_state())
    }

    /// Judges a request that nobody has sent: the same stages, asked what they would say. Nothing is counted.
    pub fn explain(&self, subject: Subject<'_>) -> Explanation {
        let mut request = Request::new(subject, Note::Trial(None));
        let mut steps = Vec::with_capacity(self.stages.len());
        for stage in self.stages.iter() {
            let verdict = stage.request(&mut request);
            let Note::Trial(note) = std::mem::replace(&mut request.note, Note::Trial(None)) else { break };
            steps.push(Step { stage: stage.name(), passed: verdict == Verdict::Continue, note });
            match verdict {
                Verdict::Continue => {}
                Verdict::Answer(answer) => {
                    return Explanation { steps, outcome: Err(Stop::Refused(answer)), instead: None };
                }
                Verdict::Reply(reply) => {
                    return Explanation { steps, outcome: Err(Stop::Replied(reply)), instead: None };
                }
            }
        }
        Explanation { steps, outcome: Ok(request.aim()), instead: request.instead }
    }
}

impl<'a> Request<'a> {
    fn new(subject: Subject<'a>, note: Note) -> Self {
        let Subject { head, context, declared, now, workload, label, live, beside } = subject;
        Self {
            head,
            context,
            declared,
            body_limit: NO_BODY_LIMIT,
            now,
            beside,
            workload,
            label,
            instead: None,
            coding: None,
            live,
            slot: None,
            note,
            scratch: Vec::new(),
        }
    }
}

/// What every stage said about a request, up to the one that answered it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    pub steps: Vec<Step>,
    /// Where the request would go to, or what answers it instead.
    pub outcome: Result<Aim, Stop>,
    /// As [`Permitted::instead`].
    pub instead: Option<Arc<[Aim]>>,
}

/// What one stage said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The capability's name, as in [`crate::ORDER`].
    pub stage: &'static str,
    /// Whether the request went on to the next stage.
    pub passed: bool,
    /// Why, where the stage has more to say than that.
    pub note: Option<String>,
}

impl Default for Pipeline {
    /// No stage at all.
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

/// A request that has passed its route's policy. Nothing else can be forwarded.
///
/// ```compile_fail
/// let forged = mezu_policy::Permitted { ..unreachable!() };
/// ```
#[derive(Debug)]
pub struct Permitted<'a> {
    pipeline: &'a Pipeline,
    head: &'a RequestHead,
    context: &'a Context,
    body: BodyMeter,
    beside: &'a Beside,
    instead: Option<Arc<[Aim]>>,
    coding: Option<Coding>,
    /// Given back at the request's end.
    _slot: Option<Slot<'a>>,
}

impl<'a> Permitted<'a> {
    /// The head as it goes to the workload.
    #[must_use]
    pub const fn head(&self) -> &'a RequestHead {
        self.head
    }

    #[must_use]
    pub const fn context(&self) -> &'a Context {
        self.context
    }

    /// Whether it is to be copied, and where to.
    #[must_use]
    pub fn copying(&self) -> Option<Copying> {
        self.beside.copying()
    }

    /// Where it may go when nobody is where it is to go, the first that has a gate.
    #[must_use]
    pub fn instead(&self) -> Option<&[Aim]> {
        self.instead.as_deref()
    }

    /// Counts the request's body while it streams; what it refuses must not be sent on.
    pub const fn body(&mut self) -> &mut BodyMeter {
        &mut self.body
    }

    /// Takes the final head of the workload's answer back through the stages. Tells what its body is to be encoded with;
    /// whoever does so makes the head say it ([`Coding::put_on`]).
    #[inline]
    pub fn respond(&self, head: &mut ResponseHead, body: AnswerBody) -> Option<Coding> {
        if self.pipeline.stages.is_empty() {
            return None;
        }
        let Self { head: request, context, beside, coding, .. } = *self;
        let mut response = Response { head, request, context, beside, body, coding, scratch: Vec::new() };
        for stage in self.pipeline.stages.iter().rev() {
            stage.response(&mut response);
        }
        let coding = response.coding;
        self.beside.put_on(head);
        coding
    }
}

/// Makes everything that follows from the list of capabilities: the spec of a pipeline, its schema and its compiler.
macro_rules! capabilities {
    (ORDER = $($name:ident),+ $(,)?) => {
        /// The names of all capabilities, in the order in which requests pass them.
        pub const ORDER: &[&str] = &[$(stringify!($name)),+];

        /// What a route has switched on. An absent capability is off.
        #[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct PipelineSpec {
            $(
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $name: Option<$name::Spec>,
            )+
        }

        impl PipelineSpec {
            /// The workloads that its stages name: each must be one of the route's organisation.
            pub fn workloads(&self) -> impl Iterator<Item = mezu_model::WorkloadId> {
                let dealt = self.split.iter().flat_map(|split| &split.to).map(|target| target.workload);
                dealt.chain(self.mirror.iter().map(|mirror| mirror.workload))
            }
        }

        /// The JSON schema (draft 2020-12) of a [`PipelineSpec`].
        #[must_use]
        pub fn schema() -> serde_json::Value {
            serde_json::json!({
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "title": "Pipeline",
                "type": "object",
                "additionalProperties": false,
                "properties": { $(stringify!($name): $name::schema()),+ }
            })
        }

        impl Pipeline {
            /// Turns a spec into stages, in [`ORDER`].
            ///
            /// # Errors
            /// [`Invalid`] when a capability refuses its spec.
            pub fn compile(spec: &PipelineSpec) -> Result<Self, Invalid> {
                cors::check_alone(spec)?;
                let mut stages: Vec<Box<dyn Stage>> = Vec::new();
                $(
                    if let Some(spec) = &spec.$name {
                        stages.push(Box::new($name::compile(spec)?));
                    }
                )+
                Ok(Self::new(stages))
            }
        }
    };
}
pub(crate) use capabilities;

#[cfg(test)]
mod tests;
