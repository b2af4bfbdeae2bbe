//! A small HTTP/1 server for the admin listener and the local socket: both are for a few trusted callers, and still
//! bounded.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use mezu_control::http::Source;
use mezu_runtime::Scope;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Semaphore;

/// Connections at once; more wait in the accept queue.
const CONNECTIONS: usize = 64;
const HEAD: Duration = Duration::from_secs(10);
/// A connection in all. Nobody streams here.
const CONNECTION: Duration = Duration::from_secs(60);
/// Room for the longest parameters of the API, percent-encoded.
const HEAD_BYTES: usize = 64 * 1024;
/// Pause after a failed accept, such as for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Something that connections come from.
pub(super) trait Accept: Send + 'static {
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// The next connection, and where it comes from.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Io, Source)>> + Send;
}

impl Accept for TcpListener {
    type Io = tokio::net::TcpStream;
    async fn accept(&self) -> io::Result<(Self::Io, Source)> {
        Self::accept(self).await.map(|(stream, peer)| (stream, Source(peer.ip().to_canonical().to_string())))
    }
}

impl Accept for UnixListener {
    type Io = tokio::net::UnixStream;
    async fn accept(&self) -> io::Result<(Self::Io, Source)> {
        Self::accept(self).await.map(|(stream, _)| (stream, Source("socket".into())))
    }
}

/// Serves the router on the listener until the scope is stopped.
pub(super) fn serve<L: Accept + Sync>(scope: &Scope, name: &'static str, listener: L, router: Router) {
    let task = scope.clone();
    mezu_runtime::spawn(scope, name, async move {
        tokio::select! {
            () = task.stopping() => {}
            () = accept(&task, name, listener, router) => {}
        }
    });
}

async fn accept<L: Accept>(scope: &Scope, name: &'static str, listener: L, router: Router) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((io, source)) => {
                let (router, stop) = (router.clone().layer(Extension(source)), scope.clone());
                mezu_runtime::spawn(scope, name, async move {
                    let _permit = permit;
                    tokio::select! {
                        () = stop.stopping() => {}
                        _ = tokio::time::timeout(CONNECTION, connection(io, router)) => {}
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, listener = name, "accept failed");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn connection<I: AsyncRead + AsyncWrite + Unpin + Send + 'static>(io: I, router: Router) {
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(HEAD_BYTES)
        .serve_connection(TokioIo::new(io), TowerToHyperService::new(router))
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a local connection ended early");
    }
}
