//! The dry run: who would answer this request, and why. Asked of the very code that answers requests.
//!
//! Nothing is sent and nothing counted. It must never judge by code of its own: what it tells is what
//! [`Table::route`] and the stages of the route say.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mezu_model::{
    Aim, Context, GateId, GateLabel, Hostname, Method, OrgId, Protocol, RayId, RequestHead, RouteId, Scheme, WorkloadId,
};
use mezu_policy::{Beside, Stop};
use mezu_snapshot::Parts;
use serde::Serialize;

use crate::answer::EdgeError;
use crate::edge::EdgeHandle;
use crate::http::{Alpn, BadRequest, BodyLength, ConnInfo, asked};
use crate::presence::Reach;
use crate::routes::{Candidate, Request, Table};
use crate::worker::Worker;

/// A request that somebody thinks of.
#[derive(Debug, Clone)]
pub struct Question {
    pub method: String,
    /// `https://host/path?query`; the scheme may be left out.
    pub url: String,
    pub headers: Vec<(String, String)>,
    pub client: SocketAddr,
    /// Bytes of its body, if it tells.
    pub body: Option<u64>,
}

/// Who would answer it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Of the snapshot that was asked.
    pub generation: u64,
    pub method: String,
    pub host: String,
    /// In the form in which paths are matched.
    pub path: String,
    /// The org whose routes lead from the host, if any do.
    pub org: Option<OrgId>,
    /// The routes that were looked at, in match order.
    pub candidates: Vec<Candidate>,
    /// Routes of the host that are not listed, because their paths are others.
    pub others: usize,
    pub route: Option<RouteId>,
    /// What the route's stages said, up to the one that answered.
    pub stages: Vec<StageVerdict>,
    pub outcome: Outcome,
}

/// What one stage said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StageVerdict {
    pub stage: &'static str,
    pub passed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What the client would get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Outcome {
    /// One of the gates takes it.
    Forwarded {
        workload: WorkloadId,
        /// The label that these gates wear.
        #[serde(skip_serializing_if = "Option::is_none")]
        label: Option<GateLabel>,
        gates: Vec<GateLoad>,
    },
    /// A stage gives an answer that the route is configured to give.
    Replied { stage: &'static str, status: u16 },
    /// The edge refuses it or cannot do it.
    Refused {
        /// The stage that refused, if one did.
        stage: Option<&'static str>,
        code: &'static str,
        status: u16,
        title: &'static str,
    },
}

/// A gate that may take the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GateLoad {
    pub gate: GateId,
    /// The worker whose tunnel it is. Requests that come to another one hop to it.
    pub worker: usize,
    pub in_flight: usize,
    /// Whether it takes another request of this client now.
    pub is_free: bool,
}

/// Why a question is no request that could come.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unasked {
    #[error("the method is not one that requests have")]
    Method,
    #[error("the address is not of the form https://host/path")]
    Url,
    #[error("the request would not be read: {0}")]
    Unreadable(&'static str),
    /// Of routes that are only supposed.
    #[error("these routes cannot be served from: {0}")]
    Uncompilable(Box<str>),
}

impl From<BadRequest> for Unasked {
    fn from(problem: BadRequest) -> Self {
        match problem {
            BadRequest::Malformed(rule) => Self::Unreadable(rule),
            other => Self::Unreadable(EdgeError::BadRequest(other).code().entry().title),
        }
    }
}

/// How long a worker may take to answer. It only does not when it hangs.
const ASK: Duration = Duration::from_secs(2);

impl EdgeHandle {
    /// Says who would answer a request.
    ///
    /// # Errors
    /// [`Unasked`] when no such request can come.
    pub async fn explain(&self, question: &Question) -> Result<Explanation, Unasked> {
        let head = asked::head(question)?;
        let table = self.shared.tables.borrow().clone();
        Ok(self.explain_by(&table, question, head).await)
    }

    /// The same as if there were the routes and workloads of `parts` alone: by the code that would compile and serve
    /// them, beside what is served. Limits of rate are untouched there.
    ///
    /// # Errors
    /// [`Unasked`] when no such request can come, or the routes could not be served from.
    pub async fn explain_supposing(&self, question: &Question, parts: Parts) -> Result<Explanation, Unasked> {
        let head = asked::head(question)?;
        let base: Hostname = head.host.parse().map_err(|_| Unasked::Url)?;
        let table = self.shared.tables.borrow().clone();
        let supposed = table.supposing(base, parts);
        let supposed = supposed.map_err(|problem| Unasked::Uncompilable(problem.to_string().into()))?;
        Ok(self.explain_by(&supposed, question, head).await)
    }

    async fn explain_by(&self, table: &Table, question: &Question, mut head: RequestHead) -> Explanation {
        let mut explanation = self.judge(table, question, &mut head);
        if let Outcome::Forwarded { workload, label, .. } = &explanation.outcome {
            let aim = Aim { workload: *workload, label: label.clone() };
            let client = question.client.ip();
            let asked = aim.clone();
            let looked = self.shared.ask(ASK, move |worker: &Worker| worker.gates.loads(&asked, client, worker.index));
            let gates: Vec<GateLoad> = looked.await.into_iter().flatten().collect();
            let is_unwell = self.reach(&aim).is_some_and(|reach| reach.unwell() > 0);
            let Aim { workload, label } = aim;
            explanation.outcome = if gates.is_empty() {
                refused(if is_unwell { &EdgeError::NoHealthyGate } else { &EdgeError::NoGate })
            } else {
                Outcome::Forwarded { workload, label, gates }
            };
        }
        explanation
    }

    fn reach(&self, aim: &Aim) -> Option<Arc<Reach>> {
        let presence = &self.shared.presence;
        match &aim.label {
            Some(_) => presence.labels.reach(aim),
            None => Some(presence.reach(aim.workload)),
        }
    }

    /// Whether gates are there that take requests.
    fn is_manned(&self, aim: &Aim) -> bool {
        self.reach(aim).is_some_and(|reach| reach.gates() > 0)
    }

    /// Who takes a request that was dealt out, as [`Worker::ways`] says it.
    fn stand_in(&self, aim: Aim, instead: Option<&[Aim]>) -> Aim {
        let Some(instead) = instead.filter(|_| !self.is_manned(&aim)) else { return aim };
        let found = instead.iter().find(|other| self.is_manned(other)).cloned();
        found.unwrap_or_else(|| aim.workload.into())
    }

    fn judge(&self, table: &Table, question: &Question, head: &mut RequestHead) -> Explanation {
        let host: Box<str> = head.host.as_str().into();
        let conn =
            ConnInfo { client: question.client, local_port: self.shared.public_port, sni: Some(host), alpn: Alpn::H2 };
        let context = Context {
            ray: RayId::default(),
            client: question.client,
            scheme: Scheme::Https,
            port: self.shared.public_port,
            protocol: Protocol::H2,
        };
        let (candidates, others) = table.candidates(head);
        let mut explanation = Explanation {
            generation: table.generation,
            method: head.method.to_string(),
            host: head.host.clone(),
            path: head.path.clone(),
            org: table.org_of(&head.host),
            candidates,
            others,
            route: None,
            stages: Vec::new(),
            outcome: refused(&EdgeError::NoRoute),
        };
        let mut beside = Beside::default();
        let length = question.body.map_or(BodyLength::Unknown, BodyLength::Sized);
        let request = Request::new(&conn, &context, head, length, Instant::now(), &mut beside);
        match table.route(request, &self.shared.certs) {
            Err(error) => explanation.outcome = refused(&error),
            Ok(routed) => {
                explanation.route = Some(routed.route.id);
                if routed.required().is_some_and(|aim| !self.reach(&aim).is_some_and(|reach| reach.is_known())) {
                    explanation.outcome = refused(&EdgeError::NoSuchLabel);
                    return explanation;
                }
                let told = routed.explain();
                let verdict =
                    |step: mezu_policy::Step| StageVerdict { stage: step.stage, passed: step.passed, note: step.note };
                explanation.stages = told.steps.into_iter().map(verdict).collect();
                explanation.outcome = match told.outcome {
                    Ok(aim) => {
                        let Aim { workload, label } = self.stand_in(aim, told.instead.as_deref());
                        Outcome::Forwarded { workload, label, gates: Vec::new() }
                    }
                    Err(Stop::Replied(reply)) => Outcome::Replied { stage: reply.stage, status: reply.status },
                    Err(Stop::Refused(answer)) => refused(&EdgeError::Policy(answer)),
                };
            }
        }
        explanation
    }
}

fn refused(error: &EdgeError) -> Outcome {
    let entry = error.code().entry();
    let stage = error.stage();
    Outcome::Refused { stage, code: entry.code, status: entry.status, title: entry.title }
}

/// What the method of a question says, if it is one that the edge takes.
pub(crate) fn method(name: &str) -> Result<Method, Unasked> {
    match Method::from_bytes(name.as_bytes()) {
        None | Some(Method::Connect | Method::Trace) => Err(Unasked::Method),
        Some(method) => Ok(method),
    }
}
