//! Members: people who administer, and the orgs that they belong to.

use std::fmt;

use mezu_model::{Email, MemberId};

use crate::change::{Change, View, check_version, plain};
use crate::db::Row;
use crate::error::OrTaken as _;
use crate::value::args;
use crate::{Micros, StoreError};

/// A member to be made.
#[derive(Clone)]
pub struct NewMember {
    pub id: MemberId,
    pub email: Email,
    pub name: String,
    /// The password's hash in PHC form; the password itself never comes here.
    pub password: Option<String>,
}

/// A member as stored, without what it takes to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    pub id: MemberId,
    pub email: Email,
    pub name: String,
    pub has_password: bool,
    pub has_totp: bool,
    /// Since then the member cannot sign in.
    pub disabled_at: Option<Micros>,
    pub created_at: Micros,
    pub version: i64,
}

/// What it takes to sign in as a member. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The password's hash in PHC form.
    pub password: Option<String>,
    pub totp_secret: Option<String>,
    /// The newest time step whose code was accepted.
    pub totp_step: Option<i64>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

pub(crate) const NOUN: &str = "member";

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT members.id, email, members.name, CAST(CASE WHEN password IS NULL THEN 0 ELSE 1 END AS BIGINT) AS \
             has_password, CAST(CASE WHEN totp_secret IS NULL THEN 0 ELSE 1 END AS BIGINT) AS has_totp, disabled_at, \
             members.created_at, members.version FROM members ",
            $rest
        )
    };
}

impl View {
    /// The member.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or the database's.
    pub async fn member(&mut self, id: MemberId) -> Result<Member, StoreError> {
        let row = self.tx.row(select!("WHERE id = $1"), args![id]).await?;
        member(&row.ok_or(StoreError::NotFound { what: NOUN })?)
    }

    /// The member with that address, if there is one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn member_by_email(&mut self, email: &Email) -> Result<Option<Member>, StoreError> {
        self.tx.row(select!("WHERE email = $1"), args![email]).await?.as_ref().map(member).transpose()
    }

    /// What it takes to sign in as the member.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or the database's.
    pub async fn credentials(&mut self, id: MemberId) -> Result<Credentials, StoreError> {
        let sql = "SELECT password, totp_secret, totp_step FROM members WHERE id = $1";
        let row = self.tx.row(sql, args![id]).await?.ok_or(StoreError::NotFound { what: NOUN })?;
        Ok(Credentials {
            password: row.text_if_any("password")?,
            totp_secret: row.text_if_any("totp_secret")?,
            totp_step: row.int_if_any("totp_step")?,
        })
    }

    /// Whether anybody has ever been made a member.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn has_members(&mut self) -> Result<bool, StoreError> {
        Ok(self.tx.count("SELECT count(*) AS n FROM members", []).await? > 0)
    }
}

impl Change {
    /// Makes a member, of no org yet.
    ///
    /// # Errors
    /// [`StoreError::Taken`] when the address is another member's, or the database's.
    pub async fn create_member(&mut self, new: NewMember) -> Result<Member, StoreError> {
        let at = self.at();
        let NewMember { id, email, name, password } = new;
        let sql = "INSERT INTO members (id, email, name, password, created_at) VALUES ($1, $2, $3, $4, $5)";
        let args = args![id, &email, plain(&name), password, at];
        self.quiet().run(sql, args).await.or_taken(|| StoreError::Taken { what: NOUN })?;
        self.member(id).await
    }

    /// Gives a member another name and address.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Stale`], [`StoreError::Taken`], or the database's.
    pub async fn update_member(
        &mut self,
        id: MemberId,
        name: &str,
        email: &Email,
        expected: Option<i64>,
    ) -> Result<Member, StoreError> {
        check_version(NOUN, self.member(id).await?.version, expected)?;
        let sql = "UPDATE members SET name = $2, email = $3, version = version + 1 WHERE id = $1";
        let args = args![id, plain(name), email];
        self.quiet().run(sql, args).await.or_taken(|| StoreError::Taken { what: NOUN })?;
        self.member(id).await
    }

    /// Sets the hash of the member's password (PHC), or takes it away.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or the database's.
    pub async fn set_password(&mut self, id: MemberId, hash: Option<String>) -> Result<(), StoreError> {
        let sql = "UPDATE members SET password = $2, version = version + 1 WHERE id = $1";
        let changed = self.quiet().run(sql, args![id, hash]).await?;
        found(changed)
    }

    /// Keeps another hash of the same password, made with newer parameters. Nothing is changed if the password was.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn rehash_password(&mut self, id: MemberId, old: &str, new: &str) -> Result<(), StoreError> {
        let sql = "UPDATE members SET password = $3 WHERE id = $1 AND password = $2";
        self.quiet().run(sql, args![id, old, new]).await?;
        Ok(())
    }

    /// Sets the secret of the member's time-based codes, or takes it away. The recovery codes of the one before go too.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or the database's.
    pub async fn set_totp(&mut self, id: MemberId, secret: Option<String>) -> Result<(), StoreError> {
        let sql = "UPDATE members SET totp_secret = $2, totp_step = NULL, version = version + 1 WHERE id = $1";
        let changed = self.quiet().run(sql, args![id, secret]).await?;
        found(changed)?;
        self.set_recovery_codes(id, &[]).await
    }

    /// Notes that the code of a time step was used. `false`: that step or a later one was used before, so this code
    /// must not count.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn use_totp_step(&mut self, id: MemberId, step: i64) -> Result<bool, StoreError> {
        let sql = "UPDATE members SET totp_step = $2 WHERE id = $1 AND (totp_step IS NULL OR totp_step < $2)";
        Ok(self.quiet().run(sql, args![id, step]).await? == 1)
    }

    /// Keeps a member from signing in, and ends the sessions there are. Doing it twice changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::LastOwner`] when an org would be left without one, or the database's.
    pub async fn disable_member(&mut self, id: MemberId) -> Result<Member, StoreError> {
        let at = self.at();
        if self.member(id).await?.disabled_at.is_none() {
            self.keep_owners(id).await?;
            let sql = "UPDATE members SET disabled_at = $2, version = version + 1 WHERE id = $1";
            self.quiet().run(sql, args![id, at]).await?;
            self.end_sessions(id, None).await?;
        }
        self.member(id).await
    }

    /// Lets a member sign in again. Doing it twice changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or the database's.
    pub async fn enable_member(&mut self, id: MemberId) -> Result<Member, StoreError> {
        let sql = "UPDATE members SET disabled_at = NULL, version = version + 1 \
                   WHERE id = $1 AND disabled_at IS NOT NULL";
        self.quiet().run(sql, args![id]).await?;
        self.member(id).await
    }

    /// Refuses when some org has no other owner who can sign in.
    async fn keep_owners(&mut self, id: MemberId) -> Result<(), StoreError> {
        const SQL: &str = "SELECT count(*) AS n FROM memberships mine WHERE mine.member_id = $1 AND mine.role = 'owner' \
            AND NOT EXISTS (SELECT 1 FROM memberships other JOIN members ON members.id = other.member_id \
            WHERE other.org_id = mine.org_id AND other.role = 'owner' AND other.member_id <> $1 \
            AND members.disabled_at IS NULL)";
        if self.tx.count(SQL, args![id]).await? > 0 { Err(StoreError::LastOwner) } else { Ok(()) }
    }
}

fn found(changed: u64) -> Result<(), StoreError> {
    if changed == 0 { Err(StoreError::NotFound { what: NOUN }) } else { Ok(()) }
}

pub(crate) fn member(row: &Row) -> Result<Member, StoreError> {
    Ok(Member {
        id: row.typed("id")?,
        email: row.typed("email")?,
        name: row.text("name")?,
        has_password: row.flag("has_password")?,
        has_totp: row.flag("has_totp")?,
        disabled_at: row.time_if_any("disabled_at")?,
        created_at: row.time("created_at")?,
        version: row.int("version")?,
    })
}
