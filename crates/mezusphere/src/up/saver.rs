//! Saves the newest snapshot beside everything else: encoding and a disk take their time, and nobody waits for them
//! who need not.

use std::sync::Arc;
use std::time::Duration;

use mezu_runtime::Scope;
use mezu_snapshot::Snapshot;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::last_good::LastGood;

/// How the latest attempt to save ended.
#[derive(Clone, Debug, Default)]
struct Saved {
    ticket: u64,
    /// Why the newest snapshot is not on disk.
    fault: Option<Arc<str>>,
}

/// A handle to the task that saves.
#[derive(Clone, Debug)]
pub(super) struct Saver {
    wanted: watch::Sender<(u64, Option<Arc<Snapshot>>)>,
    saved: watch::Receiver<Saved>,
    /// Somebody waits.
    hurry: Arc<Notify>,
}

/// How many times as long as it worked it rests, so that under change upon change most of a core stays for the changes.
/// What it saves next is then the newest.
const REST: u32 = 4;
const REST_MOST: Duration = Duration::from_secs(2);

impl Saver {
    pub(super) fn start(scope: &Scope, last_good: LastGood) -> Self {
        let (wanted, mut asked) = watch::channel((0, None));
        let (done, saved) = watch::channel(Saved::default());
        let hurry = Arc::new(Notify::new());
        let (task, hurried) = (scope.clone(), Arc::clone(&hurry));
        mezu_runtime::spawn(scope, "saver", async move {
            loop {
                tokio::select! {
                    // What was published is saved before the end, so that the next start has it.
                    biased;
                    asked = asked.changed() => if asked.is_err() { return },
                    () = task.stopping() => return,
                }
                let (ticket, snapshot) = asked.borrow_and_update().clone();
                let Some(snapshot) = snapshot else { continue };
                let begun = Instant::now();
                let fault = save(last_good.clone(), snapshot).await;
                done.send_replace(Saved { ticket, fault });
                tokio::select! {
                    () = hurried.notified() => {}
                    () = task.stopping() => {}
                    () = tokio::time::sleep((begun.elapsed() * REST).min(REST_MOST)) => {}
                }
            }
        });
        Self { wanted, saved, hurry }
    }

    /// Has a snapshot saved, now or after the one before it: of several that wait, only the newest is. Gives a ticket to
    /// wait with.
    pub(super) fn save(&self, snapshot: &Arc<Snapshot>) -> u64 {
        let mut ticket = 0;
        self.wanted.send_modify(|(last, wanted)| {
            *last += 1;
            ticket = *last;
            *wanted = Some(Arc::clone(snapshot));
        });
        ticket
    }

    /// Waits until that snapshot or a later one is on disk, or could not be saved.
    pub(super) async fn wait(&self, ticket: u64) {
        self.hurry.notify_one();
        // An error means that the task has ended, as everything does.
        let _ = self.saved.clone().wait_for(|saved| saved.ticket >= ticket).await;
    }

    /// Why the newest snapshot is not on disk.
    #[must_use]
    pub(super) fn fault(&self) -> Option<Arc<str>> {
        self.saved.borrow().fault.clone()
    }
}

/// A full disk must not stop the service: a failure is told, and tried again with the next pass.
async fn save(last_good: LastGood, snapshot: Arc<Snapshot>) -> Option<Arc<str>> {
    let generation = snapshot.generation;
    let work = move || -> Result<(), String> {
        let bytes = mezu_snapshot::encode(&snapshot).map_err(|error| error.to_string())?;
        last_good.save(generation, &bytes).map_err(|error| error.to_string())
    };
    let error = match tokio::task::spawn_blocking(work).await {
        Ok(Ok(())) => return None,
        Ok(Err(error)) => error,
        Err(error) => error.to_string(),
    };
    tracing::error!(error, generation, "cannot save the last good snapshot");
    Some(error.into())
}
