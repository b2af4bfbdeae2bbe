//! What all operations share: the store, the edge, and the state of signing in.

use std::sync::{Arc, OnceLock, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use mezu_api::Code;
use mezu_model::Hostname;
use mezu_runtime::Scope;
use mezu_store::{Change, Committed, Micros, NewEvent, Remembered, Store, StoreError, View};
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::auth::{Caller, Doors};
use crate::{Answer, EdgeView, Machines, Refused, Reply};

/// Requests done at once; more are told to come again. One that was begun goes on when its asker is gone.
const AT_ONCE: usize = 128;

/// What control is made of.
pub struct Parts {
    /// The store, from the moment at which it could be opened.
    pub store: Arc<OnceLock<Store>>,
    pub edge: Arc<dyn EdgeView>,
    /// The names by which the API may be called besides `localhost` and addresses.
    pub names: Vec<Hostname>,
    /// Machines that ask to be let in; the edge brings them.
    pub machines: Machines,
    /// What is begun runs in it.
    pub scope: Scope,
    /// 32 bytes that nobody else knows: what must be kept secret in the store is sealed with them.
    pub seal: [u8; 32],
}

/// The control plane. Clones share it.
#[derive(Clone)]
pub struct Control(Arc<Inner>);

/// The control plane, for whatever control itself keeps alive, as the edge.
#[derive(Clone)]
pub struct WeakControl(Weak<Inner>);

impl WeakControl {
    /// The control plane, unless it has been given up.
    #[must_use]
    pub fn upgrade(&self) -> Option<Control> {
        self.0.upgrade().map(Control)
    }
}

struct Inner {
    store: Arc<OnceLock<Store>>,
    edge: Arc<dyn EdgeView>,
    names: Vec<Hostname>,
    doors: Doors,
    machines: Machines,
    scope: Scope,
    /// Requests that are being done.
    places: Arc<Semaphore>,
}

impl Control {
    /// Control over these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let Parts { store, edge, names, machines, scope, seal } = parts;
        let (doors, places) = (Doors::new(&seal), Arc::new(Semaphore::new(AT_ONCE)));
        Self(Arc::new(Inner { store, edge, names, doors, machines, scope, places }))
    }

    /// A reference that does not keep it alive.
    #[must_use]
    pub fn downgrade(&self) -> WeakControl {
        WeakControl(Arc::downgrade(&self.0))
    }

    /// The store.
    ///
    /// # Errors
    /// While it is not open.
    pub fn store(&self) -> Result<&Store, Refused> {
        let closed = || Refused::new(Code::StoreUnavailable, "the store is not open; see the log of the instance");
        self.0.store.get().ok_or_else(closed)
    }

    /// The edge.
    #[must_use]
    pub fn edge(&self) -> &dyn EdgeView {
        &*self.0.edge
    }

    /// Does something to its end, whether or not whoever asked for it waits: what is half done would be half recorded.
    /// Only the end of the process cuts it short.
    ///
    /// # Errors
    /// When too much is being done, the work has panicked, or the process ends.
    pub(crate) async fn see_through<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Refused> {
        let busy = || Refused::new(Code::Busy, "too much is going on; try again in a moment");
        let place = Arc::clone(&self.0.places).try_acquire_owned().map_err(|_| busy())?;
        let stop = self.0.scope.clone();
        let task = mezu_runtime::spawn(&self.0.scope, "api", async move {
            let _place = place;
            tokio::select! {
                done = work => Some(done),
                () = stop.stopping() => None,
            }
        });
        let failed = |_| Refused::new(Code::Internal, "this failed; see the log of the running instance");
        let ends = || Refused::new(Code::Busy, "the instance is stopping; look whether this was done, then try again");
        task.await.map_err(failed)?.ok_or_else(ends)
    }

    pub(crate) fn names(&self) -> &[Hostname] {
        &self.0.names
    }

    pub(crate) fn machines(&self) -> &Machines {
        &self.0.machines
    }

    pub(crate) fn doors(&self) -> &Doors {
        &self.0.doors
    }

    /// The wall clock. Before 1970 it is 1970.
    #[must_use]
    pub fn now(&self) -> Micros {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    /// Begins a read of one moment.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn view(&self) -> Result<View, Refused> {
        Ok(self.store()?.view().await?)
    }

    /// Begins a change that happens now. Nothing but the store may be awaited until it is committed.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn change(&self) -> Result<Change, Refused> {
        Ok(self.store()?.change(self.now()).await?)
    }

    /// Keeps a change with its event and, if the request can be repeated, its answer; then waits until the edge serves
    /// it, if it concerns the edge.
    ///
    /// # Errors
    /// When the store does not keep it; then nothing has changed. A late edge is no error: the reply tells it.
    pub async fn commit<T: Serialize>(
        &self,
        mut change: Change,
        caller: &Caller,
        event: NewEvent,
        mut reply: Reply<T>,
    ) -> Answer<T> {
        if let Some(again) = caller.again() {
            let answer = Remembered { request: again.request, status: reply.status, body: reply.kept() };
            change.remember(&again.scope, &again.key, &answer).await.map_err(|error| match error {
                StoreError::Taken { .. } => Refused::new(Code::Conflict, "the same request is being done just now"),
                other => other.into(),
            })?;
        }
        let before = change.revision().await?;
        let committed = change.commit(event).await?;
        reply.published = Some(if committed.revision == before {
            crate::Publication { generation: self.edge().generation(), late: None }
        } else {
            self.publish(&[committed]).await
        });
        Ok(reply)
    }

    /// Has the edge serve changes that concern it, and sees that their publishes tell the generation that brought them.
    pub(crate) async fn publish(&self, all: &[Committed]) -> crate::Publication {
        let publication = self.edge().publish().await;
        let Ok(store) = self.store() else { return publication };
        for one in all.iter().filter(|one| publication.late.is_none() && one.revision != publication.generation) {
            if let Some(publish) = one.publish
                && let Err(error) = store.note_generation(publish, publication.generation).await
            {
                tracing::warn!(%error, %publish, "the publish tells another generation than the one that brought it");
            }
        }
        publication
    }
}
