//! The only map from an error to HTTP.
//!
//! Everything that can go wrong on the edge is an [`EdgeError`]. It is born where the failure is seen, with whom to
//! blame and whether repeating is safe; here it becomes a status, a numbered code and a body: a page for a person, an
//! RFC 9457 document for a program, a gRPC status for gRPC. Nothing that a client or a workload sent is echoed,
//! except the hostname, escaped.

mod codes;
mod wants;

use bytes::Bytes;
use mezu_model::{RayId, RequestHead, ResponseHead, known};
use mezu_policy::Answer as Refusal;

pub use codes::{Code, Entry};
pub use wants::Wants;

use crate::http::{BadRequest, ClientGone};
use crate::pages;

/// Who has to do something about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Blame {
    Client,
    Gate,
    Workload,
    Ours,
}

/// Whether the same request may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retry {
    /// It would fail again.
    Never,
    /// The workload may have it: only what had not been sent, or may be done twice.
    IfUnsent,
    /// Nothing reached the workload: any request may be repeated.
    Always,
}

/// Why a request got no answer from its workload, or only part of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EdgeError {
    #[error(transparent)]
    BadRequest(#[from] BadRequest),
    #[error("the host is not one of the certificate's names")]
    Misdirected,
    #[error("no route for this host")]
    UnknownHost,
    #[error("no route for this path")]
    NoRoute,
    #[error("policy: {0:?}")]
    Policy(Refusal),
    #[error(transparent)]
    Client(#[from] ClientGone),
    #[error("no gate wears the label that the host is for")]
    NoSuchLabel,
    #[error("no gate is connected for the workload")]
    NoGate,
    #[error("gates are connected, and the workload of none is well")]
    NoHealthyGate,
    #[error("the gate was lost, request sent: {sent}")]
    GateLost { sent: bool },
    #[error("the gate did not react in time")]
    GateTimeout,
    #[error("all gates and the queue are full")]
    GateBusy,
    #[error("the org has as many requests in flight as it may have")]
    OrgBusy,
    #[error("the gate refused the request")]
    GateRefused,
    #[error("the gate broke the tunnel's protocol")]
    GateProtocol,
    #[error("the workload cannot be reached")]
    WorkloadUnreachable,
    #[error("the workload did not answer in time")]
    WorkloadTimeout,
    #[error("the workload's answer is invalid")]
    WorkloadBadResponse,
    #[error("the workload broke off")]
    WorkloadReset,
    #[error("the workload stopped in mid-answer")]
    WorkloadStalled,
    #[error("the edge is overloaded: {0}")]
    Overloaded(&'static str),
    #[error("the edge is draining")]
    Draining,
    #[error("the edge has no snapshot yet")]
    Starting,
    #[error("internal: {0}")]
    Internal(&'static str),
}

impl From<Refusal> for EdgeError {
    fn from(answer: Refusal) -> Self {
        Self::Policy(answer)
    }
}

impl EdgeError {
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::BadRequest(problem) => match problem {
                BadRequest::Malformed(_) => Code::Malformed,
                BadRequest::Timeout => Code::HeadTimeout,
                BadRequest::Method => Code::MethodNotAllowed,
                BadRequest::UriTooLong => Code::UriTooLong,
                BadRequest::Expectation => Code::Expectation,
                BadRequest::WebSocketVersion => Code::WebSocketVersion,
                BadRequest::HeadersTooLarge => Code::HeadersTooLarge,
                BadRequest::Version => Code::VersionNotSupported,
            },
            Self::Misdirected => Code::Misdirected,
            Self::UnknownHost => Code::UnknownHost,
            Self::NoRoute => Code::NoRoute,
            Self::Policy(answer) => match answer {
                Refusal::BodyTooLarge { .. } => Code::BodyTooLarge,
                Refusal::OriginRefused => Code::OriginRefused,
                Refusal::AddressRefused => Code::AddressRefused,
                Refusal::RateLimited { .. } => Code::RateLimited,
                Refusal::PathRefused => Code::PathRefused,
                Refusal::RouteBusy => Code::RouteBusy,
                Refusal::Maintenance { .. } => Code::Maintenance,
            },
            Self::Client(ClientGone::Closed | ClientGone::Cancelled) => Code::ClientGone,
            Self::Client(ClientGone::TooSlow) => Code::BodyTooSlow,
            Self::Client(ClientGone::Malformed(_)) => Code::Malformed,
            Self::Client(ClientGone::Overrun) | Self::WorkloadBadResponse => Code::WorkloadBadResponse,
            Self::NoSuchLabel => Code::NoSuchLabel,
            Self::NoGate => Code::NoGate,
            Self::NoHealthyGate => Code::NoHealthyGate,
            Self::GateLost { sent: false } => Code::GateLost,
            Self::GateLost { sent: true } => Code::GateLostAfterSend,
            Self::GateTimeout => Code::GateTimeout,
            Self::GateBusy => Code::GateBusy,
            Self::OrgBusy => Code::OrgBusy,
            Self::GateRefused => Code::GateRefused,
            Self::GateProtocol => Code::GateProtocol,
            Self::WorkloadUnreachable => Code::WorkloadUnreachable,
            Self::WorkloadTimeout => Code::WorkloadTimeout,
            Self::WorkloadReset => Code::WorkloadReset,
            Self::WorkloadStalled => Code::WorkloadStalled,
            Self::Overloaded(_) => Code::Overloaded,
            Self::Draining => Code::Draining,
            Self::Starting => Code::Starting,
            Self::Internal(_) => Code::Internal,
        }
    }

    #[must_use]
    pub const fn blame(&self) -> Blame {
        self.code().entry().blame
    }

    #[must_use]
    pub const fn retry(&self) -> Retry {
        self.code().entry().retry
    }

    #[must_use]
    pub const fn status(&self) -> u16 {
        self.code().entry().status
    }

    /// The stage that refused, if one did.
    #[must_use]
    pub const fn stage(&self) -> Option<&'static str> {
        match self {
            Self::Policy(answer) => Some(answer.stage()),
            _ => None,
        }
    }

    /// Seconds after which the same request is worth sending again; 0 when that cannot be told.
    fn retry_after(&self) -> u32 {
        let told = if let Self::Policy(refusal) = self { refusal.retry_after() } else { None };
        told.unwrap_or_else(|| self.code().entry().retry_after.into())
    }

    /// The rule that was broken, where the code alone does not tell. Never input.
    const fn rule(&self) -> Option<&'static str> {
        match self {
            Self::BadRequest(BadRequest::Malformed(rule)) | Self::Client(ClientGone::Malformed(rule)) => Some(rule),
            _ => None,
        }
    }
}

/// Fills in the answer for an error and returns its body. `head` is the request's, if one could be read.
///
/// A gRPC client gets 200 with the status in the head, which is how gRPC wants it; the log has the code.
pub fn render(error: &EdgeError, head: Option<&RequestHead>, ray: RayId, answer: &mut ResponseHead) -> Bytes {
    let entry = error.code().entry();
    let failure = pages::Failure { entry, rule: error.rule(), ray, host: head.map(|head| head.host.as_str()) };
    answer.clear();
    answer.status = entry.status;
    let headers = &mut answer.headers;
    headers.push_known(known::CACHE_CONTROL, b"no-store");
    headers.push_known(known::MEZU_RAY, &ray.to_hex());
    headers.push_wire(b"mezu-code", entry.code.as_bytes());
    headers.push_known(known::X_CONTENT_TYPE_OPTIONS, b"nosniff");
    let wait = error.retry_after();
    if wait > 0 {
        headers.push_known(known::RETRY_AFTER, wait.to_string().as_bytes());
    }
    match error {
        EdgeError::BadRequest(BadRequest::Method) => {
            headers.push_known(known::ALLOW, b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS");
        }
        EdgeError::BadRequest(BadRequest::WebSocketVersion) => {
            headers.push_known(known::SEC_WEBSOCKET_VERSION, b"13");
        }
        _ => {}
    }
    match head.map_or_else(|| unread(error), |head| Wants::of(&head.headers)) {
        Wants::Page => pages::page(&failure, headers),
        Wants::Problem => pages::problem(&failure, headers),
        Wants::Grpc => {
            answer.status = 200;
            pages::grpc(&failure, headers);
            Bytes::new()
        }
    }
}

/// Fills in an answer that a route is configured to give, and returns its body.
pub fn reply(reply: mezu_policy::Reply, ray: RayId, answer: &mut ResponseHead) -> Bytes {
    answer.clear();
    answer.status = reply.status;
    answer.headers = reply.headers;
    answer.headers.push_known(known::MEZU_RAY, &ray.to_hex());
    reply.body
}

/// Who cannot be asked: the two errors that people run into with browsers get a page.
const fn unread(error: &EdgeError) -> Wants {
    match error.code() {
        Code::HeadersTooLarge | Code::UriTooLong => Wants::Page,
        _ => Wants::Problem,
    }
}

impl Blame {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Gate => "gate",
            Self::Workload => "workload",
            Self::Ours => "edge",
        }
    }
}

impl Retry {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::IfUnsent => "if-unsent",
            Self::Always => "always",
        }
    }
}

#[cfg(test)]
mod tests;
