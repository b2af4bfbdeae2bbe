//! The turn of a connection: poll whoever has something to do until nobody has, then write once.

use std::{
    io,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::BytesMut;
use tokio::time::Instant;

use super::{
    Shared,
    bell::Bell,
    core::{Leaving, OUT_HARD},
    frame::Reason,
    receive::Unfinished,
    spare,
    streams::{Seat, Streams},
};
use crate::{
    http::{
        Serve,
        drain::DrainWatch,
        pace::{Alarm, Pace},
        wire::Wire,
    },
    metrics::Shed,
};

/// How much is read and thrown away after the end.
const LINGER_BYTES: usize = 256 * 1024;
/// How long a client has to answer the PING behind the first GOAWAY.
const LEAVE_WAIT: Duration = Duration::from_secs(5);
/// After so long without a request the memory for requests is given back.
const SETTLE: Duration = Duration::from_secs(1);
/// Rounds of one turn before other connections get theirs.
const ROUNDS: usize = 8;
/// Input taken in one round.
const READ_AT_ONCE: usize = 128 * 1024;

pub(super) struct Front<W, S, F, M> {
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
    /// Which frame or header block is on its way, and since when.
    unfinished: Option<(Unfinished, Instant)>,
    /// When it was first told, which no request puts off.
    announced: Option<Instant>,
    alarm: Alarm,
    /// How fast the client takes what we send, over all streams.
    writing: Pace,
    unsent: usize,
    /// Bytes that the socket took.
    on_wire: u64,
}

impl<W: Wire, S: Serve, F: Future<Output = ()>, M: Fn(Rc<Seat>) -> F> Front<W, S, F, M> {
    pub(super) fn new(
        io: W,
        shared: Rc<Shared<S>>,
        bell: Arc<Bell>,
        streams: Streams<F, M>,
        watch: DrainWatch,
    ) -> Self {
        Self {
            io,
            input: BytesMut::new(),
            waker: Waker::from(bell.clone()),
            bell,
            ready: Vec::new(),
            streams,
            watch,
            opened: 0,
            eof: false,
            blocked: false,
            paused: None,
            state: (true, 0, Leaving::No),
            since: Instant::now(),
            unfinished: None,
            announced: None,
            alarm: Alarm::default(),
            writing: Pace::writing(&shared.limits),
            unsent: 0,
            on_wire: 0,
            shared,
        }
    }

    /// The connection is over: so are its requests.
    pub(super) fn end_requests(&mut self) {
        self.streams.clear();
    }

    /// Polls whoever has something to do, until nobody has, then writes. Ready when the connection is over.
    pub(super) fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
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
        if self.poll_unfinished(cx).is_ready() {
            return Poll::Ready(());
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
        if idle && leaving == Leaving::No && self.streams.holds_memory() {
            ready!(self.alarm.poll_until(cx, self.since + SETTLE));
            self.streams.clear();
        }
        let deadline = match (greeted, idle, leaving) {
            (false, _, _) => self.since + limits.header_read,
            (true, true, Leaving::No) => self.since + limits.keep_alive_h2,
            (true, _, Leaving::Announced) => *self.announced.get_or_insert_with(Instant::now) + LEAVE_WAIT,
            (true, _, _) => return Poll::Pending,
        };
        ready!(self.alarm.poll_until(cx, deadline));
        let mut core = self.shared.core.borrow_mut();
        match (greeted, leaving) {
            (false, _) => return Poll::Ready(()),
            (true, Leaving::No) => core.announce_leave(),
            (true, _) => core.leave(),
        }
        Poll::Pending
    }

    /// Ready when a frame other than of a body, or a header block, has been on its way for as long as a head may be.
    fn poll_unfinished(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let held_by_us = self.blocked || self.paused.is_some();
        let core = self.shared.core.borrow();
        let Some(which) = core.unfinished(&self.input).filter(|_| core.is_greeted() && !held_by_us) else {
            self.unfinished = None;
            return Poll::Pending;
        };
        drop(core);
        let since = match self.unfinished {
            Some((same, since)) if same == which => since,
            _ => Instant::now(),
        };
        self.unfinished = Some((which, since));
        ready!(self.alarm.poll_until(cx, since + self.shared.limits.header_read));
        self.shared.core.borrow_mut().die(Reason::NoError);
        Poll::Ready(())
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
    pub(super) fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
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
