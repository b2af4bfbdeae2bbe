//! One connection to a workload and what it still has to write.

use std::{
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

/// A connection. Idle it holds a socket, a timer and a small buffer.
#[derive(Debug)]
pub(crate) struct Connection {
    pub io: Io,
    /// Heads and chunk lines; `sent` of it is written.
    pub out: Vec<u8>,
    sent: usize,
    /// Body bytes to go after `out`, as they came from the tunnel.
    body: Bytes,
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
            body: Bytes::new(),
            tail: b"",
            clock: Box::pin(sleep_until(Instant::now())),
            used: false,
        })
    }

    /// Queues body bytes. Only when nothing else is queued.
    pub(crate) fn queue(&mut self, body: Bytes, tail: &'static [u8]) {
        self.body = body;
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
                let slices = [IoSlice::new(out), IoSlice::new(&self.body), IoSlice::new(self.tail)];
                ready!(Pin::new(&mut self.io).poll_write_vectored(cx, &slices))?
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
        let of_body = written.min(self.body.len());
        self.body.advance(of_body);
        written -= of_body;
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
        if self.out.capacity() > KEEP_OUT {
            self.out.shrink_to(KEEP_OUT);
        }
    }
}
