//! A client's connection as tokio's reader and writer, for whoever needs no more than that.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{OUT_LIMIT, ServerStream};

impl AsyncRead for ServerStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.tls.plain.is_empty() {
            let mut left_over = BytesMut::new();
            ready!(this.poll_fill(cx, &mut |plain| {
                let n = if left_over.is_empty() { plain.len().min(buf.remaining()) } else { 0 };
                let (now, later) = plain.split_at(n);
                buf.put_slice(now);
                left_over.extend_from_slice(later);
            }))?;
            this.tls.plain = left_over;
            return Poll::Ready(Ok(()));
        }
        let n = this.tls.plain.len().min(buf.remaining());
        buf.put_slice(this.tls.plain.get(..n).unwrap_or_default());
        this.tls.plain.advance(n);
        if this.tls.plain.is_empty() {
            this.tls.plain = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ServerStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_room(cx))?;
        let mut parts: [&[u8]; 16] = [&[]; 16];
        let mut room = OUT_LIMIT;
        for (part, buf) in parts.iter_mut().zip(bufs) {
            *part = buf.get(..buf.len().min(room)).unwrap_or_default();
            room -= part.len();
        }
        Poll::Ready(this.tls.write(&parts))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_shutdown(cx)
    }
}
