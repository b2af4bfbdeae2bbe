//! Publishes: changes that were made together, with what was before each, so that they can be taken back together.

use mezu_model::{OrgId, PublishId};
use serde_json::Value as Json;

use crate::audit::Actor;
use crate::change::{Change, View, plain};
use crate::db::Row;
use crate::error::OrTaken as _;
use crate::page::{Page, Slice};
use crate::value::{args, to_json};
use crate::{Micros, Store, StoreError};

/// A publish to be written down.
#[derive(Clone, Debug, PartialEq)]
pub struct NewPublish {
    pub id: PublishId,
    pub actor: Actor,
    pub summary: String,
    /// Each change with what was before and after.
    pub ops: Json,
    /// The publish that this one takes back.
    pub undo_of: Option<PublishId>,
}

/// A publish as stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Publish {
    pub id: PublishId,
    pub org: OrgId,
    pub at: Micros,
    pub actor: Actor,
    pub summary: String,
    pub ops: Json,
    pub undo_of: Option<PublishId>,
    /// The publish that has taken this one back.
    pub undone_by: Option<PublishId>,
    /// The generation that brought it to edges; `None` if it was written by an older version.
    pub generation: Option<u64>,
}

const NOUN: &str = "publish";

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, org_id, at, actor, summary, ops, undo_of, generation, \
             (SELECT undo.id FROM publishes undo WHERE undo.undo_of = publishes.id) AS undone_by FROM publishes ",
            $rest
        )
    };
}

impl View {
    /// The publish.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or the database's.
    pub async fn publish(&mut self, org: OrgId, id: PublishId) -> Result<Publish, StoreError> {
        let row = self.tx.row(select!("WHERE org_id = $1 AND id = $2"), args![org, id]).await?;
        publish(&row.ok_or(StoreError::NotFound { what: NOUN })?)
    }

    /// An org's publishes, the newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn publishes(&mut self, org: OrgId, slice: &Slice) -> Result<Page<Publish>, StoreError> {
        // No id begins with a letter after f.
        let before = slice.after.as_deref().unwrap_or("g");
        let sql = select!("WHERE org_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3");
        let rows = self.tx.rows(sql, args![org, before, slice.rows()]).await?;
        slice.page(&rows, publish, |one| one.id.to_string())
    }
}

impl Change {
    /// Writes a publish down, as a part of the change that makes it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it takes back what is not the org's, [`StoreError::Taken`] when that was taken back
    /// before, or the database's.
    pub async fn create_publish(&mut self, org: OrgId, new: NewPublish) -> Result<Publish, StoreError> {
        let at = self.at();
        self.org(org).await?;
        let NewPublish { id, actor, summary, ops, undo_of } = new;
        if let Some(undone) = undo_of {
            self.publish(org, undone).await?;
        }
        // What the commit of this change will raise the revision to; no other change comes in between.
        let sql = "INSERT INTO publishes (id, org_id, at, actor, summary, ops, undo_of, generation) \
                   SELECT $1, $2, $3, $4, $5, $6, $7, revision + 1 FROM state";
        let args = args![id, org, at, actor.to_string(), plain(&summary), to_json("ops", &ops)?, undo_of];
        self.quiet().run(sql, args).await.or_taken(|| StoreError::Taken { what: "undo of that publish" })?;
        self.publish = Some(id);
        self.publish(org, id).await
    }
}

impl Store {
    /// Corrects the generation that brought a publish, where it is not the one that was foreseen: several changes may go
    /// out at once, and after a restore generations run ahead of revisions. No change of configuration.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn note_generation(&self, publish: PublishId, generation: u64) -> Result<(), StoreError> {
        let mut write = self.db.write().await?;
        let generation = i64::try_from(generation).unwrap_or(i64::MAX);
        write.run("UPDATE publishes SET generation = $2 WHERE id = $1", args![publish, generation]).await?;
        write.commit().await
    }
}

fn publish(row: &Row) -> Result<Publish, StoreError> {
    Ok(Publish {
        id: row.typed("id")?,
        org: row.typed("org_id")?,
        at: row.time("at")?,
        actor: row.typed("actor")?,
        summary: row.text("summary")?,
        ops: row.json("ops")?,
        undo_of: row.typed_if_any("undo_of")?,
        undone_by: row.typed_if_any("undone_by")?,
        generation: row.int_if_any("generation")?.and_then(|generation| u64::try_from(generation).ok()),
    })
}
