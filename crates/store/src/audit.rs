//! The audit log: what was done and what was refused, in order, each event chained to the one before.
//!
//! The database refuses to change or delete an event, and whoever gets around that breaks the chain
//! ([`Store::verify_audit`]). It never holds a secret: callers leave those out of `before` and `after`.

mod chain;
mod event;

use mezu_model::OrgId;
use serde_json::Value as Json;

pub use chain::AuditCheck;
pub use event::{Actor, Event, InvalidActor, NewEvent, Outcome};

use crate::change::{View, plain};
use crate::db::{Row, Tx};
use crate::page::{Page, Slice};
use crate::value::{args, to_json};
use crate::{Micros, StoreError};

/// Which events are wanted. It has no default: whose events they are must be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventFilter {
    /// Those of one org. `None`: those of all orgs and of none, which is for the operator alone.
    pub org: Option<OrgId>,
    pub actor: Option<Actor>,
    pub action: Option<String>,
    pub object: Option<String>,
    pub outcome: Option<Outcome>,
    pub since: Option<Micros>,
    pub until: Option<Micros>,
}

impl EventFilter {
    /// All events of one org, or of all orgs and of none.
    #[must_use]
    pub const fn of(org: Option<OrgId>) -> Self {
        Self { org, actor: None, action: None, object: None, outcome: None, since: None, until: None }
    }
}

impl View {
    /// Events, the newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn events(&mut self, filter: &EventFilter, slice: &Slice) -> Result<Page<Event>, StoreError> {
        const SQL: &str = "SELECT seq, at, org_id, actor, source, request_id, action, object, outcome, state_before, \
            state_after, prev, hash FROM audit WHERE seq < $1 \
            AND ($2 IS NULL OR org_id = $2) AND ($3 IS NULL OR actor = $3) AND ($4 IS NULL OR action = $4) \
            AND ($5 IS NULL OR object = $5) AND ($6 IS NULL OR outcome = $6) AND ($7 IS NULL OR at >= $7) \
            AND ($8 IS NULL OR at < $8) ORDER BY seq DESC LIMIT $9";
        let before = slice.after.as_deref().map_or(i64::MAX, |cursor| cursor.parse().unwrap_or(0));
        let args = args![
            before,
            filter.org,
            filter.actor.map(|actor| actor.to_string()),
            filter.action.as_deref(),
            filter.object.as_deref(),
            filter.outcome.map(Outcome::as_str),
            filter.since,
            filter.until,
            slice.rows(),
        ];
        let rows = self.tx.rows(SQL, args).await?;
        slice.page(&rows, event, |event| event.seq.to_string())
    }
}

/// Appends an event and says its number.
pub(crate) async fn append(tx: &mut Tx, new: &NewEvent, at: Micros) -> Result<u64, StoreError> {
    let last = tx.row("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", []).await?;
    let (seq, prev) = match last {
        Some(row) => (row.int("seq")? + 1, row.bytes32("hash")?),
        None => (1, chain::FIRST),
    };
    let json = |what, value: &Option<Json>| value.as_ref().map(|value| to_json(what, value)).transpose();
    let link = chain::Link {
        seq,
        at: at.0,
        org: new.org.map(|org| org.to_string()),
        actor: new.actor.to_string(),
        source: plain(&new.source),
        request_id: plain(&new.request_id),
        action: plain(new.action),
        object: plain(&new.object),
        outcome: new.outcome.as_str().into(),
        before: json("state_before", &new.before)?,
        after: json("state_after", &new.after)?,
    };
    let hash = link.hash(&prev);
    let args = args![
        link.seq,
        link.at,
        link.org,
        link.actor,
        link.source,
        link.request_id,
        link.action,
        link.object,
        link.outcome,
        link.before,
        link.after,
        &prev,
        &hash,
    ];
    tx.run(
        "INSERT INTO audit (seq, at, org_id, actor, source, request_id, action, object, outcome, state_before, \
         state_after, prev, hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        args,
    )
    .await?;
    Ok(u64::try_from(seq).unwrap_or_default())
}

fn event(row: &Row) -> Result<Event, StoreError> {
    Ok(Event {
        seq: u64::try_from(row.int("seq")?).unwrap_or_default(),
        at: row.time("at")?,
        org: row.typed_if_any("org_id")?,
        actor: row.typed("actor")?,
        source: row.text("source")?,
        request_id: row.text("request_id")?,
        action: row.text("action")?,
        object: row.text("object")?,
        outcome: row.typed("outcome")?,
        before: row.json_if_any("state_before")?,
        after: row.json_if_any("state_after")?,
        hash: row.bytes32("hash")?,
    })
}
