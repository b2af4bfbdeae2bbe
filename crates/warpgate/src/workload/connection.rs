//! One connection to a workload and what it still has to write.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use tokio::{
    io::AsyncWrite as _,
    time::{Instant, Sleep, sleep_until},
};

use super::io::Io;

/// More room than this is given back when a connection goes idle.
const KEEP_OUT: usize = 8 * 1024;
/// Body pieces that one write takes.
pub(crate) const MAX_PIECES: usize = 8;

/// A connection. Idle it holds a socket, a timer and a small buffer.
#[derive(Debug)]
pub(crate) struct Connection {
    pub io: Io,
    /// Heads and chunk lines; `sent` of it is written.
    pub out: Vec<u8>,
    sent: usize,
    /// Body pieces to go after `out`, as they came from the tunnel.
    body: VecDeque<Bytes>,
    /// What ends the chunk.
    tail: &'static [u8],
    /// Kept for the life of the connection: moving a registered timer later costs no lock, making one does.
    pub clock: Pin<Box<Sleep>>,
    /// Whether a request was served on it before.
    pub used: bool,
}

impl Connection {
    pub(crate) fn new(io: Io) -> Box<Self> {
        Box::new(Self {
            io,
            out: Vec::with_capacity(1024),
            sent: 0,
            body: VecDeque::new(),
            tail: b"",
            clock: Box::pin(sleep_until(Instant::now())),
            used: false,
        })
    }

    /// Queues a body piece behind those that are queued.
    pub(crate) fn queue(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.body.push_back(piece);
        }
    }

    /// What comes after the queued pieces.
    pub(crate) fn set_tail(&mut self, tail: &'static [u8]) {
        self.tail = tail;
    }

    /// Writes all that is queued. `wrote` says whether any byte ever left.
    pub(crate) fn poll_write_out(&mut self, cx: &mut Context<'_>, wrote: &mut bool) -> Poll<io::Result<()>> {
        loop {
            let out = self.out.get(self.sent..).unwrap_or_default();
            let written = if self.body.is_empty() && self.tail.is_empty() {
                if out.is_empty() {
                    break;
                }
                ready!(Pin::new(&mut self.io).poll_write(cx, out))?
            } else {
                let mut slices = [IoSlice::new(b""); MAX_PIECES + 2];
                let all = std::iter::once(out).chain(self.body.iter().map(AsRef::as_ref)).chain([self.tail]);
                let mut used = 0;
                for (slot, part) in slices.iter_mut().zip(all.filter(|part| !part.is_empty())) {
                    *slot = IoSlice::new(part);
                    used += 1;
                }
                let slices = slices.get(..used).unwrap_or_default();
                ready!(Pin::new(&mut self.io).poll_write_vectored(cx, slices))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *wrote = true;
            self.advance(written);
        }
        self.out.clear();
        self.sent = 0;
        match &self.io {
            // Only TLS holds bytes back.
            Io::Tls(_) => Pin::new(&mut self.io).poll_flush(cx),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn advance(&mut self, mut written: usize) {
        let of_out = written.min(self.out.len() - self.sent);
        self.sent += of_out;
        written -= of_out;
        while let Some(first) = self.body.front_mut() {
            if written < first.len() {
                first.advance(written);
                return;
            }
            written -= first.len();
            self.body.pop_front();
        }
        self.tail = self.tail.get(written..).unwrap_or_default();
    }

    /// Whether nothing waits to be written.
    pub(crate) fn is_flushed(&self) -> bool {
        self.sent >= self.out.len() && self.body.is_empty() && self.tail.is_empty()
    }

    /// Ends the way to the workload and leaves the way back open.
    pub(crate) fn poll_close_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // A workload that is gone already is found out by reading.
        Pin::new(&mut self.io).poll_shutdown(cx).map(|_| ())
    }

    /// Makes it ready to wait in the pool.
    pub(crate) fn rest(&mut self) {
        self.used = true;
        self.out.clear();
        self.sent = 0;
        self.body = VecDeque::new();
        if self.out.capacity() > KEEP_OUT {
            self.out.shrink_to(KEEP_OUT);
        }
    }
}
