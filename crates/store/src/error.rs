//! What can go wrong between a question and the database.

use mezu_model::{Hostname, KeyId, Label, RouteId};
use mezu_snapshot::PathRule;

use crate::Micros;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot open the database {file}: {source}")]
    Open { file: String, source: sqlx::Error },
    #[error("the database {file} cannot be brought to this version's form: {source}")]
    Migrate { file: String, source: Box<sqlx::migrate::MigrateError> },
    #[error("the database {file} cannot be used: {why}")]
    Unfit { file: String, why: String },
    #[error(
        "the database {file} was written by a newer version of this program: it has form {found}, and {ours} is the \
         newest that this one knows; start the newer version, or restore a backup of before"
    )]
    Newer { file: String, found: i64, ours: i64 },
    #[error("the database holds something that this program cannot read: {what} {text:?}")]
    Corrupt { what: &'static str, text: String },
    #[error("the database is busy or away; try again")]
    Busy,
    #[error("the disk that holds the database is full")]
    Full,
    #[error("the database cannot be reached: {0}; try again")]
    Unreachable(#[source] sqlx::Error),
    #[error("a {what} of that name exists already")]
    Taken { what: &'static str },
    #[error("a live key named {name:?} exists already; revoke it first or choose another name")]
    KeyNameTaken { name: Label },
    #[error("there is no key {id}")]
    NoKey { id: KeyId },
    #[error("there is no workload named {name:?} yet; it appears when a Warpgate first connects with that name")]
    NoWorkload { name: Label },
    #[error("there is no route {id}")]
    NoRoute { id: RouteId },
    #[error("there is no such {what}")]
    NotFound { what: &'static str },
    #[error("the {what} has changed since it was read: it is at version {current}; read it again")]
    Stale { what: &'static str, current: i64 },
    #[error("the org would have no owner left; make another member an owner first")]
    LastOwner,
    #[error("a route for {host}{path} exists already; remove it first")]
    RouteTaken { host: Hostname, path: PathRule },
    #[error("the hostname {host} belongs to another org")]
    HostTaken { host: Hostname },
    #[error("the hostname {host} was given up by another org and is kept for it until its quarantine ends")]
    HostQuarantined { host: Hostname, until: Micros },
    #[error("the {what} is still in use by {by}; remove those first")]
    InUse { what: &'static str, by: &'static str },
    #[error("the limit of {most} {what} is reached")]
    TooMany { what: &'static str, most: usize },
    #[error("the database refused: {0}")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        crate::db::classify(error)
    }
}

/// What a database's own error code comes down to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Busy,
    Full,
    Away,
    Other,
}

/// Sorts an error code: SQLite's are decimal numbers, whose low byte is the primary code; PostgreSQL's five characters.
pub(crate) fn kind(code: &str) -> Kind {
    match code {
        // serialization_failure, deadlock_detected, lock_not_available, query_canceled, too_many_connections
        "40001" | "40P01" | "55P03" | "57014" | "53300" => return Kind::Busy,
        // disk_full
        "53100" => return Kind::Full,
        // admin_shutdown, crash_shutdown, cannot_connect_now, idle_in_transaction_session_timeout
        "57P01" | "57P02" | "57P03" | "25P03" => return Kind::Away,
        _ if code.len() == 5 => return Kind::Other,
        _ => {}
    }
    match code.parse::<i32>().map(|code| code & 0xff) {
        // SQLITE_BUSY, SQLITE_LOCKED
        Ok(5 | 6) => Kind::Busy,
        // SQLITE_FULL
        Ok(13) => Kind::Full,
        _ => Kind::Other,
    }
}

/// Gives a refused name its meaning.
pub(crate) trait OrTaken<T> {
    /// The same, but with `error` where something of that name is there already.
    fn or_taken(self, error: impl FnOnce() -> StoreError) -> Result<T, StoreError>;
}

impl<T> OrTaken<T> for Result<T, StoreError> {
    fn or_taken(self, error: impl FnOnce() -> StoreError) -> Self {
        self.map_err(|found| match found {
            StoreError::Taken { .. } => error(),
            other => other,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_both_databases_are_understood() {
        let table = [
            ("5", Kind::Busy),
            ("517", Kind::Busy),
            ("6", Kind::Busy),
            ("13", Kind::Full),
            ("787", Kind::Other),
            ("40001", Kind::Busy),
            ("53100", Kind::Full),
            ("57P01", Kind::Away),
            ("23503", Kind::Other),
        ];
        for (code, expected) in table {
            assert_eq!(kind(code), expected, "{code}");
        }
    }
}
