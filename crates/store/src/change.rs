//! Reading one moment, and changing things in one piece.
//!
//! A change of configuration ends with [`Change::commit`], which wants to know what was done: without its audit event
//! nothing is kept. There is no other way in.

use std::ops::{Deref, DerefMut};

use mezu_model::{OrgId, PublishId, RouteId};

use crate::audit::{self, NewEvent};
use crate::db::Tx;
use crate::news::{News, Touched};
use crate::value::args;
use crate::{Micros, Store, StoreError};

/// A read that sees one moment, however many questions it asks.
pub struct View {
    pub(crate) tx: Tx,
}

/// A write in the making. Dropped before [`Change::commit`], it has changed nothing. It reads, too: what it sees is what
/// it has written, and nobody else writes meanwhile.
///
/// Nothing but the store may be awaited while one is open: every other write waits for it.
pub struct Change {
    view: View,
    at: Micros,
    /// What edges must hear of, if anything.
    touched: Option<Touched>,
    news: News,
    /// How many routes there are, once that was counted: a change that makes many counts but once.
    pub(crate) routes: Option<RouteCount>,
    /// The publish that it is, if it is one.
    pub(crate) publish: Option<PublishId>,
}

/// The routes in all, and those of one org.
#[derive(Clone, Copy)]
pub(crate) struct RouteCount {
    pub(crate) org: OrgId,
    pub(crate) of_org: usize,
    pub(crate) all: usize,
}

/// What a change has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The revision of what edges are told, raised if the change concerns them: the generation that brings it.
    pub revision: u64,
    /// The number of its audit event.
    pub seq: u64,
    /// The publish that was written down with it.
    pub publish: Option<PublishId>,
}

impl Store {
    /// Begins a read.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn view(&self) -> Result<View, StoreError> {
        Ok(View { tx: self.db.read().await? })
    }

    /// Begins a change that happens at `now`. Changes wait for one another.
    ///
    /// # Errors
    /// When the database does not answer, or another change takes too long ([`StoreError::Busy`]).
    pub async fn change(&self, now: Micros) -> Result<Change, StoreError> {
        let view = View { tx: self.db.write().await? };
        Ok(Change { view, at: now, touched: None, news: self.news.clone(), routes: None, publish: None })
    }

    /// Records an attempt, such as one that was refused, in a transaction of its own.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn record(&self, event: NewEvent, now: Micros) -> Result<u64, StoreError> {
        Ok(self.change(now).await?.commit(event).await?.seq)
    }
}

impl View {
    /// The revision of what edges are told.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn revision(&mut self) -> Result<u64, StoreError> {
        let revision = self.tx.one("SELECT revision FROM state", []).await?.int("revision")?;
        Ok(u64::try_from(revision).unwrap_or_default())
    }
}

impl Change {
    /// When the change happens.
    #[must_use]
    pub fn at(&self) -> Micros {
        self.at
    }

    /// Adds an event, for a change that is more than one thing.
    ///
    /// # Errors
    /// When the database does not do it.
    pub async fn log(&mut self, event: &NewEvent) -> Result<u64, StoreError> {
        let at = self.at;
        audit::append(&mut self.tx, event, at).await
    }

    /// Keeps the change, with its event.
    ///
    /// # Errors
    /// When the database does not do it; then nothing has changed. When the answer itself was lost
    /// ([`StoreError::Unreachable`]) it may have.
    pub async fn commit(mut self, event: NewEvent) -> Result<Committed, StoreError> {
        let seq = self.log(&event).await?;
        let state = "UPDATE state SET revision = revision + $1, audit_seq = $2 RETURNING revision";
        let event = i64::try_from(seq).unwrap_or(i64::MAX);
        let row = self.view.tx.one(state, args![self.touched.is_some(), event]).await?;
        let revision = u64::try_from(row.int("revision")?).unwrap_or_default();
        if let (Some(publish), None) = (self.publish, &self.touched) {
            // It changed nothing that edges hear of, so no generation is raised for it.
            let sql = "UPDATE publishes SET generation = (SELECT revision FROM state) WHERE id = $1";
            self.view.tx.run(sql, args![publish]).await?;
        }
        self.view.tx.commit().await?;
        if let Some(touched) = self.touched {
            self.news.note(revision, touched);
        }
        Ok(Committed { revision, seq, publish: self.publish })
    }

    /// The transaction, for a write that edges need not hear of.
    pub(crate) fn quiet(&mut self) -> &mut Tx {
        &mut self.view.tx
    }

    /// The transaction, for a write that edges must hear of: the revision will be raised.
    /// Not for routes.
    pub(crate) fn heard(&mut self) -> &mut Tx {
        self.touched.get_or_insert_default().rest = true;
        &mut self.view.tx
    }

    /// The transaction, for a write of one route.
    pub(crate) fn heard_of(&mut self, route: RouteId) -> &mut Tx {
        self.touched.get_or_insert_default().routes.insert(route);
        &mut self.view.tx
    }
}

impl Deref for Change {
    type Target = View;

    fn deref(&self) -> &View {
        &self.view
    }
}

impl DerefMut for Change {
    fn deref_mut(&mut self) -> &mut View {
        &mut self.view
    }
}

/// Holds an edit to the version that its author has seen.
pub(crate) fn check_version(what: &'static str, current: i64, expected: Option<i64>) -> Result<(), StoreError> {
    match expected {
        Some(expected) if expected != current => Err(StoreError::Stale { what, current }),
        _ => Ok(()),
    }
}

/// Free text as it is kept: without control characters, which a terminal would obey and PostgreSQL refuses, and bounded.
pub(crate) fn plain(text: &str) -> String {
    const MOST: usize = 512;
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).take(MOST).collect()
}
