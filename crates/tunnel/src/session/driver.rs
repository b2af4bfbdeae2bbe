//! The task that reads and writes a session's carrier.
//!
//! A turn: read what the socket has, wake the streams that it concerns, step back so that they run, then write all that
//! they and everybody else have made. A busy session thus seals many frames into one record and sends many records
//! with one system call; an idle one writes at once.

use std::{
    future::{Future as _, poll_fn},
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::BytesMut;
use mezu_tunnel_proto::Death;
use tokio::time::{Sleep, sleep_until, timeout};

use super::{Session, state::now};
use crate::carrier::Carrier;

/// Plaintext sealed and written at a time.
const WRITE_CHUNK: usize = 128 * 1024;
/// Reads in one turn before others on this thread get theirs.
const READS: usize = 4;
/// A last word must be out by then.
const FAREWELL: Duration = Duration::from_secs(2);

pub(super) struct Driver {
    session: Session,
    carrier: Carrier,
    input: BytesMut,
    timer: Pin<Box<Sleep>>,
    /// When the timer fires, if it is set. Never later than the protocol's next deadline.
    armed: Option<Instant>,
    /// Tasks were woken and shall run before anything is written.
    stepped_back: bool,
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
    pub(super) fn new(session: Session, carrier: Carrier, input: BytesMut) -> Self {
        let timer = Box::pin(sleep_until(tokio::time::Instant::now()));
        Self { session, carrier, input, timer, armed: None, stepped_back: false, unread: true }
    }

    pub(super) async fn run(mut self) {
        let death = poll_fn(|cx| self.poll(cx)).await;
        self.session.0.state.borrow_mut().die(death);
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
        cx.waker().wake_by_ref();
        Ok(())
    }

    fn read(&mut self, cx: &mut Context<'_>) -> Result<Read, Death> {
        // The first exchange may have read further than its own frame.
        if std::mem::take(&mut self.unread) && !self.input.is_empty() {
            return self.digest();
        }
        match self.carrier.poll_read_into(cx, &mut self.input) {
            Poll::Pending => Ok(Read::Empty),
            Poll::Ready(Ok(n)) if n > 0 => self.digest(),
            Poll::Ready(_) => Err(Death::Closed),
        }
    }

    fn digest(&mut self) -> Result<Read, Death> {
        let mut state = self.session.0.state.borrow_mut();
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
                Poll::Ready(Err(_)) => return Err(Death::Closed),
                Poll::Pending => return Ok(()),
            }
            let mut state = self.session.0.state.borrow_mut();
            let output = state.connection.output();
            let chunk = output.get(..WRITE_CHUNK).unwrap_or(output);
            if chunk.is_empty() {
                return Ok(());
            }
            let len = chunk.len();
            self.carrier.write(chunk).map_err(|_| Death::Closed)?;
            state.connection.advance_output(len);
            state.dispatch();
            if self.carrier.is_worn() {
                state.drain();
            }
        }
    }

    /// Waits for the socket, a stream, or the protocol's next deadline.
    fn sleep(&mut self, cx: &mut Context<'_>) -> Result<(), Death> {
        loop {
            let now = now();
            let next = self.session.0.state.borrow().connection.poll_timeout();
            if next.is_some_and(|at| at <= now) {
                self.tick(now)?;
                self.write(cx)?;
            } else if !self.arm(cx, next, now) {
                break;
            }
        }
        let mut state = self.session.0.state.borrow_mut();
        if state.is_drained() && self.carrier.unsent() == 0 {
            return Err(Death::Local);
        }
        state.park_driver(cx);
        if self.input.is_empty() && state.connection.in_flight() == 0 {
            self.input = BytesMut::new();
        }
        Ok(())
    }

    fn tick(&mut self, now: Instant) -> Result<(), Death> {
        let mut state = self.session.0.state.borrow_mut();
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

    /// Sends what is left, and the end.
    fn poll_farewell(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let _ = self.write(cx);
        if self.carrier.unsent() > 0 {
            return Poll::Pending;
        }
        self.carrier.close_notify();
        match self.carrier.poll_flush(cx) {
            Poll::Ready(Ok(())) => self.carrier.poll_shutdown(cx).map(|_| ()),
            Poll::Ready(Err(_)) => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
        }
    }
}
