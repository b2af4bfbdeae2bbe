//! The edge's TLS towards clients.

use std::{future::poll_fn, sync::Arc, task::Poll, time::Instant};

use bytes::BytesMut;
use mezu_runtime::{Scope, spawn_local};
use mezu_tunnel::tls::{self, ServerStream, sniff};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{certs, cpu, on_thread, report};

/// Many clients on one thread, the edge's TLS on the other.
fn clients<S, C>(
    flight: usize,
    server: impl Fn(ServerStream) -> S + Send + 'static,
    client: impl Fn(tokio_rustls::client::TlsStream<TcpStream>) -> C + Send + 'static,
) -> (f64, f64, f64)
where
    S: Future<Output = ()> + 'static,
    C: Future<Output = ()> + 'static,
{
    let (resolver, roots) = certs();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (done, wait) = tokio::sync::oneshot::channel();
    let start = Instant::now();
    let near = on_thread(move || async move {
        listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let config = Arc::new(tls::client_facing(resolver).unwrap());
        let scope = Scope::new();
        let mut streams = Vec::new();
        for _ in 0..flight {
            let io = listener.accept().await.unwrap().0;
            io.set_nodelay(true).unwrap();
            let sniffed = sniff(io).await.unwrap();
            streams.push(ServerStream::handshake(sniffed, config.clone()).await.unwrap());
        }
        done.send(()).unwrap();
        let before = cpu();
        for stream in streams {
            spawn_local(&scope, "server", server(stream));
        }
        scope.finished().await;
        cpu() - before
    });
    let far = on_thread(move || async move {
        let connector = connector(roots);
        let scope = Scope::new();
        let mut streams = Vec::new();
        for _ in 0..flight {
            let io = TcpStream::connect(address).await.unwrap();
            io.set_nodelay(true).unwrap();
            streams.push(connector.connect(ServerName::try_from("edge.test").unwrap(), io).await.unwrap());
        }
        wait.await.unwrap();
        let before = cpu();
        for stream in streams {
            spawn_local(&scope, "client", client(stream));
        }
        scope.finished().await;
        cpu() - before
    });
    let (near, far) = (near.join().unwrap(), far.join().unwrap());
    (start.elapsed().as_secs_f64(), near, far)
}

/// Requests of 100 bytes, answers of 1.2 KiB; the first figure is the edge's, the second tokio-rustls's.
pub(crate) fn exchange(count: usize, flight: usize) {
    let each = count / flight;
    let server = move |mut stream: ServerStream| async move {
        let body = [7; 1024];
        let head = [8; 200];
        let mut got = BytesMut::with_capacity(1024);
        for _ in 0..each {
            while got.len() < 100 {
                poll_fn(|cx| stream.poll_read_into(cx, &mut got)).await.unwrap();
            }
            got.clear();
            stream.write_parts(&[&head, &body]).unwrap();
            poll_fn(|cx| stream.poll_flush(cx)).await.unwrap();
        }
    };
    let client = move |mut stream: tokio_rustls::client::TlsStream<TcpStream>| async move {
        let mut got = [0; 1224];
        for _ in 0..each {
            stream.write_all(&[1; 100]).await.unwrap();
            stream.read_exact(&mut got).await.unwrap();
        }
    };
    let (wall, near, far) = clients(flight, server, client);
    report("tls", "request", count as f64, wall, near, far);
}

/// Full handshakes with one small answer each.
pub(crate) fn shake(count: usize, _: usize) {
    let (resolver, roots) = certs();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let start = Instant::now();
    let near = on_thread(move || async move {
        listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let config = Arc::new(tls::client_facing(resolver).unwrap());
        let before = cpu();
        for _ in 0..count {
            let io = listener.accept().await.unwrap().0;
            let sniffed = sniff(io).await.unwrap();
            let mut stream = ServerStream::handshake(sniffed, config.clone()).await.unwrap();
            let mut got = BytesMut::new();
            poll_fn(|cx| stream.poll_read_into(cx, &mut got)).await.unwrap();
            stream.write_parts(&[&[7; 1200]]).unwrap();
            poll_fn(|cx| stream.poll_flush(cx)).await.unwrap();
        }
        cpu() - before
    });
    let far = on_thread(move || async move {
        let connector = connector(roots);
        let before = cpu();
        for _ in 0..count {
            let io = TcpStream::connect(address).await.unwrap();
            io.set_nodelay(true).unwrap();
            let mut stream = connector.connect(ServerName::try_from("edge.test").unwrap(), io).await.unwrap();
            stream.write_all(&[1; 100]).await.unwrap();
            stream.read_exact(&mut [0; 1200]).await.unwrap();
        }
        cpu() - before
    });
    let (near, far) = (near.join().unwrap(), far.join().unwrap());
    report("shake", "connection", count as f64, start.elapsed().as_secs_f64(), near, far);
}

/// One body of so many MiB.
pub(crate) fn down(mib: usize, _: usize) {
    let server = move |mut stream: ServerStream| async move {
        let body = vec![7; 16 * 1024];
        for _ in 0..mib * 64 {
            poll_fn(|cx| stream.poll_room(cx)).await.unwrap();
            stream.write_parts(&[&body]).unwrap();
        }
        poll_fn(|cx| stream.poll_shutdown(cx)).await.unwrap();
        poll_fn(|_| Poll::Ready(())).await;
    };
    let client = |mut stream: tokio_rustls::client::TlsStream<TcpStream>| async move {
        let mut got = vec![0; 64 * 1024];
        while stream.read(&mut got).await.unwrap() > 0 {}
    };
    let (wall, near, far) = clients(1, server, client);
    report("tls-down", "GiB", mib as f64 / 1024., wall, near, far);
}

fn connector(roots: RootCertStore) -> tokio_rustls::TlsConnector {
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    tokio_rustls::TlsConnector::from(Arc::new(config))
}
