//! The publisher: reads all, checks it, and hands a snapshot with a new generation to the edge.
//!
//! It is level-triggered and takes no input: the same pass runs at the start, after every change and on a timer, and
//! what it publishes depends only on what the store holds. A pass that fails changes nothing: the edge keeps the
//! last good snapshot, and the fault is logged and shown by `mezusphere status`.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mezu_model::{Hostname, KeyId};
use mezu_runtime::Scope;
use mezu_snapshot::{Problems, Snapshot, Undecodable};
use mezu_store::{Store, StoreError};
use tokio::sync::watch;
use tokio::time::timeout;

use super::last_good::LastGood;
use super::places::Places;

/// A change made by other means than this process (a person with `sqlite3`, a restored file) is seen this soon.
const EVERY: Duration = Duration::from_secs(15);
const READ: Duration = Duration::from_secs(10);
/// How long a caller waits for its change to be out.
const PUBLISH: Duration = Duration::from_secs(10);

/// The store, from the moment at which it could be opened.
pub(super) type StoreSlot = Arc<OnceLock<Store>>;

/// Why a pass published nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum PublishError {
    #[error("the store is not open")]
    NoStore,
    #[error("the store did not answer in {} s", READ.as_secs())]
    Slow,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("what the store holds makes no whole snapshot: {0}")]
    Problems(#[from] Problems),
    #[error(transparent)]
    Encode(#[from] Undecodable),
}

/// How the latest pass ended.
#[derive(Clone, Debug, Default)]
struct Outcome {
    pass: u64,
    fault: Option<Arc<str>>,
    /// Why the newest snapshot is not on disk.
    unsaved: Option<Arc<str>>,
}

/// A handle to the running publisher.
#[derive(Clone, Debug)]
pub(super) struct Publisher {
    wanted: watch::Sender<u64>,
    outcome: watch::Receiver<Outcome>,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    places: watch::Receiver<Arc<Places>>,
}

impl Publisher {
    /// Runs the first pass, so that the edge starts with the newest snapshot, then keeps publishing in the background.
    /// `known` is the last good snapshot from disk.
    pub(super) async fn start(
        scope: &Scope,
        store: StoreSlot,
        base: Hostname,
        last_good: LastGood,
        known: Option<Snapshot>,
    ) -> Self {
        let first = known.unwrap_or_else(|| Snapshot::empty(base.clone()));
        let (locate, places) = watch::channel(Arc::new(Places::new(&first, &base)));
        let (sender, snapshots) = watch::channel(Arc::new(first));
        let (wanted, asked) = watch::channel(0);
        let (done, outcome) = watch::channel(Outcome::default());
        let mut work = Work { store, base, last_good, sender, locate, news: None };
        work.publish(0, &done).await;
        let task = scope.clone();
        mezu_runtime::spawn(scope, "publisher", async move {
            tokio::select! {
                () = task.stopping() => {}
                () = work.run(asked, done) => {}
            }
        });
        Self { wanted, outcome, snapshots, places }
    }

    /// The snapshots, for an edge.
    #[must_use]
    pub(super) fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        let mut snapshots = self.snapshots.clone();
        // It begins with the current one; only later ones are news.
        snapshots.mark_unchanged();
        snapshots
    }

    #[must_use]
    pub(super) fn current(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshots.borrow())
    }

    /// The current snapshot, arranged for enrolment.
    #[must_use]
    pub(super) fn places(&self) -> Arc<Places> {
        Arc::clone(&self.places.borrow())
    }

    /// What kept the latest pass from publishing.
    #[must_use]
    pub(super) fn fault(&self) -> Option<Arc<str>> {
        self.outcome.borrow().fault.clone()
    }

    /// What kept the newest snapshot from the disk.
    #[must_use]
    pub(super) fn unsaved(&self) -> Option<Arc<str>> {
        self.outcome.borrow().unsaved.clone()
    }

    /// Waits until a pass that began after this call has ended. Many callers share one pass.
    ///
    /// # Errors
    /// What kept that pass from publishing.
    pub(super) async fn publish(&self) -> Result<(), Arc<str>> {
        let mut ticket = 0;
        self.wanted.send_modify(|wanted| {
            *wanted += 1;
            ticket = *wanted;
        });
        let mut outcome = self.outcome.clone();
        let ended = timeout(PUBLISH, outcome.wait_for(|outcome| outcome.pass >= ticket)).await;
        match ended {
            Ok(Ok(outcome)) => outcome.fault.clone().map_or(Ok(()), Err),
            Ok(Err(_)) => Err("the publisher has stopped".into()),
            Err(_) => Err("the publisher is late".into()),
        }
    }
}

/// What a pass has published, encoded for the disk.
#[derive(Clone)]
struct News {
    generation: u64,
    bytes: Arc<[u8]>,
}

struct Work {
    store: StoreSlot,
    base: Hostname,
    last_good: LastGood,
    sender: watch::Sender<Arc<Snapshot>>,
    locate: watch::Sender<Arc<Places>>,
    /// Published and not yet on disk.
    news: Option<News>,
}

impl Work {
    async fn run(&mut self, mut asked: watch::Receiver<u64>, done: watch::Sender<Outcome>) {
        loop {
            // An error of the inner future means that every handle is gone; the timer then still goes on.
            let _ = timeout(EVERY, asked.changed()).await;
            let pass = *asked.borrow_and_update();
            self.publish(pass, &done).await;
        }
    }

    /// One pass, told and saved.
    async fn publish(&mut self, pass: u64, done: &watch::Sender<Outcome>) {
        let (fault, revoked) = match self.pass().await {
            Ok(revoked) => (None, revoked),
            Err(error) => {
                tracing::error!(%error, generation = self.sender.borrow().generation, "the last good snapshot stays");
                (Some(error.to_string().into()), false)
            }
        };
        if revoked {
            // Else the key would work again if the process fell over now and the store did not come back.
            let unsaved = self.save().await;
            done.send_replace(Outcome { pass, fault, unsaved });
        } else {
            // Callers hear first: the disk is for the next start, not for them.
            done.send_modify(|outcome| (outcome.pass, outcome.fault) = (pass, fault));
            let unsaved = self.save().await;
            done.send_if_modified(|outcome| std::mem::replace(&mut outcome.unsaved, unsaved.clone()) != unsaved);
        }
    }

    /// One pass. Says whether a key has lost its power.
    async fn pass(&mut self) -> Result<bool, PublishError> {
        let store = self.store.get().ok_or(PublishError::NoStore)?;
        let (revision, parts) = timeout(READ, store.read_all()).await.map_err(|_| PublishError::Slow)??;
        let current = Arc::clone(&self.sender.borrow());
        let mut next = Snapshot::new(current.generation, self.base.clone(), parts);
        if next.generation > 0 && next.same_content(&current) {
            return Ok(false);
        }
        // A store restored from a back-up has a lower revision; generations go up all the same.
        next.generation = revision.max(current.generation.saturating_add(1));
        next.check()?;
        let generation = next.generation;
        let bytes = mezu_snapshot::encode(&next)?;
        let live: HashSet<KeyId> = next.keys.iter().map(|key| key.id).collect();
        let revoked = current.keys.iter().any(|key| !live.contains(&key.id));
        self.locate.send_replace(Arc::new(Places::new(&next, &self.base)));
        self.sender.send_replace(Arc::new(next));
        tracing::debug!(generation, bytes = bytes.len(), "published");
        self.news = Some(News { generation, bytes: bytes.into() });
        Ok(revoked)
    }

    /// Saves what is not saved yet. A full disk must not stop the service: a failure is told, and the next pass tries
    /// again.
    async fn save(&mut self) -> Option<Arc<str>> {
        let News { generation, bytes } = self.news.clone()?;
        let last_good = self.last_good.clone();
        let saved = tokio::task::spawn_blocking(move || last_good.save(generation, &bytes)).await;
        let error = match saved {
            Ok(Ok(())) => {
                self.news = None;
                return None;
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::error!(error, generation, "cannot save the last good snapshot");
        Some(error.into())
    }
}

#[cfg(test)]
mod tests;
