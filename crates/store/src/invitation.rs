//! Invitations: how people come to an org. Each is for one address, with a role fixed when it was made, and works once.

use mezu_model::{Email, InvitationId, MemberId, OrgId, Role};

use crate::change::{Change, View};
use crate::db::Row;
use crate::error::OrTaken as _;
use crate::page::{Page, Slice};
use crate::value::args;
use crate::{Micros, StoreError};

/// Open invitations that one org may have.
pub const INVITATIONS_PER_ORG: usize = 500;

/// An invitation to be made.
#[derive(Clone, Debug)]
pub struct NewInvitation {
    pub id: InvitationId,
    pub email: Email,
    pub role: Role,
    /// SHA-256 of the secret in the link.
    pub hash: [u8; 32],
    /// `None`: the operator.
    pub invited_by: Option<MemberId>,
    pub expires_at: Micros,
}

/// An invitation as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    pub id: InvitationId,
    pub org: OrgId,
    pub email: Email,
    pub role: Role,
    pub invited_by: Option<MemberId>,
    pub created_at: Micros,
    pub expires_at: Micros,
    pub used_at: Option<Micros>,
}

const NOUN: &str = "invitation";

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT id, org_id, email, role, invited_by, created_at, expires_at, used_at FROM invitations ", $rest)
    };
}

impl View {
    /// The invitation.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or the database's.
    pub async fn invitation(&mut self, org: OrgId, id: InvitationId) -> Result<Invitation, StoreError> {
        let row = self.tx.row(select!("WHERE org_id = $1 AND id = $2"), args![org, id]).await?;
        invitation(&row.ok_or(StoreError::NotFound { what: NOUN })?)
    }

    /// An org's invitations, the oldest first; used and expired ones too, until they are swept away.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn invitations(&mut self, org: OrgId, slice: &Slice) -> Result<Page<Invitation>, StoreError> {
        let sql = select!("WHERE org_id = $1 AND id > $2 ORDER BY id LIMIT $3");
        let rows = self.tx.rows(sql, args![org, slice.start(), slice.rows()]).await?;
        slice.page(&rows, invitation, |one| one.id.to_string())
    }

    /// The open invitation of that hash, if there is one. Looking at it does not use it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn open_invitation(&mut self, hash: &[u8; 32], now: Micros) -> Result<Option<Invitation>, StoreError> {
        let sql = select!("WHERE hash = $1 AND used_at IS NULL AND expires_at > $2");
        self.tx.row(sql, args![hash, now]).await?.as_ref().map(invitation).transpose()
    }
}

impl Change {
    /// Invites a person to an org.
    ///
    /// # Errors
    /// [`StoreError::TooMany`], [`StoreError::NotFound`] without such an org, or the database's.
    pub async fn create_invitation(&mut self, org: OrgId, new: NewInvitation) -> Result<Invitation, StoreError> {
        const OPEN: &str =
            "SELECT count(*) AS n FROM invitations WHERE org_id = $1 AND used_at IS NULL AND expires_at > $2";
        let at = self.at();
        self.org(org).await?;
        if self.tx.count(OPEN, args![org, at]).await? >= INVITATIONS_PER_ORG {
            return Err(StoreError::TooMany { what: "open invitations of an org", most: INVITATIONS_PER_ORG });
        }
        let NewInvitation { id, email, role, hash, invited_by, expires_at } = new;
        let args = args![id, org, &email, role, &hash, invited_by, at, expires_at];
        let sql = "INSERT INTO invitations (id, org_id, email, role, hash, invited_by, created_at, expires_at) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        self.quiet().run(sql, args).await.or_taken(|| StoreError::Taken { what: NOUN })?;
        self.invitation(org, id).await
    }

    /// Uses an open invitation, once: whoever comes second finds none.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is not open any more, or the database's.
    pub async fn use_invitation(&mut self, hash: &[u8; 32]) -> Result<Invitation, StoreError> {
        let at = self.at();
        let Some(open) = self.open_invitation(hash, at).await? else {
            return Err(StoreError::NotFound { what: NOUN });
        };
        let sql = "UPDATE invitations SET used_at = $2 WHERE id = $1 AND used_at IS NULL";
        self.quiet().run(sql, args![open.id, at]).await?;
        self.invitation(open.org, open.id).await
    }

    /// Takes an invitation back.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or the database's.
    pub async fn revoke_invitation(&mut self, org: OrgId, id: InvitationId) -> Result<(), StoreError> {
        let sql = "DELETE FROM invitations WHERE org_id = $1 AND id = $2 AND used_at IS NULL";
        match self.quiet().run(sql, args![org, id]).await? {
            0 => Err(StoreError::NotFound { what: NOUN }),
            _ => Ok(()),
        }
    }
}

fn invitation(row: &Row) -> Result<Invitation, StoreError> {
    Ok(Invitation {
        id: row.typed("id")?,
        org: row.typed("org_id")?,
        email: row.typed("email")?,
        role: row.typed("role")?,
        invited_by: row.typed_if_any("invited_by")?,
        created_at: row.time("created_at")?,
        expires_at: row.time("expires_at")?,
        used_at: row.time_if_any("used_at")?,
    })
}
