//! The publisher: reads all, checks it, and hands a snapshot with a new generation to the edge.
//!
//! It is level-triggered and takes no input: the same pass runs at the start, after every change and on a timer, and
//! what it publishes depends only on what the store holds. A pass reads what was touched since the one before; one by the
//! timer reads everything, so that nothing can be missed for long. A pass that fails changes nothing: the edge keeps
//! the last good snapshot, and the fault is logged and shown by `mezusphere status`.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mezu_model::{Hostname, KeyId};
use mezu_runtime::Scope;
use mezu_snapshot::{Checked, Parts, Problems, Snapshot};
use mezu_store::{Store, StoreError};
use tokio::sync::watch;
use tokio::time::timeout;

use super::last_good::LastGood;
use super::places::Places;
use super::saver::Saver;

/// A change made by other means than this process (a person with `sqlite3`, a restored file) is seen this soon.
const EVERY: Duration = Duration::from_secs(15);
/// While the store is away it is asked this often, so that what it holds is served soon after it is back.
const AGAIN: Duration = Duration::from_secs(2);
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
    saver: Saver,
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
        let checked = first(known, &base);
        let (locate, places) = watch::channel(Arc::new(Places::new(checked.snapshot(), &base)));
        let (sender, snapshots) = watch::channel(Arc::clone(checked.snapshot()));
        let (wanted, asked) = watch::channel(0);
        let (done, outcome) = watch::channel(Outcome::default());
        let saver = Saver::start(scope, last_good);
        let mut work = Work { store, base, saver: saver.clone(), checked, sender, locate, known: None, is_away: false };
        work.publish(0, &done).await;
        let task = scope.clone();
        mezu_runtime::spawn(scope, "publisher", async move {
            tokio::select! {
                () = task.stopping() => {}
                () = work.run(asked, done) => {}
            }
        });
        Self { wanted, outcome, snapshots, places, saver }
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
        self.saver.fault()
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

/// What to begin with. The last good snapshot was checked when it was read; one that is not whole all the same is not
/// served.
fn first(known: Option<Snapshot>, base: &Hostname) -> Checked {
    let whole = known.and_then(|known| match Checked::first(Arc::new(known)) {
        Ok((checked, _)) => Some(checked),
        Err(problems) => {
            tracing::error!(%problems, "the last good snapshot is not whole");
            None
        }
    });
    whole.unwrap_or_else(|| Checked::empty(base.clone()))
}

struct Work {
    store: StoreSlot,
    base: Hostname,
    saver: Saver,
    /// The current snapshot.
    checked: Checked,
    sender: watch::Sender<Arc<Snapshot>>,
    locate: watch::Sender<Arc<Places>>,
    /// The store's revision that the current snapshot says; unknown after a start.
    known: Option<u64>,
    /// The latest pass got no answer from the store.
    is_away: bool,
}

/// What a pass has come to.
struct Passed {
    /// There is a new snapshot.
    is_new: bool,
    /// A key has lost its power.
    has_revoked: bool,
}

impl Work {
    async fn run(&mut self, mut asked: watch::Receiver<u64>, done: watch::Sender<Outcome>) {
        loop {
            // An error of the inner future means that every handle is gone; the timer then still goes on.
            let wait = if self.is_away { AGAIN } else { EVERY };
            if timeout(wait, asked.changed()).await.is_err() {
                self.known = None;
            }
            let pass = *asked.borrow_and_update();
            self.publish(pass, &done).await;
        }
    }

    /// One pass, told and saved.
    async fn publish(&mut self, pass: u64, done: &watch::Sender<Outcome>) {
        let unsaved = self.saver.fault().is_some();
        let ended = self.pass().await;
        self.is_away = ended.as_ref().is_err_and(|error| !matches!(error, PublishError::Problems(_)));
        let (fault, passed) = match ended {
            Ok(passed) => (None, passed),
            Err(error) => {
                tracing::error!(%error, generation = self.sender.borrow().generation, "the last good snapshot stays");
                (Some(error.to_string().into()), Passed { is_new: false, has_revoked: false })
            }
        };
        if passed.is_new || unsaved {
            let ticket = self.saver.save(&self.sender.borrow());
            // A revoked key would work again if the process fell over now and the store did not come back.
            if passed.has_revoked || unsaved || pass == 0 {
                self.saver.wait(ticket).await;
            }
        }
        done.send_replace(Outcome { pass, fault });
    }

    async fn pass(&mut self) -> Result<Passed, PublishError> {
        let current = Arc::clone(self.checked.snapshot());
        let Some((revision, mut parts)) =
            timeout(READ, self.read(&current)).await.map_err(|_| PublishError::Slow)??
        else {
            return Ok(Passed { is_new: false, has_revoked: false });
        };
        parts.keep(&current);
        let mut next = Snapshot::new(current.generation, self.base.clone(), parts);
        if next.generation > 0 && next.same_content(&current) {
            self.known = Some(revision);
            return Ok(Passed { is_new: false, has_revoked: false });
        }
        // A store restored from a back-up has a lower revision; generations go up all the same.
        next.generation = revision.max(current.generation.saturating_add(1));
        let next = Arc::new(next);
        let (checked, fresh) = self.checked.next(Arc::clone(&next))?;
        // The edge first: it compiles while the rest is done.
        self.sender.send_replace(Arc::clone(&next));
        let before = Arc::clone(&self.locate.borrow());
        self.locate.send_replace(Arc::new(before.after(&current, &next, fresh.hosts.as_ref())));
        (self.checked, self.known) = (checked, Some(revision));
        tracing::debug!(generation = next.generation, "published");
        Ok(Passed { is_new: true, has_revoked: has_revoked(&current, &next) })
    }

    /// What the store holds; `None` when that is what the current snapshot says.
    async fn read(&self, current: &Snapshot) -> Result<Option<(u64, Parts)>, PublishError> {
        let store = self.store.get().ok_or(PublishError::NoStore)?;
        let Some(known) = self.known else { return Ok(Some(store.read_all().await?)) };
        Ok(store.read_after(known, || current.parts()).await?)
    }
}

/// Whether a key of the first snapshot is not in the second.
fn has_revoked(from: &Snapshot, to: &Snapshot) -> bool {
    if from.keys.is_same(&to.keys) {
        return false;
    }
    let live: HashSet<KeyId> = to.keys.iter().map(|key| key.id).collect();
    from.keys.iter().any(|key| !live.contains(&key.id))
}

#[cfg(test)]
mod tests;
