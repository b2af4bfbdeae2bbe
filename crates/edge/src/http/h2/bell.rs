//! Who is to be polled in the next turn of a connection.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
};

/// Wakers of the connection's parts lead here; the task itself is woken only from outside of a turn.
pub(super) struct Bell {
    state: Mutex<State>,
}

struct State {
    /// The connection's task; `None` during a turn, which looks for new work before it ends.
    task: Option<Waker>,
    socket: bool,
    streams: Vec<usize>,
}

impl Bell {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State { task: None, socket: true, streams: Vec::new() }) })
    }

    /// A turn begins: whatever rings from now on is seen by it.
    pub(super) fn begin(&self) {
        self.with(|state| state.task = None);
    }

    /// Moves the streams to poll into `into`; says whether the socket is to be looked at.
    pub(super) fn take(&self, into: &mut Vec<usize>) -> bool {
        self.with(|state| {
            into.append(&mut state.streams);
            std::mem::take(&mut state.socket)
        })
    }

    /// Whether nobody has rung since [`Bell::take`].
    pub(super) fn is_quiet(&self) -> bool {
        self.with(|state| !state.socket && state.streams.is_empty())
    }

    /// Ends the turn, unless something has rung since [`Bell::take`].
    pub(super) fn end(&self, cx: &Context<'_>) -> bool {
        self.with(|state| {
            if state.socket || !state.streams.is_empty() {
                return false;
            }
            state.task = Some(cx.waker().clone());
            true
        })
    }

    /// The mutex is only ever contended by wakes from other threads, and held for a few instructions.
    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn ring(&self, mark: impl FnOnce(&mut State)) {
        let task = self.with(|state| {
            mark(state);
            state.task.take()
        });
        if let Some(task) = task {
            task.wake();
        }
    }
}

/// Rings for the socket.
impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring(|state| state.socket = true);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring(|state| state.socket = true);
    }
}

/// Rings for one stream.
pub(super) struct StreamBell {
    bell: Arc<Bell>,
    index: usize,
    rung: AtomicBool,
}

impl StreamBell {
    pub(super) fn new(bell: Arc<Bell>, index: usize) -> Arc<Self> {
        Arc::new(Self { bell, index, rung: AtomicBool::new(false) })
    }

    /// From here on a ring counts again.
    pub(super) fn answer(&self) {
        self.rung.store(false, Ordering::Release);
    }
}

impl Wake for StreamBell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            self.bell.ring(|state| state.streams.push(self.index));
        }
    }
}
