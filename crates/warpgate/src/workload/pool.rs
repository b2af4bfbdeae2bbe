//! Idle connections to one workload: last in, first out, so that the busy ones stay warm and the rest age and go.

use std::{cell::RefCell, time::Duration};

use tokio::time::Instant;

use super::connection::Connection;

/// Idle connections kept; more are closed.
const MAX_IDLE: usize = 128;
/// How long one may wait unused.
const MAX_AGE: Duration = Duration::from_secs(30);
/// Requests that cannot be repeated go only over connections this fresh: common servers close theirs after 5 s, and
/// such a request must not be in flight when that happens.
const MAX_AGE_UNREPEATABLE: Duration = Duration::from_secs(4);

#[derive(Default)]
pub(crate) struct Pool {
    idle: RefCell<Vec<Idle>>,
}

struct Idle {
    connection: Box<Connection>,
    since: Instant,
    max_age: Duration,
}

impl Pool {
    /// The connection used last that is still good for such a request.
    pub(crate) fn take(&self, repeatable: bool, now: Instant) -> Option<Box<Connection>> {
        let mut idle = self.idle.borrow_mut();
        while let Some(mut last) = idle.pop() {
            let age = now.duration_since(last.since);
            if age >= last.max_age {
                // All below are older, but may have been promised longer; the sweep deals with them.
                continue;
            }
            let quiet = if repeatable {
                last.connection.io.is_quiet()
            } else if age < MAX_AGE_UNREPEATABLE {
                last.connection.io.is_quiet_now()
            } else {
                idle.push(last);
                return None;
            };
            if quiet {
                return Some(last.connection);
            }
        }
        None
    }

    /// Takes back a connection on which both messages ended cleanly. `hint` is the workload's own idle timeout.
    pub(crate) fn put(&self, mut connection: Box<Connection>, hint: Option<u64>) {
        let mut idle = self.idle.borrow_mut();
        if idle.len() >= MAX_IDLE {
            return;
        }
        // One second before the workload would close it.
        let max_age = hint.map_or(MAX_AGE, |secs| Duration::from_secs(secs.saturating_sub(1)).min(MAX_AGE));
        connection.rest();
        idle.push(Idle { connection, since: Instant::now(), max_age });
    }

    /// Closes what has waited too long or was closed by the workload; says how many remain.
    pub(crate) fn sweep(&self, now: Instant) -> usize {
        let mut idle = self.idle.borrow_mut();
        idle.retain_mut(|it| now.duration_since(it.since) < it.max_age && it.connection.io.is_quiet());
        if idle.is_empty() {
            idle.shrink_to_fit();
        }
        idle.len()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.idle.borrow().len()
    }
}
