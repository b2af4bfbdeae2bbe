//! What a front needs of a connection: the usual two traits plus the fast paths of our TLS stream.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use mezu_tunnel::tls::ServerStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A byte stream to a client.
pub trait Wire: AsyncRead + AsyncWrite + Unpin {
    /// Appends what is there to `into` (bounded by one read); 0 is the end of the stream.
    fn poll_read_into(&mut self, cx: &mut Context<'_>, into: &mut BytesMut) -> Poll<io::Result<usize>> {
        let mut chunk = [0u8; 8 * 1024];
        let mut buffer = ReadBuf::new(&mut chunk);
        ready!(Pin::new(self).poll_read(cx, &mut buffer))?;
        into.extend_from_slice(buffer.filled());
        Poll::Ready(Ok(buffer.filled().len()))
    }

    /// Bytes that were taken by a write but not by the socket.
    fn unsent(&self) -> usize {
        0
    }
}

impl Wire for ServerStream {
    fn poll_read_into(&mut self, cx: &mut Context<'_>, into: &mut BytesMut) -> Poll<io::Result<usize>> {
        Self::poll_read_into(self, cx, into)
    }

    fn unsent(&self) -> usize {
        Self::unsent(self)
    }
}

impl Wire for tokio::io::DuplexStream {}
impl Wire for tokio::net::TcpStream {}
