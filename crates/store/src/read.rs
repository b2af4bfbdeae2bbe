//! Reading everything, and turning columns into typed values.

use std::str::FromStr;

use mezu_model::PublicKey;
use mezu_snapshot::Parts;
use sqlx::Row as _;

use crate::db::Row;
use crate::{Micros, Store, StoreError};

impl Store {
    /// All that a snapshot is made of, as of one moment, and the revision it stands for.
    ///
    /// # Errors
    /// When the database does not answer or holds something unreadable.
    pub async fn read_all(&self) -> Result<(u64, Parts), StoreError> {
        let mut read = self.db.read().await?;
        let revision: i64 = sqlx::query_scalar("SELECT revision FROM state").fetch_one(&mut *read).await?;
        let parts = Parts {
            orgs: crate::orgs::entries(&mut read).await?,
            keys: crate::keys::entries(&mut read).await?,
            workloads: crate::workloads::entries(&mut read).await?,
            routes: crate::routes::entries(&mut read).await?,
        };
        read.commit().await?;
        Ok((u64::try_from(revision).unwrap_or_default(), parts))
    }
}

/// A column as the type whose text form it holds.
pub(crate) fn typed<T: FromStr>(row: &Row, column: &'static str) -> Result<T, StoreError> {
    let text: String = row.try_get(column)?;
    text.parse().map_err(|_| StoreError::Corrupt { what: column, text })
}

/// A column that may be empty, as the type whose text form it holds.
pub(crate) fn typed_if_any<T: FromStr>(row: &Row, column: &'static str) -> Result<Option<T>, StoreError> {
    let text: Option<String> = row.try_get(column)?;
    text.map(|text| text.parse().map_err(|_| StoreError::Corrupt { what: column, text })).transpose()
}

pub(crate) fn json<T: serde::de::DeserializeOwned>(row: &Row, column: &'static str) -> Result<T, StoreError> {
    let text: String = row.try_get(column)?;
    serde_json::from_str(&text).map_err(|_| StoreError::Corrupt { what: column, text })
}

pub(crate) fn public_key(row: &Row) -> Result<PublicKey, StoreError> {
    let bytes: Vec<u8> = row.try_get("public_key")?;
    match <[u8; 32]>::try_from(bytes.as_slice()) {
        Ok(bytes) => Ok(PublicKey(bytes)),
        Err(_) => Err(StoreError::Corrupt { what: "public_key", text: format!("{} bytes", bytes.len()) }),
    }
}

pub(crate) fn time(row: &Row, column: &'static str) -> Result<Micros, StoreError> {
    Ok(Micros(row.try_get(column)?))
}
