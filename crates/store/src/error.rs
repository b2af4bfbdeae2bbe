//! What can go wrong between a question and the database.

use mezu_model::{Hostname, KeyId, Label, RouteId};
use mezu_snapshot::PathPrefix;

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("cannot open the database {file}: {source}")]
    Open { file: String, source: sqlx::Error },
    #[error("the database {file} cannot be brought to this version's form: {source}")]
    Migrate { file: String, source: Box<sqlx::migrate::MigrateError> },
    #[error("the database holds something that this program cannot read: {what} {text:?}")]
    Corrupt { what: &'static str, text: String },
    #[error("the database is busy; try again")]
    Busy,
    #[error("the disk that holds the database is full")]
    Full,
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
    #[error("a route for {host}{path} exists already; remove it first")]
    RouteTaken { host: Hostname, path: PathPrefix },
    #[error("the hostname {host} belongs to another org")]
    HostTaken { host: Hostname },
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
