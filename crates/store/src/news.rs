//! What has changed since a publisher read last, so that it need not read everything again.
//!
//! Each change of this process that edges must hear of is noted with the revision that it made. A publisher that knows
//! a revision reads only the rows that were touched since, always from the database itself. Wherever the notes have a
//! gap (another process wrote, or too much has happened) it reads everything.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use mezu_model::RouteId;
use mezu_snapshot::{Parts, RouteEntry, Shared};

use crate::change::View;
use crate::{Store, StoreError, key, org, route, workload};

/// Changes that are remembered.
const CHANGES: usize = 256;
/// Routes in all of them together; with more, reading all of them is as fast.
const ROUTES: usize = 1000;

/// What a change has touched.
#[derive(Clone, Debug, Default)]
pub(crate) struct Touched {
    pub(crate) routes: BTreeSet<RouteId>,
    /// Orgs, keys or workloads.
    pub(crate) rest: bool,
}

/// The latest changes with the revisions that they made, oldest first.
#[derive(Clone, Default)]
pub(crate) struct News(Arc<Mutex<VecDeque<(u64, Touched)>>>);

impl News {
    pub(crate) fn note(&self, revision: u64, touched: Touched) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.len() == CHANGES {
            notes.pop_front();
        }
        notes.push_back((revision, touched));
    }

    /// What was touched after revision `from`, up to and with `to`; `None` if that is not known of each in between.
    fn between(&self, from: u64, to: u64) -> Option<Touched> {
        let notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = Touched::default();
        let mut missing = to.checked_sub(from)?;
        for (_, touched) in notes.iter().filter(|(revision, _)| (from + 1..=to).contains(revision)) {
            missing = missing.checked_sub(1)?;
            all.rest |= touched.rest;
            all.routes.extend(&touched.routes);
        }
        (missing == 0 && all.routes.len() <= ROUTES).then_some(all)
    }
}

impl Store {
    /// The same as [`Store::read_all`] for one who has what revision `known` was (`parts`): `None` if nothing has changed
    /// since. What another program has changed without raising the revision is not seen.
    ///
    /// # Errors
    /// When the database does not answer or holds something unreadable.
    pub async fn read_after(
        &self,
        known: u64,
        parts: impl FnOnce() -> Parts + Send,
    ) -> Result<Option<(u64, Parts)>, StoreError> {
        let mut view = self.view().await?;
        let revision = view.revision().await?;
        if revision == known {
            return Ok(None);
        }
        let Some(touched) = self.news.between(known, revision) else {
            return Ok(Some((revision, view.parts().await?)));
        };
        let mut parts = parts();
        if touched.rest {
            parts = Parts { routes: parts.routes, ..view.parts_but_routes().await? };
        }
        for id in touched.routes {
            put(&mut parts.routes, id, route::entry(&mut view.tx, id).await?);
        }
        Ok(Some((revision, parts)))
    }
}

/// Routes are in the order of their ids.
fn put(routes: &mut Vec<Shared<RouteEntry>>, id: RouteId, entry: Option<RouteEntry>) {
    match (routes.binary_search_by_key(&id, |route| route.id), entry.map(Shared::new)) {
        (Ok(at), Some(entry)) => {
            if let Some(old) = routes.get_mut(at) {
                *old = entry;
            }
        }
        (Ok(at), None) => drop(routes.remove(at)),
        (Err(at), Some(entry)) => routes.insert(at, entry),
        (Err(_), None) => {}
    }
}

impl View {
    pub(crate) async fn parts(&mut self) -> Result<Parts, StoreError> {
        let rest = self.parts_but_routes().await?;
        Ok(Parts { routes: route::entries(&mut self.tx).await?, ..rest })
    }

    async fn parts_but_routes(&mut self) -> Result<Parts, StoreError> {
        Ok(Parts {
            orgs: org::entries(&mut self.tx).await?.into(),
            keys: key::entries(&mut self.tx).await?.into(),
            workloads: workload::entries(&mut self.tx).await?.into(),
            routes: Vec::new(),
        })
    }
}
