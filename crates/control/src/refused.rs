//! The one place where a failure becomes a problem.

use std::time::Duration;

use mezu_api::{Code, Problem};
use mezu_store::StoreError;

/// Why something was not done, as the asker is told it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .problem.detail)]
pub struct Refused {
    /// What the asker is told.
    pub problem: Box<Problem>,
    /// What it was about, for the audit log, where that is not the path.
    pub about: Option<Box<str>>,
}

impl Refused {
    /// A refusal of a kind. `detail` says what is wrong and what to do.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { problem: Box::new(Problem::new(code, detail)), about: None }
    }

    /// A value in the body that may not stand there; the pointer is a JSON pointer.
    #[must_use]
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { problem: Box::new(Problem::new(Code::Invalid, detail).at(pointer)), about: None }
    }

    /// There is no such thing, for this asker.
    #[must_use]
    pub fn not_found(what: &str) -> Self {
        Self::new(Code::NotFound, format!("there is no such {what}"))
    }

    /// Too many attempts.
    pub(crate) fn wait(wait: Duration) -> Self {
        let seconds = wait.as_secs().max(1);
        let mut refused = Self::new(Code::TooManyAttempts, format!("too many attempts; try again in {seconds} s"));
        refused.problem.retry_after = Some(seconds);
        refused
    }

    /// The same, naming in the audit log what it was about.
    #[must_use]
    pub(crate) fn about(self, what: impl std::fmt::Display) -> Self {
        Self { about: Some(what.to_string().into()), ..self }
    }

    /// Whether it is of that kind.
    #[must_use]
    pub fn is(&self, code: Code) -> bool {
        self.problem.code == code.as_str()
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        let code = code(&error);
        if matches!(code, Code::Internal | Code::StoreUnavailable) {
            tracing::error!(error = %mezu_runtime::Chain(&error), "the store failed");
        }
        // What the database says of itself is for the log, not for the asker.
        match code {
            Code::Internal => Self::new(code, "the store could not do this; see the log of the running instance"),
            Code::StoreUnavailable => Self::new(code, "the store does not answer; try again"),
            code => Self::new(code, error.to_string()),
        }
    }
}

fn code(error: &StoreError) -> Code {
    match error {
        StoreError::NotFound { .. }
        | StoreError::NoKey { .. }
        | StoreError::NoRoute { .. }
        | StoreError::NoWorkload { .. } => Code::NotFound,
        StoreError::Stale { .. } => Code::Stale,
        StoreError::Taken { .. } => Code::Taken,
        StoreError::KeyNameTaken { .. } => Code::KeyNameTaken,
        StoreError::RouteTaken { .. } => Code::RouteTaken,
        StoreError::HostTaken { .. } => Code::HostTaken,
        StoreError::HostQuarantined { .. } => Code::HostQuarantined,
        StoreError::LastOwner => Code::LastOwner,
        StoreError::InUse { .. } => Code::InUse,
        StoreError::TooMany { .. } => Code::LimitReached,
        StoreError::Busy => Code::Busy,
        StoreError::Full | StoreError::Unreachable(_) => Code::StoreUnavailable,
        StoreError::Open { .. }
        | StoreError::Unfit { .. }
        | StoreError::Newer { .. }
        | StoreError::Migrate { .. }
        | StoreError::Corrupt { .. }
        | StoreError::Database(_) => Code::Internal,
    }
}
