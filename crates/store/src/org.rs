//! Organisations.

use mezu_model::{Label, MemberId, OrgId, Role};
use mezu_snapshot::{OrgEntry, limits};

use crate::change::{Change, View, check_version};
use crate::db::{Row, Tx};
use crate::error::OrTaken as _;
use crate::page::{Page, Slice};
use crate::value::args;
use crate::{Micros, StoreError};

/// An organisation as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Org {
    pub id: OrgId,
    pub name: Label,
    pub created_at: Micros,
    pub version: i64,
}

const NOUN: &str = "org";

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, name, created_at, version FROM orgs ", $rest)
    };
}

impl View {
    /// The org.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or the database's.
    pub async fn org(&mut self, id: OrgId) -> Result<Org, StoreError> {
        let row = self.tx.row(select!("WHERE id = $1"), args![id]).await?;
        org(&row.ok_or(StoreError::NotFound { what: NOUN })?)
    }

    /// The org of that name, if there is one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn org_by_name(&mut self, name: &Label) -> Result<Option<Org>, StoreError> {
        self.tx.row(select!("WHERE name = $1"), args![name]).await?.as_ref().map(org).transpose()
    }

    /// All orgs, the oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn orgs(&mut self, slice: &Slice) -> Result<Page<Org>, StoreError> {
        let sql = select!("WHERE id > $1 ORDER BY id LIMIT $2");
        let rows = self.tx.rows(sql, args![slice.start(), slice.rows()]).await?;
        slice.page(&rows, org, |org| org.id.to_string())
    }

    /// The orgs that a member belongs to, the oldest first, and the member's role in each.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn orgs_of(&mut self, member: MemberId, slice: &Slice) -> Result<Page<(Org, Role)>, StoreError> {
        const SQL: &str = "SELECT id, name, orgs.created_at, orgs.version, role FROM orgs JOIN memberships \
            ON org_id = id WHERE member_id = $1 AND id > $2 ORDER BY id LIMIT $3";
        let rows = self.tx.rows(SQL, args![member, slice.start(), slice.rows()]).await?;
        slice.page(&rows, |row| Ok((org(row)?, row.typed("role")?)), |(org, _)| org.id.to_string())
    }
}

impl Change {
    /// Makes an org.
    ///
    /// # Errors
    /// [`StoreError::Taken`], [`StoreError::TooMany`], or the database's.
    pub async fn create_org(&mut self, id: OrgId, name: &Label) -> Result<Org, StoreError> {
        let at = self.at();
        if self.tx.count("SELECT count(*) AS n FROM orgs", []).await? >= limits::ORGS {
            return Err(StoreError::TooMany { what: "orgs", most: limits::ORGS });
        }
        let sql = "INSERT INTO orgs (id, name, created_at) VALUES ($1, $2, $3)";
        self.heard().run(sql, args![id, name, at]).await.or_taken(|| StoreError::Taken { what: NOUN })?;
        self.org(id).await
    }

    /// Gives an org another name.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Stale`], [`StoreError::Taken`], or the database's.
    pub async fn rename_org(&mut self, id: OrgId, name: &Label, expected: Option<i64>) -> Result<Org, StoreError> {
        check_version(NOUN, self.org(id).await?.version, expected)?;
        let sql = "UPDATE orgs SET name = $2, version = version + 1 WHERE id = $1";
        self.heard().run(sql, args![id, name]).await.or_taken(|| StoreError::Taken { what: NOUN })?;
        self.org(id).await
    }

    /// Deletes an org in which nothing is served any more, with its people's places, tokens and invitations, its service
    /// accounts, drafts and record of publishes. Its audit events stay.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Stale`], [`StoreError::InUse`] while it has routes, workloads, hostnames
    /// (those given up are kept back for a while, see [`crate::QUARANTINE`]) or live keys, or the database's.
    pub async fn delete_org(&mut self, id: OrgId, expected: Option<i64>) -> Result<(), StoreError> {
        const NEEDED_BY: [(&str, &str); 4] = [
            ("SELECT count(*) AS n FROM routes WHERE org_id = $1", "routes"),
            ("SELECT count(*) AS n FROM workloads WHERE org_id = $1", "workloads"),
            ("SELECT count(*) AS n FROM hostnames WHERE org_id = $1", "hostnames, also those given up lately"),
            ("SELECT count(*) AS n FROM keys WHERE org_id = $1 AND revoked_at IS NULL", "live keys"),
        ];
        // What refers to others first.
        const GOES_ALONG: [&str; 8] = [
            "DELETE FROM keys WHERE org_id = $1",
            "DELETE FROM accounts WHERE org_id = $1",
            "DELETE FROM drafts WHERE org_id = $1",
            "DELETE FROM publishes WHERE org_id = $1",
            "DELETE FROM tokens WHERE org_id = $1",
            "DELETE FROM invitations WHERE org_id = $1",
            "DELETE FROM memberships WHERE org_id = $1",
            "DELETE FROM orgs WHERE id = $1",
        ];
        check_version(NOUN, self.org(id).await?.version, expected)?;
        for (sql, by) in NEEDED_BY {
            if self.tx.count(sql, args![id]).await? > 0 {
                return Err(StoreError::InUse { what: NOUN, by });
            }
        }
        for sql in GOES_ALONG {
            self.heard().run(sql, args![id]).await?;
        }
        Ok(())
    }
}

pub(crate) async fn entries(tx: &mut Tx) -> Result<Vec<OrgEntry>, StoreError> {
    let rows = tx.rows("SELECT id, name FROM orgs ORDER BY id", []).await?;
    rows.iter().map(|row| Ok(OrgEntry { id: row.typed("id")?, name: row.typed("name")? })).collect()
}

fn org(row: &Row) -> Result<Org, StoreError> {
    Ok(Org {
        id: row.typed("id")?,
        name: row.typed("name")?,
        created_at: row.time("created_at")?,
        version: row.int("version")?,
    })
}
