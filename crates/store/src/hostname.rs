//! Hostnames: which org owns which. A name has one owner. Given up, it is kept for its last owner for a while, so that
//! nobody else gets the visitors and the cookies of those who were there before.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use mezu_model::{Hostname, OrgId};

use crate::change::{Change, View};
use crate::db::{Row, Tx};
use crate::page::{Page, Slice};
use crate::value::args;
use crate::{Micros, StoreError};

/// How long a released name is kept for the org that had it.
pub const QUARANTINE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How an org owns a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostState {
    /// Claimed by a person: it stays until it is released.
    Held,
    /// Owned because routes stand on it: released with the last of them.
    Used,
    /// Given up, and not yet free for others.
    Released,
}

/// A hostname as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    pub name: Hostname,
    pub org: OrgId,
    pub state: HostState,
    pub created_at: Micros,
    pub released_at: Option<Micros>,
}

impl HostState {
    /// The state's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Used => "used",
            Self::Released => "released",
        }
    }
}

impl fmt::Display for HostState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for HostState {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Held, Self::Used, Self::Released].into_iter().find(|state| state.as_str() == text).ok_or(())
    }
}

const NOUN: &str = "hostname";

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT name, org_id, state, created_at, released_at FROM hostnames ", $rest)
    };
}

impl View {
    /// The org's hostname.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or the database's.
    pub async fn hostname(&mut self, org: OrgId, name: &Hostname) -> Result<Host, StoreError> {
        let row = self.tx.row(select!("WHERE org_id = $1 AND name = $2"), args![org, name]).await?;
        host(&row.ok_or(StoreError::NotFound { what: NOUN })?)
    }

    /// An org's hostnames, by name; released ones too, while they are kept for it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn hostnames(&mut self, org: OrgId, slice: &Slice) -> Result<Page<Host>, StoreError> {
        let sql = select!("WHERE org_id = $1 AND name > $2 ORDER BY name LIMIT $3");
        let rows = self.tx.rows(sql, args![org, slice.start(), slice.rows()]).await?;
        slice.page(&rows, host, |one| one.name.to_string())
    }
}

impl Change {
    /// Makes a name the org's until it is released. Doing it twice changes nothing.
    ///
    /// # Errors
    /// [`StoreError::HostTaken`], [`StoreError::HostQuarantined`], [`StoreError::NotFound`] without such an org, or the
    /// database's.
    pub async fn claim_hostname(&mut self, org: OrgId, name: &Hostname) -> Result<Host, StoreError> {
        let at = self.at();
        self.org(org).await?;
        claim(self.heard(), org, name, HostState::Held, at).await?;
        self.hostname(org, name).await
    }

    /// Gives a name up. For [`QUARANTINE`] nobody but this org can claim it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::InUse`] by routes, or the database's.
    pub async fn release_hostname(&mut self, org: OrgId, name: &Hostname) -> Result<(), StoreError> {
        let at = self.at();
        if self.hostname(org, name).await?.state == HostState::Released {
            return Err(StoreError::NotFound { what: NOUN });
        }
        if self.tx.count("SELECT count(*) AS n FROM routes WHERE host = $1", args![name]).await? > 0 {
            return Err(StoreError::InUse { what: NOUN, by: "routes" });
        }
        let sql = "UPDATE hostnames SET state = 'released', released_at = $3 WHERE org_id = $1 AND name = $2";
        self.heard().run(sql, args![org, name, at]).await?;
        Ok(())
    }
}

/// Makes a name the org's, if nobody else has it or it is kept for anybody else.
pub(crate) async fn claim(
    tx: &mut Tx,
    org: OrgId,
    name: &Hostname,
    state: HostState,
    now: Micros,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO hostnames (name, org_id, state, created_at) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (name) DO UPDATE SET org_id = excluded.org_id, state = excluded.state, \
        created_at = excluded.created_at, released_at = NULL WHERE hostnames.state = 'released' \
        AND (hostnames.org_id = excluded.org_id OR hostnames.released_at <= $5)";
    let free_before = Micros(now.0.saturating_sub(micros(QUARANTINE)));
    tx.run(SQL, args![name, org, state.as_str(), now, free_before]).await?;
    let found = host(&tx.one(select!("WHERE name = $1"), args![name]).await?)?;
    if found.org == org {
        if state == HostState::Held && found.state == HostState::Used {
            tx.run("UPDATE hostnames SET state = 'held' WHERE name = $1", args![name]).await?;
        }
        return Ok(());
    }
    let host = name.clone();
    Err(match found.released_at {
        Some(at) => StoreError::HostQuarantined { host, until: Micros(at.0.saturating_add(micros(QUARANTINE))) },
        None => StoreError::HostTaken { host },
    })
}

/// The org that a hostname belongs to now.
pub(crate) async fn holder_of(tx: &mut Tx, name: &Hostname) -> Result<Option<OrgId>, StoreError> {
    tx.row("SELECT org_id FROM hostnames WHERE name = $1", args![name])
        .await?
        .map(|row| row.typed("org_id"))
        .transpose()
}

/// Releases a name that only its routes have held, once the last of them is gone.
pub(crate) async fn release_unused(tx: &mut Tx, name: &Hostname, now: Micros) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE hostnames SET state = 'released', released_at = $2 WHERE name = $1 AND state = 'used' \
        AND NOT EXISTS (SELECT 1 FROM routes WHERE routes.host = hostnames.name)";
    tx.run(SQL, args![name, now]).await?;
    Ok(())
}

pub(crate) fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

fn host(row: &Row) -> Result<Host, StoreError> {
    Ok(Host {
        name: row.typed("name")?,
        org: row.typed("org_id")?,
        state: row.typed("state")?,
        created_at: row.time("created_at")?,
        released_at: row.time_if_any("released_at")?,
    })
}
