//! How one attempt to get an answer ends without one, and what that allows.

use mezu_policy::Answer;

use crate::answer::EdgeError;
use crate::http::ClientGone;
use crate::metrics::Resend;

/// Why an attempt gave no complete answer.
#[derive(Debug)]
pub(super) enum Failure {
    /// The client left or broke its own request. Nothing more can be told to it (or only that it erred).
    Client(ClientGone),
    /// A stage refused the body while it streamed.
    Refused(Answer),
    /// The workload has certainly not seen the request. The error is for when nobody else can take it.
    Unseen(EdgeError),
    /// The gate is gone, and the workload may have seen the request.
    Lost,
    /// The gate gives no sign of life; it may still have the request.
    Silent,
    /// The answer cannot be had or not be used, and asking again would not help.
    Final(EdgeError),
}

impl Failure {
    /// What the client is told when this is the end of it.
    pub(super) fn into_error(self) -> EdgeError {
        match self {
            Self::Client(gone) => EdgeError::Client(gone),
            Self::Refused(answer) => EdgeError::Policy(answer),
            Self::Lost | Self::Silent => EdgeError::GateLost { sent: true },
            Self::Unseen(error) | Self::Final(error) => error,
        }
    }
}

impl Failure {
    /// Whether the gate is still there, so that asking it again would end the same way.
    pub(super) fn is_of_a_living_gate(&self) -> bool {
        !matches!(self, Self::Lost | Self::Unseen(EdgeError::GateLost { .. }))
    }

    /// How a second attempt after this is counted.
    pub(super) fn resend(&self) -> Resend {
        match self {
            Self::Unseen(EdgeError::WorkloadUnreachable) => Resend::Unreachable,
            Self::Unseen(EdgeError::GateTimeout) => Resend::ParkExpired,
            Self::Unseen(EdgeError::GateRefused) => Resend::Refused,
            Self::Silent => Resend::Silent,
            _ => Resend::GateLost,
        }
    }
}

impl From<ClientGone> for Failure {
    fn from(gone: ClientGone) -> Self {
        match gone {
            // Found while writing to the client, but it is the workload that lied about its length.
            ClientGone::Overrun => Self::Final(EdgeError::WorkloadBadResponse),
            other => Self::Client(other),
        }
    }
}
