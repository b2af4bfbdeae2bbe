//! Workloads: what answers behind a Warpgate. They come to be by enrolment ([`crate::enrol`]).

use mezu_model::{Hostname, KeyId, Label, OrgId, WorkloadId};
use mezu_snapshot::WorkloadEntry;

use crate::db::{Row, Write};
use crate::read::{time, typed, typed_if_any};
use crate::{Micros, Store, StoreError};

/// A workload as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    pub id: WorkloadId,
    pub org: OrgId,
    pub name: Label,
    pub default_host: Option<Hostname>,
    pub created_at: Micros,
}

impl Store {
    /// All workloads, by name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn workloads(&self) -> Result<Vec<Workload>, StoreError> {
        let mut read = self.db.read().await?;
        let rows = sqlx::query("SELECT id, org_id, name, default_host, created_at FROM workloads ORDER BY name, id")
            .fetch_all(&mut *read)
            .await?;
        rows.iter().map(workload).collect()
    }
}

pub(crate) async fn entries(read: &mut Write) -> Result<Vec<WorkloadEntry>, StoreError> {
    let rows = sqlx::query("SELECT id, org_id, name FROM workloads ORDER BY id").fetch_all(&mut **read).await?;
    rows.iter()
        .map(|row| Ok(WorkloadEntry { id: typed(row, "id")?, org: typed(row, "org_id")?, name: typed(row, "name")? }))
        .collect()
}

pub(crate) async fn by_name(write: &mut Write, org: OrgId, name: &Label) -> Result<Option<Workload>, StoreError> {
    let row =
        sqlx::query("SELECT id, org_id, name, default_host, created_at FROM workloads WHERE org_id = $1 AND name = $2")
            .bind(org.to_string())
            .bind(name.as_str())
            .fetch_optional(&mut **write)
            .await?;
    row.as_ref().map(workload).transpose()
}

/// How many there are, and how many of them the key has made.
pub(crate) async fn count(write: &mut Write, key: KeyId) -> Result<(usize, usize), StoreError> {
    let all: i64 = sqlx::query_scalar("SELECT count(*) FROM workloads").fetch_one(&mut **write).await?;
    let of_key: i64 = sqlx::query_scalar("SELECT count(*) FROM workloads WHERE key_id = $1")
        .bind(key.to_string())
        .fetch_one(&mut **write)
        .await?;
    let number = |n: i64| usize::try_from(n).unwrap_or_default();
    Ok((number(all), number(of_key)))
}

pub(crate) async fn insert(write: &mut Write, new: &Workload, key: KeyId) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO workloads (id, org_id, name, default_host, created_at, key_id) VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(new.id.to_string())
    .bind(new.org.to_string())
    .bind(new.name.as_str())
    .bind(new.default_host.as_ref().map(Hostname::as_str))
    .bind(new.created_at.0)
    .bind(key.to_string())
    .execute(&mut **write)
    .await?;
    Ok(())
}

pub(crate) async fn set_default_host(write: &mut Write, id: WorkloadId, host: &Hostname) -> Result<(), StoreError> {
    sqlx::query("UPDATE workloads SET default_host = $2 WHERE id = $1")
        .bind(id.to_string())
        .bind(host.as_str())
        .execute(&mut **write)
        .await?;
    Ok(())
}

fn workload(row: &Row) -> Result<Workload, StoreError> {
    Ok(Workload {
        id: typed(row, "id")?,
        org: typed(row, "org_id")?,
        name: typed(row, "name")?,
        default_host: typed_if_any(row, "default_host")?,
        created_at: time(row, "created_at")?,
    })
}
