//! Sessions: who is signed in. Only the hash of a session's secret is kept.

use mezu_model::MemberId;

use crate::change::{Change, View, plain};
use crate::db::Row;
use crate::member::Member;
use crate::value::args;
use crate::{Micros, Store, StoreError};

/// Sessions that one member may have; a further one ends the oldest.
pub const SESSIONS_PER_MEMBER: usize = 50;

/// A session to be begun.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// SHA-256 of the secret in the cookie.
    pub hash: [u8; 32],
    pub member: MemberId,
    pub expires_at: Micros,
    /// The address it was begun from.
    pub source: String,
    /// What the browser calls itself.
    pub agent: String,
}

/// A session as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    pub hash: [u8; 32],
    pub member: MemberId,
    pub created_at: Micros,
    pub seen_at: Micros,
    pub expires_at: Micros,
    pub source: String,
    pub agent: String,
}

macro_rules! select {
    ($rest:literal) => {
        concat!("SELECT hash, member_id, created_at, seen_at, expires_at, source, agent FROM sessions ", $rest)
    };
}

impl View {
    /// The live session of that hash and its member. Without one, or when the member is disabled: `None`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn signed_in(&mut self, hash: &[u8; 32], now: Micros) -> Result<Option<(Session, Member)>, StoreError> {
        let sql = select!("WHERE hash = $1 AND expires_at > $2");
        let Some(session) = self.tx.row(sql, args![hash, now]).await?.as_ref().map(session).transpose()? else {
            return Ok(None);
        };
        let member = self.member(session.member).await?;
        Ok(if member.disabled_at.is_none() { Some((session, member)) } else { None })
    }

    /// A member's live sessions, the newest first. There are at most [`SESSIONS_PER_MEMBER`].
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn sessions(&mut self, member: MemberId, now: Micros) -> Result<Vec<Session>, StoreError> {
        let sql = select!("WHERE member_id = $1 AND expires_at > $2 ORDER BY created_at DESC, hash");
        self.tx.rows(sql, args![member, now]).await?.iter().map(session).collect()
    }
}

impl Change {
    /// Begins a session. Beyond [`SESSIONS_PER_MEMBER`] the oldest ends.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] without such a member, or the database's.
    pub async fn create_session(&mut self, new: NewSession) -> Result<Session, StoreError> {
        const OLDEST: &str = "DELETE FROM sessions WHERE member_id = $1 AND hash NOT IN \
            (SELECT hash FROM sessions WHERE member_id = $1 ORDER BY created_at DESC, hash LIMIT $2)";
        let at = self.at();
        let NewSession { hash, member, expires_at, source, agent } = new;
        self.member(member).await?;
        let keep = i64::try_from(SESSIONS_PER_MEMBER - 1).unwrap_or(i64::MAX);
        self.quiet().run(OLDEST, args![member, keep]).await?;
        let made = Session {
            hash,
            member,
            created_at: at,
            seen_at: at,
            expires_at,
            source: plain(&source),
            agent: plain(&agent),
        };
        let args = args![&hash, member, at, at, expires_at, &made.source, &made.agent];
        let sql = "INSERT INTO sessions (hash, member_id, created_at, seen_at, expires_at, source, agent) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7)";
        self.quiet().run(sql, args).await?;
        Ok(made)
    }

    /// Ends a session. `false`: there was none.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn end_session(&mut self, hash: &[u8; 32]) -> Result<bool, StoreError> {
        Ok(self.quiet().run("DELETE FROM sessions WHERE hash = $1", args![hash]).await? == 1)
    }

    /// Ends a member's sessions, but for one, and says how many.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn end_sessions(&mut self, member: MemberId, but: Option<&[u8; 32]>) -> Result<u64, StoreError> {
        // No hash is all zero.
        let but = but.unwrap_or(&[0; 32]);
        self.quiet().run("DELETE FROM sessions WHERE member_id = $1 AND hash <> $2", args![member, but]).await
    }
}

impl Store {
    /// Notes that a session was used. It is no change of configuration, so it leaves no event; call it now and then, not
    /// at every request.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn touch_session(&self, hash: &[u8; 32], now: Micros) -> Result<(), StoreError> {
        let mut write = self.db.write().await?;
        write.run("UPDATE sessions SET seen_at = $2 WHERE hash = $1 AND seen_at < $2", args![hash, now]).await?;
        write.commit().await
    }
}

fn session(row: &Row) -> Result<Session, StoreError> {
    Ok(Session {
        hash: row.bytes32("hash")?,
        member: row.typed("member_id")?,
        created_at: row.time("created_at")?,
        seen_at: row.time("seen_at")?,
        expires_at: row.time("expires_at")?,
        source: row.text("source")?,
        agent: row.text("agent")?,
    })
}
