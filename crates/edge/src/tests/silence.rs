//! A gate that is connected and says nothing.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use mezu_tunnel::carrier::Io;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::world::{echo, with_edge};

const GET: &str = "GET /x HTTP/1.1\r\nhost: shop.base.test\r\nconnection: close\r\n\r\n";

/// A path that lets nothing through any more once it is frozen.
pub(super) struct Path {
    pub(super) socket: TcpStream,
    pub(super) frozen: Arc<AtomicBool>,
}

impl AsyncRead for Path {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.frozen.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        Pin::new(&mut self.socket).poll_read(cx, buf)
    }
}

impl AsyncWrite for Path {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if self.frozen.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(data.len()));
        }
        Pin::new(&mut self.socket).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[test]
fn requests_pass_a_silent_gate_by() {
    with_edge(1, |world| async move {
        let frozen = Arc::new(AtomicBool::new(false));
        let socket = TcpStream::connect(world.edge.https_addr()).await.unwrap();
        let path = Path { socket, frozen: Arc::clone(&frozen) };
        let silent = world.tunnel_over(Io::Boxed(Box::new(path)), 1, echo("silent")).await.unwrap();
        world.gate(2, 1, echo("good")).await;
        frozen.store(true, Ordering::Relaxed);
        let mut longest = Duration::ZERO;
        let mut passed_by = false;
        // Until one went to the silent gate, and was sent again.
        while !passed_by {
            let start = Instant::now();
            assert_eq!(world.ask(GET).await.text(), "good GET /x ");
            longest = longest.max(start.elapsed());
            let text = world.edge.metrics().text();
            let resent = text.lines().find(|line| line.starts_with("mezu_resends_total{reason=\"silent\"}"));
            passed_by = resent.is_some_and(|line| !line.ends_with(" 0"));
        }
        // Sooner than the tunnel is given up, which takes 1.5 s.
        assert!(longest < Duration::from_millis(1400), "{longest:?}");
        drop(silent);
    });
}
