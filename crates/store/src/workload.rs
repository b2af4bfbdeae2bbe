//! Workloads: what answers behind a Warpgate. Most come to be by enrolment ([`crate::enrol`]).

use std::collections::BTreeMap;

use mezu_model::{Hostname, KeyId, Label, OrgId, WorkloadId};
use mezu_snapshot::{WorkloadEntry, limits};

use crate::change::{Change, View, check_version};
use crate::db::{Row, Tx};
use crate::error::OrTaken as _;
use crate::page::{Page, Slice};
use crate::value::{args, to_json};
use crate::{Micros, StoreError};

/// Words that people sort workloads by.
pub type Labels = BTreeMap<Label, String>;

/// A workload as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workload {
    pub id: WorkloadId,
    pub org: OrgId,
    pub name: Label,
    pub default_host: Option<Hostname>,
    pub labels: Labels,
    pub created_at: Micros,
    pub version: i64,
}

const NOUN: &str = "workload";

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, org_id, name, default_host, labels, created_at, version FROM workloads ", $rest)
    };
}
pub(crate) use select as select_workload;

impl View {
    /// The workload.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or the database's.
    pub async fn workload(&mut self, org: OrgId, id: WorkloadId) -> Result<Workload, StoreError> {
        let row = self.tx.row(select!("WHERE org_id = $1 AND id = $2"), args![org, id]).await?;
        workload(&row.ok_or(StoreError::NotFound { what: NOUN })?)
    }

    /// The org's workload of that name, if there is one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn workload_by_name(&mut self, org: OrgId, name: &Label) -> Result<Option<Workload>, StoreError> {
        by_name(&mut self.tx, org, name).await
    }

    /// An org's workloads, the oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn workloads(&mut self, org: OrgId, slice: &Slice) -> Result<Page<Workload>, StoreError> {
        let sql = select!("WHERE org_id = $1 AND id > $2 ORDER BY id LIMIT $3");
        let rows = self.tx.rows(sql, args![org, slice.start(), slice.rows()]).await?;
        slice.page(&rows, workload, |one| one.id.to_string())
    }
}

impl Change {
    /// Makes a workload before its first Warpgate comes.
    ///
    /// # Errors
    /// [`StoreError::Taken`], [`StoreError::TooMany`], [`StoreError::NotFound`] without such an org, or the database's.
    pub async fn create_workload(
        &mut self,
        org: OrgId,
        id: WorkloadId,
        name: &Label,
        labels: &Labels,
    ) -> Result<Workload, StoreError> {
        let at = self.at();
        self.org(org).await?;
        if self.tx.count("SELECT count(*) AS n FROM workloads", []).await? >= limits::WORKLOADS {
            return Err(StoreError::TooMany { what: "workloads", most: limits::WORKLOADS });
        }
        let sql = "INSERT INTO workloads (id, org_id, name, labels, created_at) VALUES ($1, $2, $3, $4, $5)";
        let args = args![id, org, name, to_json("labels", labels)?, at];
        self.heard().run(sql, args).await.or_taken(|| StoreError::Taken { what: NOUN })?;
        self.workload(org, id).await
    }

    /// Gives a workload another name and other labels. Its routes and hostnames stay.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Stale`], [`StoreError::Taken`], or the database's.
    pub async fn update_workload(
        &mut self,
        org: OrgId,
        id: WorkloadId,
        name: &Label,
        labels: &Labels,
        expected: Option<i64>,
    ) -> Result<Workload, StoreError> {
        check_version(NOUN, self.workload(org, id).await?.version, expected)?;
        let sql = "UPDATE workloads SET name = $3, labels = $4, version = version + 1 WHERE org_id = $1 AND id = $2";
        let args = args![org, id, name, to_json("labels", labels)?];
        self.heard().run(sql, args).await.or_taken(|| StoreError::Taken { what: NOUN })?;
        self.workload(org, id).await
    }

    /// Deletes a workload, with its routes if so wanted. One whose Warpgate still runs comes back, as a new one.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Stale`], [`StoreError::InUse`] by routes that are not to go with it, or
    /// the database's.
    pub async fn delete_workload(
        &mut self,
        org: OrgId,
        id: WorkloadId,
        with_routes: bool,
        expected: Option<i64>,
    ) -> Result<(), StoreError> {
        const ROUTES: &str = "SELECT id FROM routes WHERE org_id = $1 AND workload_id = $2 ORDER BY id";
        check_version(NOUN, self.workload(org, id).await?.version, expected)?;
        let routes = self.tx.rows(ROUTES, args![org, id]).await?;
        if !routes.is_empty() && !with_routes {
            return Err(StoreError::InUse { what: NOUN, by: "routes" });
        }
        for row in routes {
            self.delete_route(org, row.typed("id")?, None).await?;
        }
        self.heard().run("DELETE FROM workloads WHERE org_id = $1 AND id = $2", args![org, id]).await?;
        Ok(())
    }
}

pub(crate) async fn entries(tx: &mut Tx) -> Result<Vec<WorkloadEntry>, StoreError> {
    let rows = tx.rows("SELECT id, org_id, name FROM workloads ORDER BY id", []).await?;
    let entry =
        |row: &Row| Ok(WorkloadEntry { id: row.typed("id")?, org: row.typed("org_id")?, name: row.typed("name")? });
    rows.iter().map(entry).collect()
}

pub(crate) async fn by_name(tx: &mut Tx, org: OrgId, name: &Label) -> Result<Option<Workload>, StoreError> {
    tx.row(select!("WHERE org_id = $1 AND name = $2"), args![org, name]).await?.as_ref().map(workload).transpose()
}

/// How many there are, and how many of them the key has made.
pub(crate) async fn count(tx: &mut Tx, key: KeyId) -> Result<(usize, usize), StoreError> {
    let all = tx.count("SELECT count(*) AS n FROM workloads", []).await?;
    let of_key = tx.count("SELECT count(*) AS n FROM workloads WHERE key_id = $1", args![key]).await?;
    Ok((all, of_key))
}

pub(crate) async fn insert(tx: &mut Tx, new: &Workload, key: KeyId) -> Result<(), StoreError> {
    let sql = "INSERT INTO workloads (id, org_id, name, default_host, created_at, key_id) \
               VALUES ($1, $2, $3, $4, $5, $6)";
    let host = new.default_host.as_ref();
    tx.run(sql, args![new.id, new.org, &new.name, host, new.created_at, key]).await?;
    Ok(())
}

pub(crate) async fn set_default_host(tx: &mut Tx, id: WorkloadId, host: &Hostname) -> Result<(), StoreError> {
    tx.run("UPDATE workloads SET default_host = $2 WHERE id = $1", args![id, host]).await?;
    Ok(())
}

pub(crate) fn workload(row: &Row) -> Result<Workload, StoreError> {
    Ok(Workload {
        id: row.typed("id")?,
        org: row.typed("org_id")?,
        name: row.typed("name")?,
        default_host: row.typed_if_any("default_host")?,
        labels: row.json("labels")?,
        created_at: row.time("created_at")?,
        version: row.int("version")?,
    })
}
