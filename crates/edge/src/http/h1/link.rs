//! The connection under an HTTP/1 exchange: bounded reading ahead, one out buffer, the minimum rate both ways.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use mezu_model::Limits;

use super::warm::Warm;
use crate::http::{
    ClientGone,
    pace::{Alarm, Pace},
    wire::Wire,
};

/// Input is not read while this much of it is waiting.
const READ_AHEAD: usize = 64 * 1024;

pub(crate) struct Link<'l, W> {
    pub(crate) io: W,
    pub(crate) warm: Warm,
    /// How much of `warm.out` is on the wire.
    sent: usize,
    /// Our side is closed cleanly.
    shut: bool,
    /// The client has half-closed.
    pub(crate) eof: bool,
    /// The end came without close_notify: no half-close, the client is gone and will not read an answer either.
    cut: bool,
    gone: Option<ClientGone>,
    pub(crate) alarm: Alarm,
    pub(crate) reading: Pace,
    writing: Pace,
    /// Bytes given to `io`, and how many of them were counted as moved.
    accepted: u64,
    counted: u64,
    pub(crate) limits: &'l Limits,
}

impl<'l, W: Wire> Link<'l, W> {
    pub(crate) fn new(io: W, limits: &'l Limits) -> Self {
        Self {
            io,
            warm: Warm::default(),
            sent: 0,
            shut: false,
            eof: false,
            cut: false,
            gone: None,
            alarm: Alarm::default(),
            reading: Pace::reading(limits),
            writing: Pace::writing(limits),
            accepted: 0,
            counted: 0,
            limits,
        }
    }

    /// A new request begins.
    pub(crate) fn restart(&mut self) {
        self.reading = Pace::reading(self.limits);
        self.writing = Pace::writing(self.limits);
    }

    pub(crate) fn gone(&self) -> Option<ClientGone> {
        self.gone
    }

    pub(crate) fn fail(&mut self, why: ClientGone) -> ClientGone {
        *self.gone.get_or_insert(why)
    }

    /// Reads more input; 0 at the client's half-close. Applies no deadline.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, ClientGone>> {
        if let Some(gone) = self.gone {
            return Poll::Ready(Err(gone));
        }
        if self.eof {
            return Poll::Ready(Ok(0));
        }
        match ready!(self.io.poll_read_into(cx, &mut self.warm.input)) {
            Ok(0) => {
                self.eof = true;
                Poll::Ready(Ok(0))
            }
            Ok(n) => {
                if self.reading.is_waiting() {
                    self.reading.moved(n);
                }
                Poll::Ready(Ok(n))
            }
            // Clients that close without close_notify are many; what matters is where in the message it happens.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                (self.eof, self.cut) = (true, true);
                Poll::Ready(Ok(0))
            }
            Err(_) => Poll::Ready(Err(self.fail(ClientGone::Closed))),
        }
    }

    /// Reads body bytes, for which the client has to keep up the minimum rate.
    pub(crate) fn poll_fill_paced(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, ClientGone>> {
        if let Poll::Ready(done) = self.poll_fill(cx) {
            return Poll::Ready(done);
        }
        ready!(self.reading.poll_too_slow(cx, &mut self.alarm));
        // It can still be told so.
        Poll::Ready(Err(ClientGone::TooSlow))
    }

    /// Resolves when the connection broke. Reads ahead to notice it, within bounds; a half-close is no break.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<ClientGone> {
        while !self.eof && self.warm.input.len() < READ_AHEAD {
            if let Err(gone) = ready!(self.poll_fill(cx)) {
                return Poll::Ready(gone);
            }
        }
        match self.gone {
            Some(gone) => Poll::Ready(gone),
            None if self.cut => Poll::Ready(self.fail(ClientGone::Closed)),
            None => Poll::Pending,
        }
    }

    /// Bytes that are serialised but not on the wire.
    pub(crate) fn unsent(&self) -> usize {
        self.warm.out.len() - self.sent
    }

    /// Writes until at most `keep` bytes wait.
    pub(crate) fn poll_out(&mut self, cx: &mut Context<'_>, keep: usize) -> Poll<Result<(), ClientGone>> {
        while self.unsent() > keep {
            let bytes = self.warm.out.get(self.sent..).unwrap_or_default();
            let written = Pin::new(&mut self.io).poll_write(cx, bytes);
            self.sent += ready!(self.written(cx, written))?;
        }
        if self.unsent() == 0 {
            self.warm.out.clear();
            self.sent = 0;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes the out buffer and `data` behind it as one stretch, without copying `data`. Says how much of `data` was
    /// taken.
    pub(crate) fn poll_direct(&mut self, cx: &mut Context<'_>, data: &[u8]) -> Poll<Result<usize, ClientGone>> {
        let before = self.unsent();
        let waiting = self.warm.out.get(self.sent..).unwrap_or_default();
        let parts = [IoSlice::new(waiting), IoSlice::new(data)];
        let parts = if before == 0 { parts.get(1..).unwrap_or_default() } else { &parts };
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, parts);
        let written = ready!(self.written(cx, written))?;
        self.sent += written.min(before);
        if self.unsent() == 0 {
            self.warm.out.clear();
            self.sent = 0;
        }
        Poll::Ready(Ok(written - written.min(before)))
    }

    /// Puts all on the wire, the TLS layer's buffer too.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientGone>> {
        if let Some(gone) = self.gone {
            return Poll::Ready(Err(gone));
        }
        ready!(self.poll_out(cx, 0))?;
        match Pin::new(&mut self.io).poll_flush(cx) {
            Poll::Ready(Ok(())) => {
                self.progress();
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(self.fail(ClientGone::Closed))),
            Poll::Pending => self.poll_stalled(cx).map(Err),
        }
    }

    /// Puts all on the wire and closes our side.
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientGone>> {
        ready!(self.poll_flush(cx))?;
        if !self.shut {
            match Pin::new(&mut self.io).poll_shutdown(cx) {
                Poll::Ready(Ok(())) => self.shut = true,
                Poll::Ready(Err(_)) => return Poll::Ready(Err(self.fail(ClientGone::Closed))),
                Poll::Pending => return self.poll_stalled(cx).map(Err),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Reads and throws away; the number of bytes, 0 at the end.
    pub(crate) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, ClientGone>> {
        self.warm.input.clear();
        self.poll_fill(cx)
    }

    fn written(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<Result<usize, ClientGone>> {
        match written {
            Poll::Ready(Ok(n)) if n > 0 => {
                self.accepted += n as u64;
                self.progress();
                Poll::Ready(Ok(n))
            }
            Poll::Ready(_) => Poll::Ready(Err(self.fail(ClientGone::Closed))),
            Poll::Pending => self.poll_stalled(cx).map(Err),
        }
    }

    /// Ends a wait for the client to read, if there was one.
    fn progress(&mut self) {
        if self.writing.is_waiting() {
            self.count();
        }
    }

    /// Counts what has moved, with or without a wait.
    fn count(&mut self) {
        let on_wire = self.counted.max(self.accepted.saturating_sub(self.io.unsent() as u64));
        let moved = on_wire - std::mem::replace(&mut self.counted, on_wire);
        self.writing.moved(usize::try_from(moved).unwrap_or(usize::MAX));
    }

    /// The client does not read: it has the minimum rate's time, then it is cut off.
    fn poll_stalled(&mut self, cx: &mut Context<'_>) -> Poll<ClientGone> {
        self.count();
        ready!(self.writing.poll_too_slow(cx, &mut self.alarm));
        Poll::Ready(self.fail(ClientGone::TooSlow))
    }
}
