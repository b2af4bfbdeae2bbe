//! What a stage is, what it sees and how it answers.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use mezu_model::{Aim, Context, GateLabel, Headers, RequestHead, ResponseHead, WorkloadId};

use crate::compress::Coding;
use crate::live::{RouteLive, Slot};
use crate::mirror::Copying;
use crate::template::Values;

/// One capability, compiled for one route.
///
/// An implementation must not wait, do I/O or read a clock, must not keep state of its own (live state is keyed by
/// stable ids and handed in), and must not depend on another stage having run. Both methods run on the hot path:
/// what can be done in `compile` is done there.
pub trait Stage: Send + Sync + fmt::Debug {
    /// The capability's name, as in [`crate::ORDER`].
    fn name(&self) -> &'static str;

    /// Whether it needs the route's live state.
    fn keeps_state(&self) -> bool {
        false
    }

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
    /// Refuses it.
    Answer(Answer),
    /// Answers it, because that is what the route is for.
    Reply(Box<Reply>),
}

/// An answer that a route is configured to give instead of its workload, such as a redirect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The stage that answered, for logs and counters.
    pub stage: &'static str,
    pub status: u16,
    /// Without a length: the edge writes it.
    pub headers: Headers,
    pub body: Bytes,
}

/// A refusal. `edge/src/answer.rs` is the only place that turns it into HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The body is longer than the route takes. Bytes.
    BodyTooLarge { limit: u64 },
    /// A page of an origin that the route does not list asks whether it may ask.
    OriginRefused,
    /// The route does not take requests from the client's address.
    AddressRefused,
    /// The client, or all clients together, have asked too much. Seconds until there is one more request to be had.
    RateLimited { retry_after: u32 },
    /// What the route makes of the path is not a path.
    PathRefused,
    /// The route has as many requests in flight as it may have.
    RouteBusy,
    /// The owner has taken the route out of service. Seconds until it is worth trying again.
    Maintenance { retry_after: u32 },
}

impl Answer {
    /// The stage that answered, for logs and counters.
    #[must_use]
    pub const fn stage(&self) -> &'static str {
        match self {
            Self::BodyTooLarge { .. } => "body_limit",
            Self::OriginRefused => "cors",
            Self::AddressRefused => "ip_access",
            Self::RateLimited { .. } => "rate_limit",
            Self::PathRefused => "rewrite",
            Self::RouteBusy => "concurrency",
            Self::Maintenance { .. } => "respond",
        }
    }

    /// When it is worth trying again, seconds, where the stage knows better than the table of errors.
    #[must_use]
    pub const fn retry_after(&self) -> Option<u32> {
        match self {
            Self::Maintenance { retry_after } | Self::RateLimited { retry_after } => Some(*retry_after),
            _ => None,
        }
    }
}

/// What the stages leave beside a request, for whoever answers it and tells of it. A word until there is something:
/// every connection has room for it.
#[derive(Debug, Default)]
pub struct Beside(Option<Box<Left>>);

#[derive(Debug, Default)]
struct Left {
    reply: Headers,
    asked_path: Option<String>,
    would_refuse: Option<&'static str>,
    copying: Option<Copying>,
}

/// Room for what the stages of a route usually write on every answer: text and fields.
const REPLY: (usize, usize) = (384, 8);

impl Beside {
    /// Fields that go on whatever answers: the workload, another stage, or the edge with an error.
    #[must_use]
    pub fn reply(&self) -> &Headers {
        static NONE: Headers = Headers::new();
        self.0.as_ref().map_or(&NONE, |left| &left.reply)
    }

    /// The same, to add to it.
    pub(crate) fn reply_mut(&mut self) -> &mut Headers {
        let reply = &mut self.left().reply;
        if reply.is_empty() {
            reply.reserve(REPLY.0, REPLY.1);
        }
        reply
    }

    /// Adds what goes on every answer to this one.
    pub fn put_on(&self, answer: &mut ResponseHead) {
        for field in self.reply().iter() {
            match field.known {
                Some(known) => answer.headers.push_known(known, field.value),
                None => answer.headers.push_wire(field.name, field.value),
            }
        }
    }

    /// The path that the client asked for, where a stage has changed it.
    #[must_use]
    pub fn asked_path(&self) -> Option<&str> {
        self.0.as_ref()?.asked_path.as_deref()
    }

    /// The same, to be put back.
    pub fn take_asked_path(&mut self) -> Option<String> {
        self.0.as_mut()?.asked_path.take()
    }

    pub(crate) fn keep_asked_path(&mut self, path: String) {
        self.left().asked_path.get_or_insert(path);
    }

    /// The stage that would have refused the request, were it not on trial itself.
    #[must_use]
    pub fn would_refuse(&self) -> Option<&'static str> {
        self.0.as_ref()?.would_refuse
    }

    pub(crate) fn note_refusal(&mut self, stage: &'static str) {
        self.left().would_refuse = Some(stage);
    }

    /// Whether the request is to be copied, and where to.
    #[must_use]
    pub fn copying(&self) -> Option<Copying> {
        self.0.as_ref()?.copying
    }

    pub(crate) fn copy(&mut self, copying: Copying) {
        self.left().copying = Some(copying);
    }

    fn left(&mut self) -> &mut Left {
        self.0.get_or_insert_default()
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
    /// When the request came. Stages know no other time.
    pub now: Instant,
    pub beside: &'a mut Beside,
    /// Where the request goes: the route's workload, unless a stage chooses another.
    pub workload: WorkloadId,
    /// Which of the workload's gates take it: those that wear this. Where the host says so already, it stays.
    pub label: Option<GateLabel>,
    /// Where it may go when no gate wears the label.
    pub(crate) instead: Option<Arc<[Aim]>>,
    /// What the answer may be encoded with, by the client's leave.
    pub(crate) coding: Option<Coding>,
    /// What is remembered of the route's earlier requests.
    pub live: &'a RouteLive,
    /// The place of this request among those in flight, once it has one.
    pub(crate) slot: Option<Slot<'a>>,
    /// What the stage at work tells of its verdict; only kept when somebody asked for it.
    pub(crate) note: Note,
    /// Where values are written out before they go into the head.
    pub(crate) scratch: Vec<u8>,
}

/// Whether a request is meant, or only asked about.
#[derive(Debug)]
pub(crate) enum Note {
    /// A real request: nobody reads notes.
    Off,
    /// A dry run, and what the stage at work has said.
    Trial(Option<String>),
}

impl Request<'_> {
    /// Where it goes.
    pub(crate) fn aim(&self) -> Aim {
        Aim { workload: self.workload, label: self.label.clone() }
    }

    pub(crate) fn values(&self) -> Values<'_> {
        Values { head: self.head, context: self.context, rest: "" }
    }

    /// Whether somebody only asks about this request: then nothing may be used up.
    pub(crate) const fn is_trial(&self) -> bool {
        matches!(self.note, Note::Trial(_))
    }

    /// Explains the verdict to whoever asked; costs a real request one comparison.
    #[inline]
    pub(crate) fn tell(&mut self, what: impl FnOnce(&Self) -> String) {
        if let Note::Trial(_) = self.note {
            self.note = Note::Trial(Some(what(self)));
        }
    }
}

/// The head of a workload's answer on its way back, beside the request that it answers.
#[derive(Debug)]
pub struct Response<'a> {
    pub head: &'a mut ResponseHead,
    /// As it went to the workload.
    pub request: &'a RequestHead,
    pub context: &'a Context,
    pub beside: &'a Beside,
    pub body: AnswerBody,
    /// What its body is to be encoded with.
    pub(crate) coding: Option<Coding>,
    pub(crate) scratch: Vec<u8>,
}

/// What is known of an answer's body before any of it goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerBody {
    /// There is none, whatever the head declares: an answer to HEAD, an upgrade.
    None,
    /// So many bytes.
    Sized(u64),
    Unknown,
}

impl<'a> Response<'a> {
    pub(crate) fn values(&self) -> Values<'a> {
        Values { head: self.request, context: self.context, rest: "" }
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
