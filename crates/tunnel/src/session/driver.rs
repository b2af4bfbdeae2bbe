//! The task that reads and writes a session's carrier.
//!
//! A turn: read what the socket has, wake the streams that it concerns, step back so that they run, then write all that
//! they and everybody else have made. A busy session thus seals many frames into one record and sends many records
//! with one system call; an idle one writes at once.

use std::{
    future::{Future as _, poll_fn},
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use bytes::BytesMut;
use mezu_tunnel_proto::{Death, Role};
use tokio::time::{Sleep, sleep_until, timeout};
use tracing::debug;

use super::{Shared, state::now};
use crate::carrier::Carrier;

/// Plaintext sealed and written at a time: all that a connection lets wait, unless much of it is heads.
const WRITE_CHUNK: usize = 256 * 1024;
/// Reads in one turn before others on this thread get theirs.
const READS: usize = 2;
/// When this much of the keys' life is spent, in percent, a gate is told to dial a replacement.
const WORN: u64 = 50;
/// The replacement has this long before no new requests are taken here.
const REPLACE_WITHIN: Duration = Duration::from_millis(if cfg!(test) { 200 } else { 5_000 });
/// Nobody replaced it: either side drains it now, so that what is open can still finish.
const WORN_OUT: u64 = 75;
/// A last word must be out by then.
const FAREWELL: Duration = Duration::from_secs(2);

pub(super) struct Driver {
    shared: Rc<Shared>,
    carrier: Carrier,
    input: BytesMut,
    timer: Pin<Box<Sleep>>,
    /// When the timer fires, if it is set. Never later than the protocol's next deadline.
    armed: Option<Instant>,
    /// Tasks were woken and shall run before anything is written.
    stepped_back: bool,
    /// Our last bytes are out.
    said_bye: bool,
    /// When a worn session stops taking new requests.
    retire: Option<Instant>,
    /// `input` may hold frames that were not looked at.
    unread: bool,
}

/// What a read brought.
enum Read {
    /// Nothing; the socket will wake us.
    Empty,
    /// Something, but nothing that woke a task.
    Quiet,
    /// Tasks are ready to run.
    Woke,
}

impl Driver {
    pub(super) fn new(shared: Rc<Shared>, carrier: Carrier, input: BytesMut) -> Self {
        let timer = Box::pin(sleep_until(tokio::time::Instant::now()));
        Self {
            shared,
            carrier,
            input,
            timer,
            armed: None,
            stepped_back: false,
            said_bye: false,
            retire: None,
            unread: true,
        }
    }

    pub(super) async fn run(mut self) {
        let death = poll_fn(|cx| self.poll(cx)).await;
        self.shared.state.borrow_mut().die(death);
        // The peer may be gone or not reading: then it gets no farewell.
        let _ = timeout(FAREWELL, poll_fn(|cx| self.poll_farewell(cx))).await;
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Death> {
        match self.turn(cx) {
            Ok(()) => Poll::Pending,
            Err(death) => Poll::Ready(death),
        }
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Result<(), Death> {
        self.keep_time()?;
        for _ in 0..READS {
            let read = if self.stepped_back { Read::Quiet } else { self.read(cx)? };
            if let Read::Woke = read {
                self.stepped_back = true;
                cx.waker().wake_by_ref();
                return Ok(());
            }
            self.stepped_back = false;
            self.write(cx)?;
            if let Read::Empty = read {
                return self.sleep(cx);
            }
        }
        // More is coming than one turn takes: others get theirs, and time its due.
        cx.waker().wake_by_ref();
        self.sleep(cx)
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Result<Read, Death> {
        // The first exchange may have read further than its own frame.
        if std::mem::take(&mut self.unread) && !self.input.is_empty() {
            return self.digest();
        }
        match self.carrier.poll_read_into(cx, &mut self.input) {
            Poll::Pending => Ok(Read::Empty),
            Poll::Ready(Ok(0)) => Err(Death::Closed),
            Poll::Ready(Ok(_)) => self.digest(),
            Poll::Ready(Err(error)) => Err(broken(&error)),
        }
    }

    fn digest(&mut self) -> Result<Read, Death> {
        let mut state = self.shared.state.borrow_mut();
        // A violation makes the connection dead, which the events say.
        let _ = state.connection.handle_input(now(), &mut self.input);
        let woken = state.dispatch();
        state.ended()?;
        Ok(if woken > 0 { Read::Woke } else { Read::Quiet })
    }

    /// Seals and sends what the protocol has made, as far as the socket takes it.
    fn write(&mut self, cx: &mut Context<'_>) -> Result<(), Death> {
        loop {
            match self.carrier.poll_flush(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Err(broken(&error)),
                Poll::Pending => return Ok(()),
            }
            let mut state = self.shared.state.borrow_mut();
            let output = state.connection.output();
            let chunk = output.get(..WRITE_CHUNK).unwrap_or(output);
            if chunk.is_empty() {
                return Ok(());
            }
            let len = chunk.len();
            self.carrier.write(chunk).map_err(|error| broken(&error))?;
            state.connection.advance_output(len);
            state.dispatch();
        }
    }

    /// Keys wear out with what they protect, and a carrier cannot change them (docs/protocol.md §1).
    fn watch_keys(&mut self, now: Instant) {
        let wear = self.carrier.wear();
        if wear < WORN {
            return;
        }
        let mut state = self.shared.state.borrow_mut();
        if state.connection.role() == Role::Gate {
            state.ask_replacement();
            self.retire.get_or_insert(now + REPLACE_WITHIN);
        }
        if wear >= WORN_OUT || self.retire.is_some_and(|at| at <= now) {
            state.drain();
        }
    }

    /// What is due does not wait for [`Self::sleep`]: while bulk keeps the socket readable there is no sleep.
    fn keep_time(&mut self) -> Result<(), Death> {
        let now = now();
        self.watch_keys(now);
        if self.next_deadline().is_some_and(|at| at <= now) { self.tick(now) } else { Ok(()) }
    }

    /// Waits for the socket, a stream, or the protocol's next deadline.
    fn sleep(&mut self, cx: &mut Context<'_>) -> Result<(), Death> {
        loop {
            let now = now();
            self.watch_keys(now);
            let next = self.next_deadline();
            if next.is_some_and(|at| at <= now) {
                self.tick(now)?;
                self.write(cx)?;
            } else if !self.arm(cx, next, now) {
                break;
            }
        }
        let mut state = self.shared.state.borrow_mut();
        // The dead have no deadlines: nothing else would end a session that was closed here while its peer is silent.
        state.ended()?;
        if state.is_drained() && self.carrier.unsent() == 0 {
            return Err(Death::Local);
        }
        state.park_driver(cx);
        if self.input.is_empty() && state.connection.in_flight() == 0 {
            self.input = BytesMut::new();
        }
        Ok(())
    }

    fn next_deadline(&self) -> Option<Instant> {
        let state = self.shared.state.borrow();
        let retire = self.retire.filter(|_| !state.connection.is_draining());
        state.connection.poll_timeout().into_iter().chain(retire).min()
    }

    fn tick(&mut self, now: Instant) -> Result<(), Death> {
        let mut state = self.shared.state.borrow_mut();
        state.connection.handle_timeout(now);
        state.dispatch();
        state.ended()
    }

    /// Sees to it that the timer fires by `next`; true when that is now. The timer is moved only forward: a deadline
    /// that recedes, as most do with every frame, costs nothing until the timer fires in vain.
    fn arm(&mut self, cx: &mut Context<'_>, next: Option<Instant>, now: Instant) -> bool {
        let Some(next) = next else { return false };
        if self.armed.is_some_and(|armed| now < armed && armed <= next) {
            return false;
        }
        self.armed = Some(next);
        self.timer.as_mut().reset(next.into());
        self.timer.as_mut().poll(cx).is_ready()
    }

    /// Sends what is left, and the end; then waits for the peer's end, because a socket that is closed over unread data
    /// takes its own last words back.
    fn poll_farewell(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.said_bye {
            let _ = self.write(cx);
            if self.carrier.unsent() > 0 {
                return Poll::Pending;
            }
            self.carrier.close_notify();
            if ready!(self.carrier.poll_flush(cx)).is_err() || ready!(self.carrier.poll_shutdown(cx)).is_err() {
                return Poll::Ready(());
            }
            self.said_bye = true;
        }
        loop {
            self.input.clear();
            if !matches!(ready!(self.carrier.poll_read_into(cx, &mut self.input)), Ok(n) if n > 0) {
                return Poll::Ready(());
            }
        }
    }
}

fn broken(error: &io::Error) -> Death {
    debug!(%error, "tunnel carrier");
    Death::Closed
}
