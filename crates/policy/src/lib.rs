//! What the edge can do to a request: the capabilities, the order they run in, and the proof that they ran.
//!
//! A capability is one module: what it is for, its `Spec` (at once API body, stored JSON and snapshot content), a
//! `compile` that turns the spec into a [`Stage`], and tables of tests. It is switched on by being present in a
//! route's [`PipelineSpec`]; a route pays only for the stages it has. `docs/add-a-capability.md` is the checklist.
//!
//! ```text
//! PipelineSpec ──compile──► Pipeline ──permit(subject)──► Permitted ──► forward
//!                                            └──► Stop ──► edge/src/own_answer.rs
//! ```
//!
//! `forward` takes a [`Permitted`] and only [`Pipeline::permit`] can make one: a request that met no policy cannot be
//! forwarded. This crate must never wait, do I/O, read a clock or judge by a query string (a redirect passes it on
//! unread); and it must never answer with a `bool`, because a refusal has a reason.

pub mod body_limit;
#[cfg(test)]
mod case;
pub mod compress;
pub mod concurrency;
mod cookie;
pub mod cors;
pub mod headers;
pub mod ip_access;
pub mod live;
pub mod mirror;
mod pipeline;
mod prefix;
pub mod rate_limit;
pub mod redirect;
pub mod respond;
pub mod rewrite;
pub mod split;
mod stage;
mod template;

pub use body_limit::BodyMeter;
pub use compress::Coding;
pub use live::{Live, RouteLive};
pub use mirror::Copying;
pub use pipeline::{Explanation, Permitted, Pipeline, Step, Stop, Subject};
pub use stage::{Answer, AnswerBody, Beside, Invalid, Reply, Request, Response, Stage, Verdict};

pipeline::capabilities! {
    // The one list. Requests pass the stages in this order, responses in the reverse.
    ORDER =
        // First, and so the last to see an answer: it judges what will go out, and what the client sent that others change.
        compress,
        // Before all that may refuse: a preflight carries nothing to judge it by, and a page must be able to read every refusal.
        cors,
        // Before all that costs anything or says anything about the site.
        ip_access,
        // Before what only matters to a workload: a request that leads elsewhere never gets to one.
        redirect,
        // The last one that answers for a workload without asking whether the request is one that it would take.
        respond,
        // Cheap, and later stages may want to read the body.
        body_limit,
        // Behind all that refuses for free, so that such a request uses nothing up.
        rate_limit,
        // Behind the rate limit: a place is only for requests that go to a workload.
        concurrency,
        // Behind all that judges what the client sent; those before it know the path that was asked for.
        rewrite,
        // Behind all that may refuse: nobody is assigned a workload who gets to none.
        split,
        // Behind all that may refuse: what gets to no workload is not copied to another.
        mirror,
        // Last: it writes what the workload sees, after everything else has judged what the client sent.
        headers,
}
