//! The chain: each event's hash covers all that it says and the hash of the event before.

use aws_lc_rs::digest::{Context, SHA256};

use crate::db::Row;
use crate::value::args;
use crate::{Store, StoreError, View};

/// What the first event is chained to.
pub(super) const FIRST: [u8; 32] = [0; 32];
const PAGE: i64 = 1000;

/// An event's fields, as they are hashed.
pub(super) struct Link {
    pub(super) seq: i64,
    pub(super) at: i64,
    pub(super) org: Option<String>,
    pub(super) actor: String,
    pub(super) source: String,
    pub(super) request_id: String,
    pub(super) action: String,
    pub(super) object: String,
    pub(super) outcome: String,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
}

/// What a walk along the chain has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditCheck {
    /// So many events, none changed, none missing. Whoever has noted an earlier head can tell that it is still there.
    Whole { events: u64, head: [u8; 32] },
    /// The first event that does not fit, and why.
    Broken { seq: u64, fault: &'static str },
}

impl Link {
    /// SHA-256 over `prev` and every field. Each is preceded by its length, so that no two events read the same.
    pub(super) fn hash(&self, prev: &[u8; 32]) -> [u8; 32] {
        let mut context = Context::new(&SHA256);
        let mut field = |bytes: Option<&[u8]>| match bytes {
            // No text is as long as that: absent is not the same as empty.
            None => context.update(&u64::MAX.to_be_bytes()),
            Some(bytes) => {
                context.update(&(bytes.len() as u64).to_be_bytes());
                context.update(bytes);
            }
        };
        field(Some(b"mezusphere audit 1"));
        field(Some(prev));
        field(Some(&self.seq.to_be_bytes()));
        field(Some(&self.at.to_be_bytes()));
        field(self.org.as_deref().map(str::as_bytes));
        for text in [&self.actor, &self.source, &self.request_id, &self.action, &self.object, &self.outcome] {
            field(Some(text.as_bytes()));
        }
        field(self.before.as_deref().map(str::as_bytes));
        field(self.after.as_deref().map(str::as_bytes));
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        hash
    }
}

impl Store {
    /// Walks the whole chain and names the first event that does not fit.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn verify_audit(&self) -> Result<AuditCheck, StoreError> {
        self.view().await?.verify_audit().await
    }
}

impl View {
    /// Walks the whole chain as of this moment.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn verify_audit(&mut self) -> Result<AuditCheck, StoreError> {
        const SQL: &str = "SELECT seq, at, org_id, actor, source, request_id, action, object, outcome, state_before, \
            state_after, prev, hash FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2";
        let told = self.tx.one("SELECT audit_seq FROM state", []).await?.int("audit_seq")?;
        let (mut seq, mut head) = (0, FIRST);
        loop {
            let rows = self.tx.rows(SQL, args![seq, PAGE]).await?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                seq += 1;
                match next(row, seq, &head)? {
                    Ok(hash) => head = hash,
                    Err(fault) => return Ok(broken(seq, fault)),
                }
            }
        }
        if seq < told {
            return Ok(broken(seq + 1, "it is missing, and all after it"));
        }
        Ok(AuditCheck::Whole { events: u64::try_from(seq).unwrap_or_default(), head })
    }
}

fn broken(seq: i64, fault: &'static str) -> AuditCheck {
    AuditCheck::Broken { seq: u64::try_from(seq).unwrap_or_default(), fault }
}

/// The event's hash, if it is the one that must come here.
fn next(row: &Row, seq: i64, head: &[u8; 32]) -> Result<Result<[u8; 32], &'static str>, StoreError> {
    let link = Link {
        seq: row.int("seq")?,
        at: row.int("at")?,
        org: row.text_if_any("org_id")?,
        actor: row.text("actor")?,
        source: row.text("source")?,
        request_id: row.text("request_id")?,
        action: row.text("action")?,
        object: row.text("object")?,
        outcome: row.text("outcome")?,
        before: row.text_if_any("state_before")?,
        after: row.text_if_any("state_after")?,
    };
    let hash = link.hash(head);
    Ok(if link.seq != seq {
        Err("it is missing")
    } else if row.blob("prev")? != head {
        Err("it does not follow from the event before")
    } else if row.blob("hash")? != hash {
        Err("it was changed")
    } else {
        Ok(hash)
    })
}
