//! Drafts: changes that are written down but not yet made, now or at a time set.

use mezu_model::{DraftId, OrgId};
use serde_json::Value as Json;

use crate::audit::Actor;
use crate::change::{Change, View, check_version, plain};
use crate::db::Row;
use crate::page::{MOST, Page, Slice};
use crate::value::{args, to_json};
use crate::{Micros, StoreError};

/// Drafts that one org may have.
pub const DRAFTS_PER_ORG: usize = 200;

/// What a draft says.
#[derive(Clone, Debug, PartialEq)]
pub struct DraftSpec {
    pub name: String,
    /// The changes, in the form that they are asked for over the API.
    pub ops: Json,
    /// When it is to be published by itself.
    pub publish_at: Option<Micros>,
}

/// A draft as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    pub id: DraftId,
    pub org: OrgId,
    pub spec: DraftSpec,
    pub created_by: Actor,
    pub created_at: Micros,
    pub version: i64,
}

const NOUN: &str = "draft";

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, org_id, name, ops, publish_at, created_by, created_at, version FROM drafts WHERE ", $rest)
    };
}

impl View {
    /// The draft.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or the database's.
    pub async fn draft(&mut self, org: OrgId, id: DraftId) -> Result<Draft, StoreError> {
        let row = self.tx.row(select!("org_id = $1 AND id = $2"), args![org, id]).await?;
        draft(&row.ok_or(StoreError::NotFound { what: NOUN })?)
    }

    /// An org's drafts, the oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn drafts(&mut self, org: OrgId, slice: &Slice) -> Result<Page<Draft>, StoreError> {
        let sql = select!("org_id = $1 AND id > $2 ORDER BY id LIMIT $3");
        let rows = self.tx.rows(sql, args![org, slice.start(), slice.rows()]).await?;
        slice.page(&rows, draft, |one| one.id.to_string())
    }

    /// The drafts of all orgs whose time has come, the most overdue first; so many at most as one page holds.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn due_drafts(&mut self, now: Micros) -> Result<Vec<Draft>, StoreError> {
        let sql = select!("publish_at <= $1 ORDER BY publish_at, id LIMIT $2");
        self.tx.rows(sql, args![now, i64::from(MOST)]).await?.iter().map(draft).collect()
    }
}

impl Change {
    /// Writes a draft down.
    ///
    /// # Errors
    /// [`StoreError::TooMany`], [`StoreError::NotFound`] without such an org, or the database's.
    pub async fn create_draft(
        &mut self,
        org: OrgId,
        id: DraftId,
        spec: &DraftSpec,
        by: Actor,
    ) -> Result<Draft, StoreError> {
        let at = self.at();
        self.org(org).await?;
        let count = self.tx.count("SELECT count(*) AS n FROM drafts WHERE org_id = $1", args![org]).await?;
        if count >= DRAFTS_PER_ORG {
            return Err(StoreError::TooMany { what: "drafts of an org", most: DRAFTS_PER_ORG });
        }
        let sql = "INSERT INTO drafts (id, org_id, name, ops, publish_at, created_by, created_at) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7)";
        let ops = to_json("ops", &spec.ops)?;
        let args = args![id, org, plain(&spec.name), ops, spec.publish_at, by.to_string(), at];
        self.quiet().run(sql, args).await?;
        self.draft(org, id).await
    }

    /// Makes a draft say something else.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Stale`], or the database's.
    pub async fn update_draft(
        &mut self,
        org: OrgId,
        id: DraftId,
        spec: &DraftSpec,
        expected: Option<i64>,
    ) -> Result<Draft, StoreError> {
        check_version(NOUN, self.draft(org, id).await?.version, expected)?;
        let sql = "UPDATE drafts SET name = $3, ops = $4, publish_at = $5, version = version + 1 \
                   WHERE org_id = $1 AND id = $2";
        let args = args![org, id, plain(&spec.name), to_json("ops", &spec.ops)?, spec.publish_at];
        self.quiet().run(sql, args).await?;
        self.draft(org, id).await
    }

    /// Throws a draft away.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Stale`], or the database's.
    pub async fn delete_draft(&mut self, org: OrgId, id: DraftId, expected: Option<i64>) -> Result<(), StoreError> {
        check_version(NOUN, self.draft(org, id).await?.version, expected)?;
        self.quiet().run("DELETE FROM drafts WHERE org_id = $1 AND id = $2", args![org, id]).await?;
        Ok(())
    }
}

fn draft(row: &Row) -> Result<Draft, StoreError> {
    Ok(Draft {
        id: row.typed("id")?,
        org: row.typed("org_id")?,
        spec: DraftSpec { name: row.text("name")?, ops: row.json("ops")?, publish_at: row.time_if_any("publish_at")? },
        created_by: row.typed("created_by")?,
        created_at: row.time("created_at")?,
        version: row.int("version")?,
    })
}
