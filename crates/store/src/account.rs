//! Service accounts: what machines are known as. Their keys are in [`crate::key`].

use mezu_model::{AccountId, Label, OrgId};

use crate::change::{Change, View, check_version};
use crate::db::Row;
use crate::error::OrTaken as _;
use crate::page::{Page, Slice};
use crate::value::{args, to_json};
use crate::{Micros, StoreError};

/// What a service account is called and may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountSpec {
    pub name: Label,
    /// The workloads that its keys may serve; `None`: any.
    pub workloads: Option<Vec<Label>>,
    /// The networks that its keys may come from; `None`: anywhere.
    pub cidrs: Option<Vec<String>>,
}

/// A service account as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub id: AccountId,
    pub org: OrgId,
    pub spec: AccountSpec,
    pub created_at: Micros,
    pub version: i64,
}

pub(crate) const NOUN: &str = "service account";

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, org_id, name, workloads, cidrs, created_at, version FROM accounts \
             WHERE org_id = $1 AND deleted_at IS NULL AND ",
            $rest
        )
    };
}

impl View {
    /// The account.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or the database's.
    pub async fn account(&mut self, org: OrgId, id: AccountId) -> Result<Account, StoreError> {
        let row = self.tx.row(select!("id = $2"), args![org, id]).await?;
        account(&row.ok_or(StoreError::NotFound { what: NOUN })?)
    }

    /// The org's account of that name, if there is one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn account_by_name(&mut self, org: OrgId, name: &Label) -> Result<Option<Account>, StoreError> {
        self.tx.row(select!("name = $2"), args![org, name]).await?.as_ref().map(account).transpose()
    }

    /// An org's accounts, the oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn accounts(&mut self, org: OrgId, slice: &Slice) -> Result<Page<Account>, StoreError> {
        let sql = select!("id > $2 ORDER BY id LIMIT $3");
        let rows = self.tx.rows(sql, args![org, slice.start(), slice.rows()]).await?;
        slice.page(&rows, account, |one| one.id.to_string())
    }
}

impl Change {
    /// Makes a service account.
    ///
    /// # Errors
    /// [`StoreError::Taken`], [`StoreError::NotFound`] without such an org, or the database's.
    pub async fn create_account(
        &mut self,
        org: OrgId,
        id: AccountId,
        spec: &AccountSpec,
    ) -> Result<Account, StoreError> {
        let at = self.at();
        self.org(org).await?;
        let (workloads, cidrs) = scope(spec)?;
        let sql = "INSERT INTO accounts (id, org_id, name, workloads, cidrs, created_at) \
                   VALUES ($1, $2, $3, $4, $5, $6)";
        let args = args![id, org, &spec.name, workloads, cidrs, at];
        self.quiet().run(sql, args).await.or_taken(|| StoreError::Taken { what: NOUN })?;
        self.account(org, id).await
    }

    /// Changes what an account is called and may do.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Stale`], [`StoreError::Taken`], or the database's.
    pub async fn update_account(
        &mut self,
        org: OrgId,
        id: AccountId,
        spec: &AccountSpec,
        expected: Option<i64>,
    ) -> Result<Account, StoreError> {
        check_version(NOUN, self.account(org, id).await?.version, expected)?;
        let (workloads, cidrs) = scope(spec)?;
        let sql = "UPDATE accounts SET name = $3, workloads = $4, cidrs = $5, version = version + 1 \
                   WHERE org_id = $1 AND id = $2";
        let args = args![org, id, &spec.name, workloads, cidrs];
        self.heard().run(sql, args).await.or_taken(|| StoreError::Taken { what: NOUN })?;
        self.account(org, id).await
    }

    /// Deletes an account and revokes its keys.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Stale`], or the database's.
    pub async fn delete_account(&mut self, org: OrgId, id: AccountId, expected: Option<i64>) -> Result<(), StoreError> {
        let at = self.at();
        check_version(NOUN, self.account(org, id).await?.version, expected)?;
        let keys = "UPDATE keys SET revoked_at = $3 WHERE org_id = $1 AND account_id = $2 AND revoked_at IS NULL";
        self.heard().run(keys, args![org, id, at]).await?;
        // The row stays: its keys, and what they have done, still name it.
        let sql = "UPDATE accounts SET deleted_at = $3, version = version + 1 WHERE org_id = $1 AND id = $2";
        self.heard().run(sql, args![org, id, at]).await?;
        Ok(())
    }
}

fn scope(spec: &AccountSpec) -> Result<(Option<String>, Option<String>), StoreError> {
    let workloads = spec.workloads.as_ref().map(|list| to_json("workloads", list)).transpose()?;
    let cidrs = spec.cidrs.as_ref().map(|list| to_json("cidrs", list)).transpose()?;
    Ok((workloads, cidrs))
}

fn account(row: &Row) -> Result<Account, StoreError> {
    Ok(Account {
        id: row.typed("id")?,
        org: row.typed("org_id")?,
        spec: AccountSpec {
            name: row.typed("name")?,
            workloads: row.json_if_any("workloads")?,
            cidrs: row.json_if_any("cidrs")?,
        },
        created_at: row.time("created_at")?,
        version: row.int("version")?,
    })
}
