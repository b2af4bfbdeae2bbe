//! Service-account keys: the public halves.

use mezu_model::{KeyId, Label, OrgId, PublicKey};
use mezu_snapshot::{KeyEntry, limits};
use sqlx::Row as _;

use crate::db::{self, Row, Write};
use crate::read::{public_key, time, typed};
use crate::{Micros, Store, StoreError};

/// A key to be stored.
#[derive(Clone, Debug)]
pub struct NewKey {
    pub id: KeyId,
    pub org: OrgId,
    pub name: Label,
    pub public: PublicKey,
}

/// A key as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub id: KeyId,
    pub org: OrgId,
    pub name: Label,
    pub created_at: Micros,
    pub revoked_at: Option<Micros>,
}

impl Store {
    /// Stores a key. Its name must not be that of a live key of the org.
    ///
    /// # Errors
    /// [`StoreError::KeyNameTaken`], [`StoreError::TooMany`], or the database's.
    pub async fn create_key(&self, new: NewKey, now: Micros) -> Result<Key, StoreError> {
        let mut write = self.db.write().await?;
        let live: i64 =
            sqlx::query_scalar("SELECT count(*) FROM keys WHERE revoked_at IS NULL").fetch_one(&mut *write).await?;
        if usize::try_from(live).is_ok_and(|live| live >= limits::KEYS) {
            return Err(StoreError::TooMany { what: "keys", most: limits::KEYS });
        }
        sqlx::query("INSERT INTO keys (id, org_id, name, public_key, created_at) VALUES ($1, $2, $3, $4, $5)")
            .bind(new.id.to_string())
            .bind(new.org.to_string())
            .bind(new.name.as_str())
            .bind(new.public.0.as_slice())
            .bind(now.0)
            .execute(&mut *write)
            .await
            .map_err(|error| match db::is_taken(&error) {
                true => StoreError::KeyNameTaken { name: new.name.clone() },
                false => error.into(),
            })?;
        db::commit(write).await?;
        Ok(Key { id: new.id, org: new.org, name: new.name, created_at: now, revoked_at: None })
    }

    /// All keys, the newest last; revoked ones too.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn keys(&self) -> Result<Vec<Key>, StoreError> {
        let mut read = self.db.read().await?;
        let rows = sqlx::query("SELECT id, org_id, name, created_at, revoked_at FROM keys ORDER BY id")
            .fetch_all(&mut *read)
            .await?;
        rows.iter().map(key).collect()
    }

    /// Takes a key's power away. Revoking a revoked key changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NoKey`], or the database's.
    pub async fn revoke_key(&self, id: KeyId, now: Micros) -> Result<(), StoreError> {
        let mut write = self.db.write().await?;
        let known = sqlx::query("UPDATE keys SET revoked_at = coalesce(revoked_at, $2) WHERE id = $1")
            .bind(id.to_string())
            .bind(now.0)
            .execute(&mut *write)
            .await?
            .rows_affected();
        if known == 0 {
            return Err(StoreError::NoKey { id });
        }
        db::commit(write).await
    }
}

pub(crate) async fn entries(read: &mut Write) -> Result<Vec<KeyEntry>, StoreError> {
    let rows = sqlx::query("SELECT id, org_id, public_key FROM keys WHERE revoked_at IS NULL ORDER BY id")
        .fetch_all(&mut **read)
        .await?;
    rows.iter()
        .map(|row| Ok(KeyEntry { id: typed(row, "id")?, org: typed(row, "org_id")?, public: public_key(row)? }))
        .collect()
}

fn key(row: &Row) -> Result<Key, StoreError> {
    Ok(Key {
        id: typed(row, "id")?,
        org: typed(row, "org_id")?,
        name: typed(row, "name")?,
        created_at: time(row, "created_at")?,
        revoked_at: row.try_get::<Option<i64>, _>("revoked_at")?.map(Micros),
    })
}
