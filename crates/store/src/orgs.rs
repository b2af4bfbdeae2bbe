//! Organisations.

use mezu_model::{Label, OrgId};
use mezu_snapshot::OrgEntry;

use crate::db::{self, Write};
use crate::read::{time, typed};
use crate::{Micros, Store, StoreError};

/// An organisation as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Org {
    pub id: OrgId,
    pub name: Label,
    pub created_at: Micros,
}

impl Store {
    /// The org of that name, made with `id` if there is none. Doing it twice changes nothing.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn ensure_org(&self, id: OrgId, name: &Label, now: Micros) -> Result<Org, StoreError> {
        let mut write = self.db.write().await?;
        if let Some(org) = by_name(&mut write, name).await? {
            return Ok(org);
        }
        sqlx::query("INSERT INTO orgs (id, name, created_at) VALUES ($1, $2, $3)")
            .bind(id.to_string())
            .bind(name.as_str())
            .bind(now.0)
            .execute(&mut *write)
            .await?;
        db::commit(write).await?;
        Ok(Org { id, name: name.clone(), created_at: now })
    }
}

pub(crate) async fn entries(read: &mut Write) -> Result<Vec<OrgEntry>, StoreError> {
    let rows = sqlx::query("SELECT id, name FROM orgs ORDER BY id").fetch_all(&mut **read).await?;
    rows.iter().map(|row| Ok(OrgEntry { id: typed(row, "id")?, name: typed(row, "name")? })).collect()
}

async fn by_name(write: &mut Write, name: &Label) -> Result<Option<Org>, StoreError> {
    let row = sqlx::query("SELECT id, name, created_at FROM orgs WHERE name = $1")
        .bind(name.as_str())
        .fetch_optional(&mut **write)
        .await?;
    let org =
        |row| Ok(Org { id: typed(&row, "id")?, name: typed(&row, "name")?, created_at: time(&row, "created_at")? });
    row.map(org).transpose()
}
