//! From the worker that has a client to the worker that has a tunnel.
//!
//! Where a gate may not hold a tunnel per worker, or holds none here yet, a request crosses threads once: a task on
//! the other worker owns the stream and two bounded channels carry what goes each way. To whoever forwards,
//! [`GateStream`] looks the same either way.

mod far;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use mezu_model::{Aim, GateId, Headers, RequestHead};
use mezu_tunnel::Stream;
use mezu_tunnel::proto::{Incoming, OpenOptions, StreamError};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::PollSender;

pub(crate) use self::far::carry;
use crate::gates::Ways;
use crate::places::Place;
use crate::presence::Passed;
use crate::worker::{Command, Worker};

/// Pieces under way in each direction; one is at most a frame or one read of the client's socket.
const PIECES: usize = 4;

/// A request for another worker to open.
pub(crate) struct Hop {
    pub(crate) aim: Aim,
    pub(crate) context: mezu_model::Context,
    pub(crate) head: RequestHead,
    /// A gate that was asked in vain.
    pub(crate) avoid: Option<GateId>,
    /// Another gate may be asked if this one falls silent.
    pub(crate) impatient: bool,
    pub(crate) park: bool,
    pub(crate) narrow: bool,
    pub(crate) inline: Bytes,
    pub(crate) end: bool,
    pub(crate) up: mpsc::Receiver<Up>,
    pub(crate) down: mpsc::Sender<Down>,
    /// The word that a parked request may be delivered. It must not queue behind data: that waits for credit which a
    /// gate gives only once it delivers.
    pub(crate) go: Option<oneshot::Receiver<()>>,
    pub(crate) told: Arc<Told>,
    /// Resolves when the near end is dropped.
    pub(crate) near: oneshot::Receiver<()>,
}

/// What the ends tell each other, beside the stream.
#[derive(Default)]
pub(crate) struct Told {
    /// Which gate has the request. Set before anything comes from it.
    pub(crate) gate: OnceLock<GateId>,
    /// It has given no sign of life for as long as one is waited for.
    pub(crate) silent: AtomicBool,
    /// Told by the near end: the request rests most of the time.
    pub(crate) rests: AtomicBool,
}

/// Whom not to ask.
#[derive(Clone, Copy, Default)]
pub(crate) struct Avoid {
    pub(crate) gate: Option<GateId>,
    pub(crate) workers: Passed,
}

/// What goes towards the gate.
pub(crate) enum Up {
    Data(Bytes, bool),
    Trailers(Headers),
}

/// What comes from it. Nothing follows an error.
pub(crate) type Down = Result<Incoming, StreamError>;

/// A stream to a gate, wherever its tunnel ends.
pub(crate) enum GateStream {
    Local(Stream, Place),
    Hop(Box<HopStream>),
}

/// The near end of a hop.
pub(crate) struct HopStream {
    up: PollSender<Up>,
    down: mpsc::Receiver<Down>,
    go: Option<oneshot::Sender<()>>,
    /// The far worker, and what it tells.
    pub(crate) worker: usize,
    pub(crate) told: Arc<Told>,
    _near: oneshot::Sender<()>,
}

/// Sends a request to a worker that holds a tunnel to the workload, if there is one that takes it.
pub(crate) fn open(
    worker: &Worker,
    ways: &Ways,
    context: &mezu_model::Context,
    head: &RequestHead,
    options: &OpenOptions<'_>,
    avoid: Avoid,
    impatient: bool,
) -> Option<Box<HopStream>> {
    let other = ways.reach.elsewhere(worker.index, mezu_runtime::random::next_u64(), avoid.workers)?;
    let told = Arc::new(Told::default());
    let (up_near, up) = mpsc::channel(PIECES);
    let (down, down_near) = mpsc::channel(if options.narrow { 1 } else { PIECES });
    let (near_sender, near) = oneshot::channel();
    let (go_near, go) = options.park.then(oneshot::channel).unzip();
    let hop = Hop {
        aim: ways.aim.clone(),
        context: *context,
        head: head.clone(),
        avoid: avoid.gate,
        impatient,
        park: options.park,
        narrow: options.narrow,
        inline: Bytes::copy_from_slice(options.inline),
        end: options.end,
        up,
        down,
        go,
        told: Arc::clone(&told),
        near,
    };
    // A worker with a full mailbox has more than enough to do: then this way does not exist.
    worker.send(other, Command::Hop(Box::new(hop))).ok()?;
    let up = PollSender::new(up_near);
    Some(Box::new(HopStream { up, down: down_near, go: go_near, worker: other, told, _near: near_sender }))
}

impl GateStream {
    #[inline]
    pub(crate) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, StreamError>> {
        match self {
            Self::Local(stream, _) => stream.poll_recv(cx),
            // The far worker is gone: so is the stream.
            Self::Hop(hop) => hop.down.poll_recv(cx).map(|down| down.unwrap_or(Err(StreamError::Dead))),
        }
    }

    /// Whether body bytes are known to be what is received next. Of what a hop carries nothing is known: it is little.
    #[inline]
    pub(crate) fn is_data_next(&mut self) -> bool {
        match self {
            Self::Local(stream, _) => stream.is_data_next(),
            Self::Hop(_) => false,
        }
    }

    /// Sends from the front of `data`, which loses what was taken. With `end`, the last byte ends the direction.
    #[inline]
    pub(crate) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        data: &mut Bytes,
        end: bool,
    ) -> Poll<Result<(), StreamError>> {
        match self {
            Self::Local(stream, _) => {
                let taken = ready!(stream.poll_send(cx, data, end))?;
                data.advance(taken.min(data.len()));
                Poll::Ready(Ok(()))
            }
            Self::Hop(hop) => {
                ready!(hop.up.poll_reserve(cx)).map_err(|_| StreamError::Dead)?;
                Poll::Ready(hop.send(Up::Data(std::mem::take(data), end)))
            }
        }
    }

    pub(crate) fn poll_send_trailers(
        &mut self,
        cx: &mut Context<'_>,
        trailers: &Headers,
    ) -> Poll<Result<(), StreamError>> {
        match self {
            Self::Local(stream, _) => Poll::Ready(stream.send_trailers(trailers)),
            Self::Hop(hop) => {
                ready!(hop.up.poll_reserve(cx)).map_err(|_| StreamError::Dead)?;
                Poll::Ready(hop.send(Up::Trailers(trailers.clone())))
            }
        }
    }

    /// Lets the gate deliver the parked request. If its tunnel is dead, that shows when it is next read from.
    pub(crate) fn send_go(&mut self) {
        match self {
            Self::Local(stream, _) => drop(stream.send_go()),
            Self::Hop(hop) => drop(hop.go.take().map(|go| go.send(()))),
        }
    }

    /// From here on it rests most of the time, and takes no place among those that do not. Behind a hop the far end
    /// learns it when it next has something to do.
    pub(crate) fn rest(&mut self) {
        match self {
            Self::Local(_, place) => place.rest(),
            Self::Hop(hop) => hop.told.rests.store(true, Ordering::Relaxed),
        }
    }

    /// Whether its gate has given no sign of life for this long. Of a gate behind a hop the far end knows.
    pub(crate) fn is_silent(&self, long: Duration) -> bool {
        match self {
            Self::Local(stream, _) => stream.silent_for() >= long,
            Self::Hop(hop) => hop.told.silent.load(Ordering::Relaxed),
        }
    }
}

impl HopStream {
    fn send(&mut self, up: Up) -> Result<(), StreamError> {
        self.up.send_item(up).map_err(|_| StreamError::Dead)
    }
}
