//! The outgoing side of a connection: ciphertext that waits for the socket.
//!
//! Buffers are lent from a small pool per thread and go back when all is written, so that an idle connection owns
//! none and a busy thread allocates none. What has to wait for a slow peer waits in a buffer of its own size. The bytes
//! beyond `end` stay initialised, so that making room costs no zeroing.

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
/// Room beyond what is pending that is worth a copy to give it back.
const SURPLUS: usize = 4 * 1024;

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

    /// The peer lets us wait, maybe for long: keeps no more room than is needed.
    pub(crate) fn fit(&mut self) {
        if self.buf.len() >= self.len() + SURPLUS {
            let fitting = self.pending().to_vec();
            self.replace(fitting, self.len());
        }
    }

    fn make_room(&mut self, n: usize) {
        let pending = self.len();
        if self.end + n <= self.buf.len() {
            return;
        }
        if pending + n <= self.buf.len() {
            self.buf.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, pending);
            return;
        }
        let mut larger = POOL.with_borrow_mut(Vec::pop).unwrap_or_default();
        if larger.len() < pending + n {
            larger.resize((pending + n).next_power_of_two().max(SMALLEST), 0);
        }
        if let Some(front) = larger.get_mut(..pending) {
            front.copy_from_slice(self.pending());
        }
        self.replace(larger, pending);
    }

    fn release(&mut self) {
        self.replace(Vec::new(), 0);
    }

    /// Goes over to a buffer whose first `pending` bytes are what is pending. The old one may be of use to another.
    fn replace(&mut self, buf: Vec<u8>, pending: usize) {
        (self.start, self.end) = (0, pending);
        let old = std::mem::replace(&mut self.buf, buf);
        // One that was made to fit is of no use to anybody else.
        if old.len().is_power_of_two() && old.capacity() <= SPARE_MAX {
            POOL.with_borrow_mut(|pool| {
                if pool.len() < SPARES {
                    pool.push(old);
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
    fn what_waits_for_a_slow_peer_takes_its_own_size_and_can_grow_again() {
        let mut out = OutBuf::default();
        out.extend(&[1; 100_000]);
        out.advance(80_000);
        out.fit();
        assert_eq!((out.len(), out.buf.capacity()), (20_000, 20_000));
        out.extend(&[2; 30_000]);
        out.advance(19_000);
        assert!(out.pending().iter().take(1000).all(|byte| *byte == 1));
        assert!(out.pending().iter().skip(1000).all(|byte| *byte == 2));
        assert_eq!(out.len(), 31_000);
        out.fit();
        assert_eq!(out.buf.capacity(), 31_000);
        out.advance(31_000);
        out.fit();
        assert_eq!(out.buf.capacity(), 0);
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
