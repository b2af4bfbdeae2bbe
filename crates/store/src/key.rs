//! The keys of service accounts: the public halves. An account has at most two live ones, so that one can take over
//! from the other.

use mezu_model::{AccountId, KeyId, Label, OrgId, PublicKey};
use mezu_snapshot::{KeyEntry, KeyScope, limits};
use sqlx::AssertSqlSafe;

use crate::change::{Change, View};
use crate::db::{Row, Tx};
use crate::error::OrTaken as _;
use crate::page::{Page, Slice};
use crate::value::args;
use crate::{Micros, Store, StoreError};

/// Live keys that an account may have: the old one and the new one.
pub const LIVE_KEYS: usize = 2;

/// Keys whose use is noted at once.
const TOUCHED: usize = 500;

/// A key to be stored.
#[derive(Clone, Debug)]
pub struct KeySpec {
    pub id: KeyId,
    pub name: Label,
    pub public: PublicKey,
    pub expires_at: Option<Micros>,
}

/// A key as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub id: KeyId,
    pub org: OrgId,
    pub account: AccountId,
    pub name: Label,
    pub created_at: Micros,
    pub expires_at: Option<Micros>,
    /// About when it was last used.
    pub used_at: Option<Micros>,
    pub revoked_at: Option<Micros>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, org_id, account_id, name, created_at, expires_at, used_at, revoked_at FROM keys ", $rest)
    };
}

impl Key {
    /// Whether it opens tunnels at that time.
    #[must_use]
    pub fn is_live(&self, now: Micros) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| end > now)
    }
}

impl View {
    /// The key.
    ///
    /// # Errors
    /// [`StoreError::NoKey`], or the database's.
    pub async fn key(&mut self, org: OrgId, id: KeyId) -> Result<Key, StoreError> {
        let row = self.tx.row(select!("WHERE org_id = $1 AND id = $2"), args![org, id]).await?;
        key(&row.ok_or(StoreError::NoKey { id })?)
    }

    /// An org's keys, or one account's of them, the oldest first; revoked ones too.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn keys(
        &mut self,
        org: OrgId,
        account: Option<AccountId>,
        slice: &Slice,
    ) -> Result<Page<Key>, StoreError> {
        let sql = select!("WHERE org_id = $1 AND ($2 IS NULL OR account_id = $2) AND id > $3 ORDER BY id LIMIT $4");
        let rows = self.tx.rows(sql, args![org, account, slice.start(), slice.rows()]).await?;
        slice.page(&rows, key, |key| key.id.to_string())
    }
}

impl Change {
    /// Gives an account a key.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] without such an account, [`StoreError::TooMany`] when it has two live ones,
    /// [`StoreError::KeyNameTaken`], [`StoreError::Taken`] when the key itself is known already, or the database's.
    pub async fn create_key(&mut self, org: OrgId, account: AccountId, new: KeySpec) -> Result<Key, StoreError> {
        const LIVE: &str = "SELECT count(*) AS n FROM keys WHERE account_id = $1 AND revoked_at IS NULL \
            AND (expires_at IS NULL OR expires_at > $2)";
        const ALL: &str = "SELECT count(*) AS n FROM keys WHERE revoked_at IS NULL";
        const SAME: &str = "SELECT count(*) AS n FROM keys WHERE account_id = $1 AND name = $2 AND revoked_at IS NULL";
        let at = self.at();
        self.account(org, account).await?;
        if self.tx.count(SAME, args![account, &new.name]).await? > 0 {
            return Err(StoreError::KeyNameTaken { name: new.name });
        }
        if self.tx.count(LIVE, args![account, at]).await? >= LIVE_KEYS {
            return Err(StoreError::TooMany { what: "live keys of a service account", most: LIVE_KEYS });
        }
        if self.tx.count(ALL, []).await? >= limits::KEYS {
            return Err(StoreError::TooMany { what: "keys", most: limits::KEYS });
        }
        let KeySpec { id, name, public, expires_at } = new;
        let sql = "INSERT INTO keys (id, org_id, account_id, name, public_key, created_at, expires_at) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let args = args![id, org, account, &name, &public.0, at, expires_at];
        self.heard().run(sql, args).await.or_taken(|| StoreError::Taken { what: "key" })?;
        self.key(org, id).await
    }

    /// Takes a key's power away. Doing it twice changes nothing: the first time stands.
    ///
    /// # Errors
    /// [`StoreError::NoKey`], or the database's.
    pub async fn revoke_key(&mut self, org: OrgId, id: KeyId) -> Result<Key, StoreError> {
        let at = self.at();
        let sql = "UPDATE keys SET revoked_at = $3 WHERE org_id = $1 AND id = $2 AND revoked_at IS NULL";
        self.heard().run(sql, args![org, id, at]).await?;
        self.key(org, id).await
    }
}

impl Store {
    /// Notes when keys were last used: no change of configuration, so there is no event and no new revision. Other
    /// writes come in between where there are many.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn touch_keys(&self, used: &[(KeyId, Micros)]) -> Result<(), StoreError> {
        for part in used.chunks(TOUCHED) {
            let rows: Vec<String> = (1..=part.len()).map(|n| format!("(${}, ${})", 2 * n - 1, 2 * n)).collect();
            let sql = format!(
                "WITH used (id, at) AS (VALUES {}) UPDATE keys SET used_at = used.at FROM used \
                 WHERE keys.id = used.id AND (keys.used_at IS NULL OR keys.used_at < used.at)",
                rows.join(", ")
            );
            let mut write = self.db.write().await?;
            // Nothing but numbers of places went into it.
            write.run(AssertSqlSafe(sql), part.iter().flat_map(|(id, at)| args![*id, *at])).await?;
            write.commit().await?;
        }
        Ok(())
    }
}

pub(crate) async fn entries(tx: &mut Tx) -> Result<Vec<KeyEntry>, StoreError> {
    const SQL: &str = "SELECT keys.id AS id, keys.org_id AS org_id, public_key, workloads, cidrs \
                       FROM keys LEFT JOIN accounts ON accounts.id = account_id \
                       WHERE revoked_at IS NULL ORDER BY keys.id";
    let rows = tx.rows(SQL, []).await?;
    let entry = |row: &Row| {
        Ok(KeyEntry {
            id: row.typed("id")?,
            org: row.typed("org_id")?,
            public: row.public_key("public_key")?,
            scope: KeyScope { workloads: row.json_if_any("workloads")?, networks: row.json_if_any("cidrs")? },
        })
    };
    rows.iter().map(entry).collect()
}

pub(crate) fn key(row: &Row) -> Result<Key, StoreError> {
    Ok(Key {
        id: row.typed("id")?,
        org: row.typed("org_id")?,
        account: row.typed("account_id")?,
        name: row.typed("name")?,
        created_at: row.time("created_at")?,
        expires_at: row.time_if_any("expires_at")?,
        used_at: row.time_if_any("used_at")?,
        revoked_at: row.time_if_any("revoked_at")?,
    })
}
