//! One write per turn.
//!
//! The h2 crate flushes frame by frame. Between it and the TLS stream stands [`TurnIo`], whose flush does nothing:
//! all frames of one turn of the connection gather in one buffer and leave in as few TLS records and system calls
//! as possible when the turn ends. Everything a turn's streams produced is in it, because streams run inside the
//! connection's task ([`super::streams`]). The buffer exists only while there is something in it.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    rc::Rc,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::meter::Meter;
use crate::http::wire::Wire;

/// While this much is gathered, frames go to the TLS layer before more is taken.
const GATHER: usize = 64 * 1024;
/// Read and thrown away per poll after the end.
const LINGER_BYTES: usize = 256 * 1024;
/// A buffer up to this size is kept for the next turn.
const KEEP: usize = 4 * 1024;

/// The h2 crate's view of the connection.
pub(super) struct TurnIo<W>(pub(super) Rc<RefCell<Gathering<W>>>);

pub(super) struct Gathering<W> {
    io: W,
    out: Vec<u8>,
    sent: usize,
    pub(super) meter: Meter,
}

impl<W: Wire> Gathering<W> {
    pub(super) fn new(io: W, meter: Meter) -> Self {
        Self { io, out: Vec::new(), sent: 0, meter }
    }

    /// Puts all on the wire.
    pub(super) fn poll_end_turn(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_hand_over(cx))?;
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// Puts all on the wire, closes our side, and reads what still comes, so that no reset overtakes a GOAWAY.
    pub(super) fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_end_turn(cx))?;
        ready!(Pin::new(&mut self.io).poll_shutdown(cx))?;
        let mut discarded = 0;
        while discarded < LINGER_BYTES {
            let mut chunk = [0u8; 4096];
            let mut buf = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut self.io).poll_read(cx, &mut buf))?;
            if buf.filled().is_empty() {
                break;
            }
            discarded += buf.filled().len();
        }
        Poll::Ready(Ok(()))
    }

    /// Bytes that were produced and are not on the wire.
    pub(super) fn unsent(&self) -> usize {
        self.out.len() - self.sent + self.io.unsent()
    }

    /// Gives all that is gathered to the TLS layer.
    fn poll_hand_over(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.out.len() {
            let bytes = self.out.get(self.sent..).unwrap_or_default();
            match ready!(Pin::new(&mut self.io).poll_write(cx, bytes))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => self.sent += n,
            }
        }
        self.sent = 0;
        if self.out.capacity() > KEEP {
            self.out = Vec::new();
        } else {
            self.out.clear();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.out.len() >= GATHER {
            return self.poll_hand_over(cx);
        }
        Poll::Ready(Ok(()))
    }
}

impl<W: Wire> AsyncRead for TurnIo<W> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut this = self.0.borrow_mut();
        if this.meter.exceeded().is_some() {
            return Poll::Pending; // the connection looks at the meter after every poll
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
        this.meter.observe(buf.filled().get(before..).unwrap_or_default());
        Poll::Ready(Ok(()))
    }
}

impl<W: Wire> AsyncWrite for TurnIo<W> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut this = self.0.borrow_mut();
        ready!(this.poll_room(cx))?;
        this.out.extend_from_slice(bytes);
        this.meter.sent(bytes.len());
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut this = self.0.borrow_mut();
        ready!(this.poll_room(cx))?;
        let before = this.out.len();
        for buf in bufs {
            this.out.extend_from_slice(buf);
        }
        let n = this.out.len() - before;
        this.meter.sent(n);
        Poll::Ready(Ok(n))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// Nothing: see [`Gathering::poll_end_turn`].
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut this = self.0.borrow_mut();
        ready!(this.poll_hand_over(cx))?;
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}

/// Who is to be polled in the next turn. Wakers of the connection's parts lead here; the task itself is woken only
/// from outside of a turn.
pub(super) struct Bell {
    state: Mutex<State>,
}

struct State {
    /// The connection's task; `None` during a turn, which looks for new work before it ends.
    task: Option<Waker>,
    connection: bool,
    streams: Vec<usize>,
}

impl Bell {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State { task: None, connection: true, streams: Vec::new() }) })
    }

    /// A turn begins: whatever rings from now on is seen by it.
    pub(super) fn begin(&self) {
        self.with(|state| state.task = None);
    }

    /// Moves the streams to poll into `into`; says whether the connection is to be polled.
    pub(super) fn take(&self, into: &mut Vec<usize>) -> bool {
        self.with(|state| {
            into.append(&mut state.streams);
            std::mem::take(&mut state.connection)
        })
    }

    /// Ends the turn, unless something has rung since [`Bell::take`].
    pub(super) fn end(&self, cx: &Context<'_>) -> bool {
        self.with(|state| {
            if state.connection || !state.streams.is_empty() {
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

/// Rings for the connection.
impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring(|state| state.connection = true);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ring(|state| state.connection = true);
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
