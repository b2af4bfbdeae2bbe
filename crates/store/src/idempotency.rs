//! Answers to requests that came with an idempotency key, so that asking again does nothing again.
//!
//! An answer is kept in the very transaction that makes its change: there is no moment at which one is there without
//! the other.

use std::time::Duration;

use crate::change::{Change, View};
use crate::hostname::micros;
use crate::value::args;
use crate::{Micros, StoreError};

/// How long an answer is kept.
pub const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// An answer as kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// SHA-256 of the request that it answered.
    pub request: [u8; 32],
    pub status: u16,
    pub body: String,
}

impl View {
    /// The answer that was given to that key, if it was in the last [`KEPT`]. `scope` is whose key it is: the org and
    /// the actor.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn remembered(&mut self, scope: &str, key: &str, now: Micros) -> Result<Option<Remembered>, StoreError> {
        let sql = "SELECT request, status, body FROM idempotency WHERE scope = $1 AND key = $2 AND at > $3";
        let since = Micros(now.0.saturating_sub(micros(KEPT)));
        let Some(row) = self.tx.row(sql, args![scope, key, since]).await? else { return Ok(None) };
        let status = row.int("status")?;
        let status =
            u16::try_from(status).map_err(|_| StoreError::Corrupt { what: "status", text: status.to_string() })?;
        Ok(Some(Remembered { request: row.bytes32("request")?, status, body: row.text("body")? }))
    }
}

impl Change {
    /// Keeps the answer to a key, in place of one that is not remembered any more.
    ///
    /// # Errors
    /// [`StoreError::Taken`] when there is one that is, or the database's.
    pub async fn remember(&mut self, scope: &str, key: &str, answer: &Remembered) -> Result<(), StoreError> {
        let at = self.at();
        let sql = "INSERT INTO idempotency (scope, key, request, status, body, at) VALUES ($1, $2, $3, $4, $5, $6) \
                   ON CONFLICT (scope, key) DO UPDATE SET request = excluded.request, status = excluded.status, \
                   body = excluded.body, at = excluded.at WHERE idempotency.at <= $7";
        let old = Micros(at.0.saturating_sub(micros(KEPT)));
        let args = args![scope, key, &answer.request, i64::from(answer.status), &answer.body, at, old];
        match self.quiet().run(sql, args).await? {
            0 => Err(StoreError::Taken { what: "answer to that idempotency key" }),
            _ => Ok(()),
        }
    }
}
