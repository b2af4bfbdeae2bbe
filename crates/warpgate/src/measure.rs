//! The engine alone, for callgrind to count: no tunnel, no socket. Not part of the library's interface.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use mezu_model::{Headers, Limits, RequestHead, ResponseHead};
use mezu_runtime::{Scope, spawn_local};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    Acceptor, Target,
    workload::{
        Fault, Shared, Workload,
        dial::Dialer,
        edge_stream::{EdgeStream, Incoming, Request},
        request::Rewrite,
    },
};

/// A stream that takes all and says nothing more.
struct Sink {
    bytes: usize,
}

impl EdgeStream for Sink {
    fn poll_recv(&mut self, _: &mut Context<'_>) -> Poll<Result<Incoming, Fault>> {
        Poll::Pending
    }

    fn poll_send(&mut self, _: &mut Context<'_>, data: &[u8], _: bool) -> Poll<Result<usize, Fault>> {
        self.bytes += data.len();
        Poll::Ready(Ok(data.len()))
    }

    fn poll_room(&mut self, _: &mut Context<'_>) -> Poll<Result<usize, Fault>> {
        Poll::Ready(Ok(usize::MAX))
    }

    fn send_response(&mut self, _: &ResponseHead, data: &[u8], _: bool) -> Result<usize, Fault> {
        self.bytes += data.len();
        Ok(data.len())
    }

    fn send_trailers(&mut self, _: &Headers) -> Result<(), Fault> {
        Ok(())
    }

    fn send_ready(&mut self) -> Result<(), Fault> {
        Ok(())
    }
}

/// Answers `count` requests with 1 KiB each; says how many body bytes there were.
pub async fn exchanges(count: usize) -> usize {
    let (target, acceptor) = Target::in_process();
    spawn_local(&Scope::new(), "workload", answer(acceptor));
    let shared = Shared::new(Limits::default(), Arc::default());
    let dialer = Dialer::new(target.clone(), None, Duration::from_secs(1));
    let workload = Workload::new(target, Rewrite::default(), dialer, shared);
    let mut sink = Sink { bytes: 0 };
    let mut request =
        Request { context: mezu_model::Context::default(), head: head(), body: Bytes::new(), end: true, park: false };
    for _ in 0..count {
        let _ = workload.serve(&mut sink, &mut request).await;
    }
    sink.bytes
}

/// What a browser sends.
fn head() -> RequestHead {
    let mut head = RequestHead { host: "app.example.test".into(), path: "/assets/app.js".into(), ..Default::default() };
    for (name, value) in [
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
        ("accept-language", "en-GB,en;q=0.5"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("cookie", "session=0123456789abcdef0123456789abcdef"),
    ] {
        let _ = head.headers.push(name.as_bytes(), value.as_bytes());
    }
    head
}

async fn answer(mut acceptor: Acceptor) {
    let mut whole = b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Tue, 24 Nov 2026 06:13:22 GMT\r\nContent-Type: \
        application/octet-stream\r\nContent-Length: 1024\r\nLast-Modified: Tue, 24 Nov 2026 06:13:22 GMT\r\nConnection: \
        keep-alive\r\nETag: \"67a0-400\"\r\nAccept-Ranges: bytes\r\n\r\n"
        .to_vec();
    whole.extend_from_slice(&[b'x'; 1024]);
    let mut asked = [0u8; 4096];
    while let Some(mut connection) = acceptor.accept().await {
        // A head comes in one piece here.
        while connection.read(&mut asked).await.is_ok_and(|read| read > 0) {
            if connection.write_all(&whole).await.is_err() {
                break;
            }
        }
    }
}
