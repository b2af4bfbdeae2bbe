//! What Mezusphere remembers: orgs, keys, workloads, hostnames and routes, in SQLite.
//!
//! One file per noun, each with the SQL for it; [`db`] is the only place that knows which database it is. A write is
//! one short transaction that waits for nothing but the database, and raises the revision that the publisher and the
//! edges go by. Reads see one moment ([`Store::read_all`]).
//!
//! The store must never hold a secret key, and what it reads is not believed: every text becomes a typed value or
//! [`StoreError::Corrupt`].

mod db;
mod enrol;
mod error;
mod keys;
mod orgs;
mod read;
mod routes;
mod workloads;

pub use enrol::{EnrolRefusal, Enrolled};
pub use error::StoreError;
pub use keys::{Key, NewKey};
pub use orgs::Org;
pub use routes::{NewRoute, Route};
pub use workloads::Workload;

use std::path::Path;

use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01T00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micros(pub i64);

/// An open store. Clones share it.
#[derive(Clone)]
pub struct Store {
    db: db::Db,
}

impl Store {
    /// Opens the database file, makes it (mode 0600) if it is not there, and brings it to the newest form.
    ///
    /// # Errors
    /// When the file cannot be opened, is no database of ours, or is newer than this program.
    pub async fn open(file: &Path) -> Result<Self, StoreError> {
        Ok(Self { db: db::Db::open(file).await? })
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.db.revision().await.map(|_| ())
    }

    /// Finishes what is under way and closes the file.
    pub async fn close(&self) {
        self.db.close().await;
    }
}

#[cfg(test)]
mod tests;
