//! The publisher: reads all, checks it, and hands a snapshot with a new generation to the edge.
//!
//! It is level-triggered and takes no input: the same pass runs at the start, after every change and on a timer, and
//! what it publishes depends only on what the store holds. A pass that fails changes nothing: the edge keeps the
//! last good snapshot, and the fault is logged and shown by `mezusphere status`.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mezu_model::Hostname;
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
        let mut work = Work { store, base, last_good, sender, locate };
        let (fault, news) = work.pass_and_report().await;
        done.send_replace(Outcome { pass: 0, fault });
        work.save(news).await;
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
struct News {
    generation: u64,
    bytes: Vec<u8>,
}

struct Work {
    store: StoreSlot,
    base: Hostname,
    last_good: LastGood,
    sender: watch::Sender<Arc<Snapshot>>,
    locate: watch::Sender<Arc<Places>>,
}

impl Work {
    async fn run(&mut self, mut asked: watch::Receiver<u64>, done: watch::Sender<Outcome>) {
        loop {
            // An error of the inner future means that every handle is gone; the timer then still goes on.
            let _ = timeout(EVERY, asked.changed()).await;
            let pass = *asked.borrow_and_update();
            let (fault, news) = self.pass_and_report().await;
            // Callers hear first: the disk is for the next start, not for them.
            done.send_replace(Outcome { pass, fault });
            self.save(news).await;
        }
    }

    async fn pass_and_report(&mut self) -> (Option<Arc<str>>, Option<News>) {
        match self.pass().await {
            Ok(news) => (None, news),
            Err(error) => {
                tracing::error!(%error, generation = self.sender.borrow().generation, "the last good snapshot stays");
                (Some(error.to_string().into()), None)
            }
        }
    }

    /// One pass.
    async fn pass(&mut self) -> Result<Option<News>, PublishError> {
        let store = self.store.get().ok_or(PublishError::NoStore)?;
        let (revision, parts) = timeout(READ, store.read_all()).await.map_err(|_| PublishError::Slow)??;
        let current = Arc::clone(&self.sender.borrow());
        let mut next = Snapshot::new(current.generation, self.base.clone(), parts);
        if next.generation > 0 && next.same_content(&current) {
            return Ok(None);
        }
        // A store restored from a back-up has a lower revision; generations go up all the same.
        next.generation = revision.max(current.generation.saturating_add(1));
        next.check()?;
        let generation = next.generation;
        let bytes = mezu_snapshot::encode(&next)?;
        self.locate.send_replace(Arc::new(Places::new(&next, &self.base)));
        self.sender.send_replace(Arc::new(next));
        tracing::debug!(generation, bytes = bytes.len(), "published");
        Ok(Some(News { generation, bytes }))
    }

    /// A full disk must not stop the service, so a failure is only reported.
    async fn save(&self, news: Option<News>) {
        let Some(News { generation, bytes }) = news else { return };
        let last_good = self.last_good.clone();
        match tokio::task::spawn_blocking(move || last_good.save(generation, &bytes)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, generation, "cannot save the last good snapshot"),
            Err(error) => tracing::error!(%error, "saving the last good snapshot was cut off"),
        }
    }
}

#[cfg(test)]
mod tests;
