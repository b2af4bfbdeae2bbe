//! The bytes between Warpgate and a workload, whatever carries them.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::client::TlsStream;

/// A connection to a workload. An enum and not a trait object: the TCP case is the hot one.
#[derive(Debug)]
pub(crate) enum Io {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
    InProcess(DuplexStream),
}

/// Delegates to whichever carrier there is.
macro_rules! carried {
    ($self:ident, $io:ident => $call:expr) => {
        match $self.get_mut() {
            Io::Tcp($io) => $call,
            Io::Unix($io) => $call,
            Io::Tls($io) => {
                let $io = &mut **$io;
                $call
            }
            Io::InProcess($io) => $call,
        }
    };
}

impl Io {
    /// Whether an idle connection still is what it was: open, and with nothing said by the workload. Costs a system
    /// call only when the socket became readable.
    pub(crate) fn is_quiet(&mut self) -> bool {
        match self {
            Self::Tcp(tcp) => would_block(tcp.try_read(&mut [0])),
            Self::Unix(unix) => would_block(unix.try_read(&mut [0])),
            other => {
                let mut cx = Context::from_waker(Waker::noop());
                other.poll_read_slice(&mut cx, &mut [0]).is_pending()
            }
        }
    }

    /// Asks the kernel now, past tokio's view of readiness, which may be a turn old. For requests that cannot be
    /// repeated: one system call buys a much narrower keep-alive race.
    pub(crate) fn is_quiet_now(&mut self) -> bool {
        let sock = match self {
            Self::Tcp(tcp) => socket2::SockRef::from(&*tcp),
            Self::Unix(unix) => socket2::SockRef::from(&*unix),
            Self::Tls(tls) => socket2::SockRef::from(tls.get_ref().0),
            Self::InProcess(_) => return self.is_quiet(),
        };
        let mut byte = [std::mem::MaybeUninit::<u8>::uninit(); 1];
        matches!(sock.peek(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Acknowledges at once what was read. Many servers write head and body apart with Nagle's algorithm on: the body
    /// then waits for this, which the kernel would put off by 40 ms.
    pub(crate) fn acknowledge(&self) {
        #[cfg(target_os = "linux")]
        if let Self::Tcp(tcp) = self {
            let _ = socket2::SockRef::from(tcp).set_tcp_quickack(true);
        }
    }

    pub(crate) fn poll_read_slice(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        match Pin::new(self).poll_read(cx, &mut buffer) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(buffer.filled().len())),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }
}

fn would_block(read: io::Result<usize>) -> bool {
    matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

impl AsyncRead for Io {
    #[inline]
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        carried!(self, io => Pin::new(io).poll_read(cx, buffer))
    }
}

impl AsyncWrite for Io {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        carried!(self, io => Pin::new(io).poll_write(cx, data))
    }

    #[inline]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        carried!(self, io => Pin::new(io).poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        carried!(self, io => Pin::new(io).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        carried!(self, io => Pin::new(io).poll_shutdown(cx))
    }
}
