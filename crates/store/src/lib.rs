//! What Mezusphere remembers, in SQLite or PostgreSQL: orgs and their members, machines and their keys, workloads,
//! hostnames and routes, and the log of all that was done.
//!
//! One file per noun, each with the SQL for it; [`db`] is the only place that knows which database it is. Reading begins
//! with [`Store::view`], which sees one moment; changing with [`Store::change`], a short transaction that waits for
//! nothing but the database and ends with its audit event. What edges must hear of raises the revision that the
//! publisher goes by ([`Store::read_all`]).
//!
//! What an org owns is asked for by the org first, so that another org's id reads as not there. The store must never
//! hold a secret in the clear, reads no clock, and does not believe what it reads: every text becomes a typed value or
//! [`StoreError::Corrupt`].

mod account;
mod audit;
mod backup;
mod change;
mod check;
mod db;
mod draft;
mod enrol;
mod error;
mod hostname;
mod idempotency;
mod invitation;
mod key;
mod member;
mod membership;
mod news;
mod operator;
mod org;
mod page;
mod publish;
mod read;
mod recovery;
mod restore;
mod route;
mod session;
mod setup;
mod sweep;
mod tables;
mod token;
mod url;
mod value;
mod workload;

pub use account::{Account, AccountSpec};
pub use audit::{Actor, AuditCheck, Event, EventFilter, InvalidActor, NewEvent, Outcome};
pub use backup::{Backup, BackupError};
pub use change::{Change, Committed, View};
pub use draft::{DRAFTS_PER_ORG, Draft, DraftSpec};
pub use enrol::{EnrolRefusal, Enrolled};
pub use error::StoreError;
pub use hostname::{Host, HostState, QUARANTINE};
pub use idempotency::{KEPT, Remembered};
pub use invitation::{INVITATIONS_PER_ORG, Invitation, NewInvitation};
pub use key::{Key, KeySpec, LIVE_KEYS};
pub use member::{Credentials, Member, NewMember};
pub use membership::Membership;
pub use operator::{NewKey, NewRoute};
pub use org::Org;
pub use page::{MOST, Page, Slice};
pub use publish::{NewPublish, Publish};
pub use route::{Route, RouteFilter, RouteSpec};
pub use session::{NewSession, SESSIONS_PER_MEMBER, Session};
pub use setup::Setup;
pub use token::{NewToken, TOKENS_PER_MEMBER, Token};
pub use url::{InvalidStoreUrl, StoreUrl};
pub use workload::{Labels, Workload};

use serde::{Deserialize, Serialize};

/// Microseconds since 1970-01-01T00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micros(pub i64);

/// An open store. Clones share it.
#[derive(Clone)]
pub struct Store {
    db: db::Db,
    news: news::News,
}

impl Store {
    /// Opens the database and brings it to the newest form. A file that is not there is made (mode 0600).
    ///
    /// # Errors
    /// When the database cannot be opened, is none of ours, or is newer than this program.
    pub async fn open(url: impl Into<StoreUrl>) -> Result<Self, StoreError> {
        Ok(Self { db: db::Db::open(&url.into()).await?, news: news::News::default() })
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        self.view().await?.revision().await.map(|_| ())
    }

    /// Finishes what is under way and closes the database.
    pub async fn close(&self) {
        self.db.close().await;
    }
}

#[cfg(test)]
mod tests;
