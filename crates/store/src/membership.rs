//! Who belongs to which org, and as what. An org always keeps an owner who can sign in.

use mezu_model::{MemberId, OrgId, Role};

use crate::change::{Change, View, check_version};
use crate::db::Row;
use crate::error::OrTaken as _;
use crate::member::{self, Member};
use crate::page::{Page, Slice};
use crate::value::args;
use crate::{Micros, StoreError};

/// A member's place in an org.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    pub org: OrgId,
    pub member: Member,
    pub role: Role,
    /// When the member came to the org.
    pub since: Micros,
    /// Of the membership: grows when the role changes.
    pub version: i64,
}

const NOUN: &str = "member of the org";

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT members.id, email, members.name, CAST(CASE WHEN password IS NULL THEN 0 ELSE 1 END AS BIGINT) AS \
             has_password, CAST(CASE WHEN totp_secret IS NULL THEN 0 ELSE 1 END AS BIGINT) AS has_totp, disabled_at, \
             members.created_at, members.version, org_id, role, memberships.created_at AS since, memberships.version \
             AS seat_version FROM memberships JOIN members ON members.id = member_id ",
            $rest
        )
    };
}

impl View {
    /// A member's place in an org.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or the database's.
    pub async fn membership(&mut self, org: OrgId, member: MemberId) -> Result<Membership, StoreError> {
        let row = self.tx.row(select!("WHERE org_id = $1 AND member_id = $2"), args![org, member]).await?;
        membership(&row.ok_or(StoreError::NotFound { what: NOUN })?)
    }

    /// The members of an org, the oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn members(&mut self, org: OrgId, slice: &Slice) -> Result<Page<Membership>, StoreError> {
        let sql = select!("WHERE org_id = $1 AND member_id > $2 ORDER BY member_id LIMIT $3");
        let rows = self.tx.rows(sql, args![org, slice.start(), slice.rows()]).await?;
        slice.page(&rows, membership, |one| one.member.id.to_string())
    }
}

impl Change {
    /// Takes a member into an org.
    ///
    /// # Errors
    /// [`StoreError::Taken`] when the member is there already, [`StoreError::NotFound`] without such a member or org, or
    /// the database's.
    pub async fn add_membership(&mut self, org: OrgId, member: MemberId, role: Role) -> Result<Membership, StoreError> {
        let at = self.at();
        self.org(org).await?;
        self.member(member).await?;
        let sql = "INSERT INTO memberships (org_id, member_id, role, created_at) VALUES ($1, $2, $3, $4)";
        let args = args![org, member, role, at];
        self.quiet().run(sql, args).await.or_taken(|| StoreError::Taken { what: NOUN })?;
        self.membership(org, member).await
    }

    /// Gives a member of an org another role.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Stale`], [`StoreError::LastOwner`], or the database's.
    pub async fn set_role(
        &mut self,
        org: OrgId,
        member: MemberId,
        role: Role,
        expected: Option<i64>,
    ) -> Result<Membership, StoreError> {
        let current = self.membership(org, member).await?;
        check_version(NOUN, current.version, expected)?;
        if current.role == Role::Owner && role != Role::Owner {
            self.keep_owner(org, member).await?;
        }
        let sql = "UPDATE memberships SET role = $3, version = version + 1 WHERE org_id = $1 AND member_id = $2";
        self.quiet().run(sql, args![org, member, role]).await?;
        self.membership(org, member).await
    }

    /// Takes a member out of an org. The member's tokens for it are revoked.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Stale`], [`StoreError::LastOwner`], or the database's.
    pub async fn remove_membership(
        &mut self,
        org: OrgId,
        member: MemberId,
        expected: Option<i64>,
    ) -> Result<(), StoreError> {
        let at = self.at();
        let current = self.membership(org, member).await?;
        check_version(NOUN, current.version, expected)?;
        if current.role == Role::Owner {
            self.keep_owner(org, member).await?;
        }
        let tokens = "UPDATE tokens SET revoked_at = $3 WHERE org_id = $1 AND member_id = $2 AND revoked_at IS NULL";
        self.quiet().run(tokens, args![org, member, at]).await?;
        let sql = "DELETE FROM memberships WHERE org_id = $1 AND member_id = $2";
        self.quiet().run(sql, args![org, member]).await?;
        Ok(())
    }

    /// Refuses when the org has no other owner who can sign in.
    async fn keep_owner(&mut self, org: OrgId, member: MemberId) -> Result<(), StoreError> {
        const SQL: &str = "SELECT count(*) AS n FROM memberships JOIN members ON members.id = member_id \
            WHERE org_id = $1 AND role = 'owner' AND member_id <> $2 AND disabled_at IS NULL";
        if self.tx.count(SQL, args![org, member]).await? == 0 { Err(StoreError::LastOwner) } else { Ok(()) }
    }
}

fn membership(row: &Row) -> Result<Membership, StoreError> {
    Ok(Membership {
        org: row.typed("org_id")?,
        member: member::member(row)?,
        role: row.typed("role")?,
        since: row.time("since")?,
        version: row.int("seat_version")?,
    })
}
