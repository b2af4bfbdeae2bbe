//! The first look at a connection.

use std::{future::poll_fn, pin::Pin, task::Poll};

use tokio::{
    io::{AsyncRead, ReadBuf},
    net::TcpStream,
};

use super::{
    TlsError,
    hello::{self, Hello, Summary},
    with_scratch,
};

/// A handshake needs a few kilobytes; what follows it must fit beside a kept record into the scratch later.
const FIRST_READ: usize = 16 * 1024;

/// A connection whose ClientHello has been read, or that sent something else.
pub struct Sniffed {
    pub io: TcpStream,
    /// All that has been read so far.
    pub first_bytes: Vec<u8>,
    pub is_tunnel: bool,
    pub server_name: Option<String>,
    pub(crate) prefers_chacha: bool,
}

/// Reads until the ClientHello is complete or hopeless. The caller sets the deadline.
pub async fn sniff(mut io: TcpStream) -> Result<Sniffed, TlsError> {
    let mut first_bytes = Vec::new();
    loop {
        if read_some(&mut io, &mut first_bytes).await? == 0 {
            return Err(TlsError::Closed);
        }
        let Summary { tunnel: is_tunnel, server_name, prefers_chacha } = match hello::parse(&first_bytes) {
            Hello::Incomplete => continue,
            Hello::Unknown => Summary::default(),
            Hello::Read(summary) => summary,
        };
        return Ok(Sniffed { io, first_bytes, is_tunnel, server_name, prefers_chacha });
    }
}

/// Appends what one read gives, through the thread's scratch, so that waiting connections hold no buffer.
pub(crate) async fn read_some<R: AsyncRead + Unpin + ?Sized>(io: &mut R, to: &mut Vec<u8>) -> std::io::Result<usize> {
    poll_fn(|cx| {
        with_scratch(|scratch| {
            let mut buf = ReadBuf::new(scratch.get_mut(..FIRST_READ).unwrap_or_default());
            match Pin::new(&mut *io).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) => {
                    to.extend_from_slice(buf.filled());
                    Poll::Ready(Ok(buf.filled().len()))
                }
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Pending => Poll::Pending,
            }
        })
    })
    .await
}
