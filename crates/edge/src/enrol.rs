//! How a gate's workloads become known: the one question the edge asks of the control side, when a tunnel opens.
//!
//! Never on the path of a request. The answer must come within [`PATIENCE`]; a gate whose enrolment fails is told why
//! and when to try again.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use mezu_model::{GateId, Hostname, KeyId, Label, OrgId, WorkloadId};

/// How long an enrolment may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// A gate with a valid key that wants to serve workloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolment {
    pub key: KeyId,
    pub org: OrgId,
    pub gate: GateId,
    /// The workloads' names, in the gate's order, each once.
    pub names: Vec<Label>,
}

/// A workload as control knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolledWorkload {
    pub name: Label,
    pub id: WorkloadId,
    /// Where it is reached.
    pub hostname: Hostname,
}

/// Why a gate may not serve what it asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnrolError {
    /// Asking again will not help. The text is for the person who runs the gate.
    #[error("{0}")]
    Refused(String),
    /// Control cannot say just now.
    #[error("enrolment is not possible at the moment")]
    Unavailable,
}

/// What an enrolment comes to: the workloads in the order of the names.
pub type Enrolled = Result<Vec<EnrolledWorkload>, EnrolError>;

/// The control side, as far as an edge knows it. Safe to repeat: a gate enrols with each of its tunnels.
pub trait Enrol: Send + Sync + 'static {
    fn enrol(&self, enrolment: Enrolment) -> Pin<Box<dyn Future<Output = Enrolled> + Send>>;
}

impl fmt::Debug for dyn Enrol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dyn Enrol")
    }
}
