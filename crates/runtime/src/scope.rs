//! Tracked tasks. [`spawn`] and [`spawn_local`] are the only ways to start one.

use std::future::Future;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::trace;

/// A group of tasks that is asked to stop together and waited for together.
///
/// Clones name the same group. A child stops with its parent, never the other way round.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Scope {
    /// A group of its own.
    pub fn new() -> Self {
        Self::default()
    }

    /// A group that is stopped when this one is, but waited for on its own.
    pub fn child(&self) -> Self {
        Self { stop: self.stop.child_token(), tasks: TaskTracker::new() }
    }

    /// Asks every task to stop. What that means is each task's own choice.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Whether [`Scope::stop`] was called here or on a parent.
    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Waits until the group is asked to stop.
    pub async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// Waits until all tasks have ended. Tasks may still be added meanwhile and are waited for too.
    pub async fn finished(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Number of tasks that have not ended.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether no task runs.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

/// Starts a task on the current runtime. It is dropped with the runtime, or ends by itself.
#[allow(clippy::disallowed_methods, reason = "this is the one place that spawns")]
pub fn spawn<F>(scope: &Scope, name: &'static str, task: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    trace!(task = name, "spawn");
    tokio::spawn(scope.tasks.track_future(task))
}

/// Starts a task that stays on this thread. Needs a `LocalSet` or a local runtime around it.
#[allow(clippy::disallowed_methods, reason = "this is the one place that spawns")]
pub fn spawn_local<F>(scope: &Scope, name: &'static str, task: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    trace!(task = name, "spawn_local");
    tokio::task::spawn_local(scope.tasks.track_future(task))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn children_stop_with_their_parent_only() {
        let parent = Scope::new();
        let child = parent.child();
        child.stop();
        assert!(!parent.is_stopping());
        let other = parent.child();
        let task = other.clone();
        spawn(&other, "wait", async move { task.stopping().await });
        parent.stop();
        other.finished().await;
        assert!(other.is_stopping() && other.is_empty());
    }
}
