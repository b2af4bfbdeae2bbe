//! Taking away what has had its time. Level-triggered: call it on a timer; a missed call only makes the next do more.

use std::time::Duration;

use crate::audit::{Actor, NewEvent};
use crate::change::{Change, View};
use crate::hostname::{QUARANTINE, micros};
use crate::idempotency::KEPT;
use crate::key;
use crate::value::args;
use crate::{Micros, Store, StoreError};

/// How long a used or expired invitation is still listed.
const INVITATIONS: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl Store {
    /// Revokes the keys that have expired, each with its event, and deletes expired sessions, answers that are not
    /// remembered any more, old invitations and names whose quarantine is over. Says how many keys it has revoked.
    ///
    /// # Errors
    /// When the database does not do it; then the next call will.
    pub async fn sweep(&self, now: Micros) -> Result<u64, StoreError> {
        // Most calls find nothing, and those hold up no write.
        if !self.view().await?.is_sweepable(now).await? {
            return Ok(0);
        }
        let revoked = self.expire_keys(now).await?;
        let mut write = self.db.write().await?;
        let ago = |time| Micros(now.0.saturating_sub(micros(time)));
        write.run("DELETE FROM sessions WHERE expires_at <= $1", args![now]).await?;
        write.run("DELETE FROM idempotency WHERE at <= $1", args![ago(KEPT)]).await?;
        write.run("DELETE FROM invitations WHERE expires_at <= $1", args![ago(INVITATIONS)]).await?;
        let names = "DELETE FROM hostnames WHERE state = 'released' AND released_at <= $1";
        write.run(names, args![ago(QUARANTINE)]).await?;
        write.commit().await?;
        Ok(revoked)
    }

    async fn expire_keys(&self, now: Micros) -> Result<u64, StoreError> {
        const SQL: &str = "SELECT id, org_id, account_id, name, created_at, expires_at, used_at, revoked_at FROM keys \
            WHERE revoked_at IS NULL AND expires_at <= $1 ORDER BY id LIMIT 1000";
        let mut change: Change = self.change(now).await?;
        let expired = change.tx.rows(SQL, args![now]).await?.iter().map(key::key).collect::<Result<Vec<_>, _>>()?;
        let event = |key: &key::Key| NewEvent::done("key.expire", key.id).of(key.org).by(Actor::System);
        let Some((last, others)) = expired.split_last() else { return Ok(0) };
        for key in others {
            change.revoke_key(key.org, key.id).await?;
            change.log(&event(key)).await?;
        }
        change.revoke_key(last.org, last.id).await?;
        change.commit(event(last)).await?;
        Ok(u64::try_from(expired.len()).unwrap_or(u64::MAX))
    }
}

impl View {
    async fn is_sweepable(&mut self, now: Micros) -> Result<bool, StoreError> {
        const SQL: &str = "SELECT (SELECT count(*) FROM keys WHERE revoked_at IS NULL AND expires_at <= $1) \
            + (SELECT count(*) FROM sessions WHERE expires_at <= $1) \
            + (SELECT count(*) FROM idempotency WHERE at <= $2) \
            + (SELECT count(*) FROM invitations WHERE expires_at <= $3) \
            + (SELECT count(*) FROM hostnames WHERE state = 'released' AND released_at <= $4) AS n";
        let ago = |time| Micros(now.0.saturating_sub(micros(time)));
        Ok(self.tx.count(SQL, args![now, ago(KEPT), ago(INVITATIONS), ago(QUARANTINE)]).await? > 0)
    }
}
