//! API tokens of members. Only a token's hash is kept; it may do what its own role and its member's both allow.

use mezu_model::{MemberId, OrgId, Role, TokenId};

use crate::change::{Change, View, plain};
use crate::db::Row;
use crate::error::OrTaken as _;
use crate::page::{Page, Slice};
use crate::value::args;
use crate::{Micros, Store, StoreError};

/// Live tokens that one member may have in one org.
pub const TOKENS_PER_MEMBER: usize = 100;

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    pub id: TokenId,
    pub member: MemberId,
    pub name: String,
    pub role: Role,
    /// SHA-256 of the token.
    pub hash: [u8; 32],
    /// The token's last characters, to tell it from others.
    pub hint: String,
    pub expires_at: Option<Micros>,
}

/// A token as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    pub id: TokenId,
    pub org: OrgId,
    pub member: MemberId,
    pub name: String,
    pub role: Role,
    pub hint: String,
    pub created_at: Micros,
    pub expires_at: Option<Micros>,
    pub used_at: Option<Micros>,
    pub revoked_at: Option<Micros>,
}

const NOUN: &str = "token";

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, org_id, member_id, name, role, hint, created_at, expires_at, used_at, revoked_at FROM tokens ",
            $rest
        )
    };
}

impl View {
    /// The token.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or the database's.
    pub async fn token(&mut self, org: OrgId, id: TokenId) -> Result<Token, StoreError> {
        let row = self.tx.row(select!("WHERE org_id = $1 AND id = $2"), args![org, id]).await?;
        token(&row.ok_or(StoreError::NotFound { what: NOUN })?)
    }

    /// An org's tokens, or one member's of them, the oldest first; revoked ones too.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tokens(
        &mut self,
        org: OrgId,
        member: Option<MemberId>,
        slice: &Slice,
    ) -> Result<Page<Token>, StoreError> {
        let sql = select!("WHERE org_id = $1 AND ($2 IS NULL OR member_id = $2) AND id > $3 ORDER BY id LIMIT $4");
        let rows = self.tx.rows(sql, args![org, member, slice.start(), slice.rows()]).await?;
        slice.page(&rows, token, |token| token.id.to_string())
    }

    /// The live token of that hash, and the role it has now: the lesser of its own and its member's. `None` also when
    /// the member is disabled or has left the org.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn bearer(&mut self, hash: &[u8; 32], now: Micros) -> Result<Option<(Token, Role)>, StoreError> {
        const SEAT: &str = "SELECT role FROM memberships JOIN members ON members.id = member_id \
            WHERE org_id = $1 AND member_id = $2 AND disabled_at IS NULL";
        let sql = select!("WHERE hash = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $2)");
        let Some(token) = self.tx.row(sql, args![hash, now]).await?.as_ref().map(token).transpose()? else {
            return Ok(None);
        };
        let seat = self.tx.row(SEAT, args![token.org, token.member]).await?;
        let role = seat.map(|row| row.typed::<Role>("role")).transpose()?;
        Ok(role.map(|role| {
            let role = role.min(token.role);
            (token, role)
        }))
    }
}

impl Change {
    /// Makes a token for a member of the org.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when the member is not of the org, [`StoreError::TooMany`], or the database's.
    pub async fn create_token(&mut self, org: OrgId, new: NewToken) -> Result<Token, StoreError> {
        const LIVE: &str = "SELECT count(*) AS n FROM tokens WHERE org_id = $1 AND member_id = $2 \
            AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > $3)";
        let at = self.at();
        self.membership(org, new.member).await?;
        if self.tx.count(LIVE, args![org, new.member, at]).await? >= TOKENS_PER_MEMBER {
            return Err(StoreError::TooMany { what: "tokens of a member", most: TOKENS_PER_MEMBER });
        }
        let NewToken { id, member, name, role, hash, hint, expires_at } = new;
        let args = args![id, org, member, plain(&name), role, &hash, plain(&hint), at, expires_at];
        let sql = "INSERT INTO tokens (id, org_id, member_id, name, role, hash, hint, created_at, expires_at) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        self.quiet().run(sql, args).await.or_taken(|| StoreError::Taken { what: NOUN })?;
        self.token(org, id).await
    }

    /// Takes a token's power away. Doing it twice changes nothing.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or the database's.
    pub async fn revoke_token(&mut self, org: OrgId, id: TokenId) -> Result<Token, StoreError> {
        let at = self.at();
        let sql = "UPDATE tokens SET revoked_at = $3 WHERE org_id = $1 AND id = $2 AND revoked_at IS NULL";
        self.quiet().run(sql, args![org, id, at]).await?;
        self.token(org, id).await
    }
}

impl Store {
    /// Notes that a token was used. It leaves no event; call it now and then, not at every request.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn touch_token(&self, id: TokenId, now: Micros) -> Result<(), StoreError> {
        let mut write = self.db.write().await?;
        let sql = "UPDATE tokens SET used_at = $2 WHERE id = $1 AND (used_at IS NULL OR used_at < $2)";
        write.run(sql, args![id, now]).await?;
        write.commit().await
    }
}

fn token(row: &Row) -> Result<Token, StoreError> {
    Ok(Token {
        id: row.typed("id")?,
        org: row.typed("org_id")?,
        member: row.typed("member_id")?,
        name: row.text("name")?,
        role: row.typed("role")?,
        hint: row.text("hint")?,
        created_at: row.time("created_at")?,
        expires_at: row.time_if_any("expires_at")?,
        used_at: row.time_if_any("used_at")?,
        revoked_at: row.time_if_any("revoked_at")?,
    })
}
