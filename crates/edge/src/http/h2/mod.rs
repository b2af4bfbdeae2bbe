//! HTTP/2 on one connection (RFC 9113).
//!
//! One task per connection: it reads frames, runs the requests, and writes once per turn, so that all that a turn's
//! requests produced leaves in as few TLS records and system calls as possible. No buffer is held between turns.
//!
//! | file | what |
//! |---|---|
//! | [`frame`] | how frames look |
//! | [`core`] | streams, windows, what is to be sent |
//! | [`receive`] | what each frame does to it |
//! | [`exchange`] | what a request's task does to it |
//! | [`meter`] | what a client may do to us |
//! | here | the turn |
//!
//! Must never: let work go on that the client has cancelled beyond its turn, hold more heads than the limit, or take
//! two readings of a frame for possible.

mod bell;
mod core;
mod exchange;
mod frame;
mod head;
mod heads;
mod meter;
mod receive;
mod spare;
mod stream;
mod streams;

#[cfg(test)]
mod tests;

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::BytesMut;
use mezu_model::{Limits, Method, RequestHead, ResponseHead};
use tokio::time::{Instant, timeout};

use self::{
    bell::Bell,
    core::{Core, Incoming, Leaving, OUT_HARD},
    exchange::Exchange,
    frame::Reason,
    head::Fault,
    streams::{Seat, Streams},
};
use super::{
    BadRequest, ConnInfo, Exchange as _, ResponseLength, Serve,
    drain::{Drain, DrainWatch},
    pace::{Alarm, Pace},
    wire::Wire,
};
use crate::metrics::Shed;

/// How long a client may still send after our last frame.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 256 * 1024;
/// How long a client has to answer the PING behind the first GOAWAY.
const LEAVE_WAIT: Duration = Duration::from_secs(5);
/// After so long without a request the memory for requests is given back.
const SETTLE: Duration = Duration::from_secs(1);
/// Rounds of one turn before other connections get theirs.
const ROUNDS: usize = 8;
/// Input taken in one round.
const READ_AT_ONCE: usize = 128 * 1024;

/// Serves a connection to its end.
pub(crate) async fn serve<W: Wire, S: Serve>(io: W, conn: ConnInfo, service: Rc<S>, limits: Rc<Limits>, drain: Drain) {
    let core = Rc::new(RefCell::new(Core::new(limits.clone())));
    let shared = Rc::new(Shared { conn, service, limits, core, retained: Cell::new(0) });
    let bell = Bell::new();
    let at_streams = shared.clone();
    let mut front = Front {
        io,
        input: BytesMut::new(),
        waker: Waker::from(bell.clone()),
        ready: Vec::new(),
        streams: Streams::new(bell.clone(), |seat| serve_requests(at_streams.clone(), seat)),
        bell,
        watch: drain.watch(),
        opened: 0,
        eof: false,
        blocked: false,
        paused: None,
        state: (true, 0, Leaving::No),
        since: Instant::now(),
        alarm: Alarm::default(),
        writing: Pace::writing(&shared.limits),
        unsent: 0,
        on_wire: 0,
        shared,
    };
    poll_fn(|cx| front.poll_turn(cx)).await;
    front.streams.clear();
    let _ = timeout(LINGER, poll_fn(|cx| front.poll_linger(cx))).await;
}

struct Shared<S> {
    conn: ConnInfo,
    service: Rc<S>,
    limits: Rc<Limits>,
    core: Rc<RefCell<Core>>,
    /// Bytes of heads that requests under way hold.
    retained: Cell<usize>,
}

/// Serves one request after another, for ever.
async fn serve_requests<S: Serve>(shared: Rc<Shared<S>>, seat: Rc<Seat>) {
    loop {
        let incoming = seat.next().await;
        run(&shared, incoming).await;
    }
}

/// One request, from its head to the end of its answer.
async fn run<S: Serve>(shared: &Shared<S>, incoming: Incoming) {
    let Incoming { key, mut head, spare, length } = incoming;
    let declared = match length {
        Ok(declared) => declared,
        Err(Fault::Request(problem)) => return refuse(shared, key, &head, problem).await,
        Err(Fault::Protocol(problem)) => {
            shared.service.refuse(&shared.conn, problem, &mut ResponseHead::default()); // to be on record
            return shared.core.borrow_mut().forget(key, Reason::Protocol);
        }
    };
    let size = head.headers.list_size() + head.path.len() + head.host.len();
    let Some(_held) = Held::new(&shared.retained, size, shared.limits.retained_header_bytes) else {
        shared.service.turned_away(Shed::RetainedHeads);
        return shared.core.borrow_mut().forget(key, Reason::Refused);
    };
    let mut exchange = Exchange::new(shared.core.clone(), key, &head, declared);
    shared.service.serve(&shared.conn, &mut head, &mut exchange).await;
    drop(exchange);
    heads::give_back(head, spare);
}

/// Counts a head against the connection while its request is under way.
struct Held<'c> {
    total: &'c Cell<usize>,
    size: usize,
}

impl<'c> Held<'c> {
    fn new(total: &'c Cell<usize>, size: usize, limit: usize) -> Option<Self> {
        let sum = total.get() + size;
        (sum <= limit).then(|| {
            total.set(sum);
            Self { total, size }
        })
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.total.set(self.total.get() - self.size);
    }
}

async fn refuse<S: Serve>(shared: &Shared<S>, key: usize, head: &RequestHead, problem: BadRequest) {
    let mut answer = ResponseHead::default();
    let mut data = shared.service.refuse(&shared.conn, problem, &mut answer);
    let mut exchange = Exchange::new(shared.core.clone(), key, head, None);
    exchange.start(&answer, ResponseLength::Sized(data.len() as u64));
    if head.method == Method::Head {
        data.clear();
    }
    if poll_fn(|cx| exchange.poll_send(cx, &mut data)).await.is_ok() {
        exchange.finish();
    }
}

struct Front<W, S, F, M> {
    io: W,
    input: BytesMut,
    bell: Arc<Bell>,
    /// Rings for the socket.
    waker: Waker,
    ready: Vec<usize>,
    streams: Streams<F, M>,
    shared: Rc<Shared<S>>,
    watch: DrainWatch,
    opened: u32,
    eof: bool,
    /// Not read because too much waits to be sent, or because too much came in too small pieces.
    blocked: bool,
    paused: Option<Instant>,
    /// Whether there is no request, how many there were, and how far it has been told to leave; since when.
    state: (bool, u32, Leaving),
    since: Instant,
    alarm: Alarm,
    /// How fast the client takes what we send, over all streams.
    writing: Pace,
    unsent: usize,
    /// Bytes that the socket took.
    on_wire: u64,
}

impl<W: Wire, S: Serve, F: Future<Output = ()>, M: Fn(Rc<Seat>) -> F> Front<W, S, F, M> {
    /// Polls whoever has something to do, until nobody has, then writes. Ready when the connection is over.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.bell.begin();
        self.shared.core.borrow_mut().take_buffer();
        for _ in 0..ROUNDS {
            let socket = self.bell.take(&mut self.ready);
            if !socket && self.ready.is_empty() {
                // Nobody is left. Writing may make room for those who wait for it.
                if self.write(cx).is_err() {
                    return Poll::Ready(());
                }
                if self.bell.is_quiet() {
                    break;
                }
                continue;
            }
            let mut ready = std::mem::take(&mut self.ready);
            ready.drain(..).for_each(|index| self.streams.poll(index));
            self.ready = ready;
            if socket && let Err(reason) = self.read() {
                return self.die(reason);
            }
        }
        self.shared.core.borrow_mut().keep_buffer();
        ready!(self.poll_rest(cx));
        Poll::Ready(())
    }

    /// Reads what is there and takes requests in.
    fn read(&mut self) -> Result<(), Reason> {
        let waker = self.waker.clone();
        let mut cx = Context::from_waker(&waker);
        let mut taken = 0;
        while !self.eof {
            {
                let core = self.shared.core.borrow();
                self.paused = core.meter.pause();
                self.blocked = core.out.len() >= OUT_HARD;
            }
            if self.blocked || self.paused.is_some() {
                break;
            }
            if taken >= READ_AT_ONCE {
                waker.wake_by_ref(); // the others first
                break;
            }
            if self.input.is_empty() {
                spare::lend(&mut self.input);
            }
            match self.io.poll_read_into(&mut cx, &mut self.input) {
                Poll::Ready(Ok(n)) if n > 0 => taken += n,
                Poll::Ready(_) => {
                    self.eof = true;
                    self.shared.core.borrow_mut().client_left();
                }
                Poll::Pending => break,
            }
            let received = self.shared.core.borrow_mut().receive(&mut self.input);
            self.admit();
            received?;
        }
        if self.input.is_empty() {
            spare::take_back(&mut self.input);
        }
        Ok(())
    }

    fn admit(&mut self) {
        let mut incoming = std::mem::take(&mut self.shared.core.borrow_mut().incoming);
        for request in incoming.drain(..) {
            self.opened += 1;
            self.streams.add(request);
        }
        let mut core = self.shared.core.borrow_mut();
        core.incoming = incoming;
        if self.opened >= self.shared.limits.streams_per_connection {
            core.announce_leave();
        }
        for _ in 0..std::mem::take(&mut core.refused_now) {
            self.shared.service.turned_away(Shed::Streams);
        }
    }

    /// Puts what there is on the wire; an error when the client is gone or too slow.
    fn write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let waker = self.waker.clone();
        let done = self.poll_out(&mut Context::from_waker(&waker));
        self.unsent = self.shared.core.borrow().unsent() + self.io.unsent();
        if self.writing.is_waiting() || done.is_pending() {
            let taken = self.shared.core.borrow().meter.bytes_sent();
            let on_wire = self.on_wire.max(taken.saturating_sub(self.io.unsent() as u64));
            let moved = on_wire - std::mem::replace(&mut self.on_wire, on_wire);
            self.writing.moved(usize::try_from(moved).unwrap_or(usize::MAX));
        }
        match done {
            Poll::Ready(done) => done,
            Poll::Pending if self.writing.poll_too_slow(cx, &mut self.alarm).is_pending() => Ok(()),
            Poll::Pending => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    fn poll_out(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut core = self.shared.core.borrow_mut();
        while core.unsent() > 0 {
            let bytes = core.out.get(core.sent..).unwrap_or_default();
            match ready!(Pin::new(&mut self.io).poll_write(cx, bytes))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => core.sent(n),
            }
        }
        core.all_sent();
        if std::mem::take(&mut self.blocked) {
            self.waker.wake_by_ref();
        }
        drop(core);
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// What is left once nobody has work: the end, and deadlines.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let draining = self.watch.poll(cx).is_some();
        let over = {
            let mut core = self.shared.core.borrow_mut();
            if draining {
                core.announce_leave();
            }
            let left = self.eof || matches!(core.leaving, Leaving::Final(_));
            left && self.streams.is_empty() && core.unsent() == 0
        };
        if over || self.poll_deadline(cx).is_ready() {
            return Poll::Ready(());
        }
        let more = self.shared.core.borrow().unsent() > self.unsent;
        if more || !self.bell.end(cx) {
            cx.waker().wake_by_ref(); // the others first
        }
        Poll::Pending
    }

    /// Ready when the client has had all the time it gets to say hello, to ask for something, or to leave.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(until) = self.paused
            && self.alarm.poll_until(cx, until).is_ready()
        {
            self.waker.wake_by_ref(); // read on
        }
        let limits = &self.shared.limits;
        let (greeted, leaving) = {
            let core = self.shared.core.borrow();
            (core.is_greeted(), core.leaving)
        };
        let idle = self.streams.is_empty();
        let state = (idle, self.opened, leaving);
        if state != self.state {
            self.state = state;
            self.since = Instant::now();
        }
        if idle && self.streams.holds_memory() {
            ready!(self.alarm.poll_until(cx, self.since + SETTLE));
            self.streams.clear();
        }
        let patience = match (greeted, idle, leaving) {
            (false, _, _) => limits.header_read,
            (true, true, Leaving::No) => limits.keep_alive_h2,
            (true, _, Leaving::Announced) => LEAVE_WAIT,
            (true, _, _) => return Poll::Pending,
        };
        ready!(self.alarm.poll_until(cx, self.since + patience));
        let mut core = self.shared.core.borrow_mut();
        match (greeted, leaving) {
            (false, _) => return Poll::Ready(()),
            (true, Leaving::No) => core.announce_leave(),
            (true, _) => core.leave(),
        }
        Poll::Pending
    }

    /// The client has broken the rules: it is told which, and all its work ends.
    fn die(&mut self, reason: Reason) -> Poll<()> {
        tracing::debug!(client = %self.shared.conn.client, ?reason, "HTTP/2 connection error");
        if reason == Reason::Calm {
            self.shared.service.turned_away(Shed::Flood);
        }
        self.shared.core.borrow_mut().die(reason);
        Poll::Ready(())
    }

    /// After the end: puts all on the wire, closes our side, and reads what still comes, so that no reset overtakes a
    /// GOAWAY.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_out(cx))?;
        ready!(Pin::new(&mut self.io).poll_shutdown(cx))?;
        let mut discarded = 0;
        while discarded < LINGER_BYTES && !self.eof {
            self.input.clear();
            match ready!(self.io.poll_read_into(cx, &mut self.input))? {
                0 => self.eof = true,
                n => discarded += n,
            }
        }
        Poll::Ready(Ok(()))
    }
}
