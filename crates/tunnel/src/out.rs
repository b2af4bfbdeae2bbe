//! The outgoing side of a connection: ciphertext that waits for the socket.
//!
//! Buffers are lent from a small pool per thread and go back when all is written, so that an idle connection owns
//! none and a busy thread allocates none. The bytes beyond `end` stay initialised, so that making room costs no
//! zeroing.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::AsyncWrite;

/// Buffers kept per thread, and the largest that is kept.
const SPARES: usize = 8;
const SPARE_MAX: usize = 512 * 1024;
const SMALLEST: usize = 8 * 1024;

thread_local! {
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

#[derive(Default)]
pub(crate) struct OutBuf {
    buf: Vec<u8>,
    start: usize,
    end: usize,
}

impl OutBuf {
    pub(crate) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(crate) fn pending(&self) -> &[u8] {
        self.buf.get(self.start..self.end).unwrap_or_default()
    }

    /// Room for exactly `n` bytes after what is pending; they count as pending from now on.
    pub(crate) fn grow(&mut self, n: usize) -> &mut [u8] {
        self.make_room(n);
        let from = self.end;
        self.end += n;
        self.buf.get_mut(from..self.end).unwrap_or_default()
    }

    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.grow(bytes.len()).copy_from_slice(bytes);
    }

    /// Takes back the last `n` bytes of [`OutBuf::grow`].
    pub(crate) fn shrink(&mut self, n: usize) {
        self.end = self.end.saturating_sub(n).max(self.start);
    }

    pub(crate) fn advance(&mut self, n: usize) {
        self.start = (self.start + n).min(self.end);
        if self.start == self.end {
            self.release();
        }
    }

    /// Writes until all is out. A partial write registers for writability without a second system call.
    pub(crate) fn poll_flush<W: AsyncWrite + Unpin + ?Sized>(
        &mut self,
        io: &mut W,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let n = ready!(Pin::new(&mut *io).poll_write(cx, self.pending()))?;
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(n);
        }
        Poll::Ready(Ok(()))
    }

    fn make_room(&mut self, n: usize) {
        if self.buf.capacity() == 0 {
            self.buf = POOL.with_borrow_mut(Vec::pop).unwrap_or_default();
        }
        if self.end + n > self.buf.len() && self.start > 0 {
            self.buf.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end + n > self.buf.len() {
            let wanted = (self.end + n).next_power_of_two().max(SMALLEST);
            self.buf.resize(wanted, 0);
        }
    }

    fn release(&mut self) {
        self.start = 0;
        self.end = 0;
        let buf = std::mem::take(&mut self.buf);
        if buf.capacity() <= SPARE_MAX {
            POOL.with_borrow_mut(|pool| {
                if pool.len() < SPARES {
                    pool.push(buf);
                }
            });
        }
    }
}

/// For rustls's `write_tls`; takes everything.
impl io::Write for OutBuf {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::OutBuf;

    #[test]
    fn pending_bytes_keep_their_order_through_partial_writes() {
        let mut out = OutBuf::default();
        let mut expected = Vec::new();
        for round in 0..200_u32 {
            let chunk = vec![round as u8; 1_000 + round as usize];
            out.extend(&chunk);
            expected.extend_from_slice(&chunk);
            let written = (round as usize * 37) % (out.len() + 1);
            out.advance(written);
            expected.drain(..written);
            assert_eq!(out.pending(), expected);
        }
    }

    #[test]
    fn a_drained_buffer_owns_no_memory() {
        let mut out = OutBuf::default();
        out.extend(&[7; 100]);
        out.advance(100);
        assert_eq!(out.buf.capacity(), 0);
        out.grow(10).fill(1);
        out.shrink(4);
        assert_eq!(out.pending(), [1; 6]);
    }
}
