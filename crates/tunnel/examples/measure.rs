#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::indexing_slicing)]
//! CPU per exchange and per GiB of a tunnel's two ends, and of the edge's TLS towards clients.
//!
//! `cargo run --release -p mezu-tunnel --example measure -- [exchange|down|up|tls|tls-down|shake|idle] [count or MiB] [in flight]`
//! Each end is a thread; its CPU time comes from `/proc/thread-self/schedstat`.

use std::{future::poll_fn, sync::Arc, task::Poll, thread, time::Instant};

use bytes::{Bytes, BytesMut};
use mezu_model::{Context, GateId, Protocol, RayId, RequestHead, ResponseHead, Scheme, Seed, WorkloadId};
use mezu_runtime::{Scope, spawn_local};
use mezu_tunnel::{
    Offer, Session, Stream, accept_hello,
    carrier::{edge_config, gate_config},
    connect,
    tls::{self, ServerStream, sniff},
};
use mezu_tunnel_proto::{
    ByteBudget, Config, Incoming, OpenOptions,
    hello::{Agreed, HelloWorkload, Welcome, WelcomeWorkload},
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, ServerName},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::LocalOptions,
    task::LocalSet,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Debug)]
struct One(Arc<CertifiedKey>);

impl ResolvesServerCert for One {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

fn certs() -> (Arc<dyn ResolvesServerCert>, RootCertStore) {
    let made = rcgen::generate_simple_self_signed(["edge.test".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let chain = vec![made.cert.der().clone()];
    let key = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).unwrap();
    (Arc::new(One(Arc::new(key))), roots)
}

fn main() {
    let mut args = std::env::args().skip(1);
    let what = args.next().unwrap_or_else(|| "all".to_owned());
    let count = args.next().map(|n| n.parse().unwrap());
    let flight = args.next().map_or(64, |n| n.parse().unwrap());
    for (name, run, standard) in [
        ("exchange", exchange as fn(usize, usize), 400_000),
        ("down", down, 2048),
        ("up", up, 2048),
        ("tls", tls_exchange, 200_000),
        ("tls-down", tls_down, 2048),
        ("shake", shake, 2000),
        ("idle", idle, 5000),
    ] {
        if what == name || what == "all" {
            run(count.unwrap_or(standard), flight);
        }
    }
}

/// This thread's CPU time, µs.
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e3
}

fn on_thread<F: Future<Output = f64> + 'static>(make: impl FnOnce() -> F + Send + 'static) -> thread::JoinHandle<f64> {
    thread::Builder::new()
        .spawn(move || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.enable_all();
            if std::env::var_os("MEASURE_LOCAL_SET").is_some() {
                return LocalSet::new().block_on(&builder.build().unwrap(), make());
            }
            builder.build_local(LocalOptions::default()).unwrap().block_on(make())
        })
        .unwrap()
}

fn config() -> Config {
    Config::new(ByteBudget::new(256 << 20))
}

fn report(name: &str, unit: &str, count: f64, wall: f64, near: f64, far: f64) {
    println!(
        "{name:9} {:9.0} {unit}/s   CPU per {unit}: {:8.2} µs = {:.2} + {:.2}",
        count / wall,
        (near + far) / count,
        near / count,
        far / count
    );
}

/// Runs `edge` and `gate` on a tunnel; each returns its CPU µs after set-up.
fn tunnel<E, G>(
    edge: impl FnOnce(Session, Scope) -> E + Send + 'static,
    gate: impl FnOnce(Session, Scope) -> G + Send + 'static,
) -> (f64, f64, f64)
where
    E: Future<Output = ()> + 'static,
    G: Future<Output = ()> + 'static,
{
    let (resolver, roots) = certs();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let start = Instant::now();
    let edge = on_thread(move || async move {
        listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let io = listener.accept().await.unwrap().0;
        io.set_nodelay(true).unwrap();
        let sniffed = sniff(io).await.unwrap();
        let pending = accept_hello(sniffed, Arc::new(edge_config(resolver).unwrap())).await.unwrap();
        let scope = Scope::new();
        let session = pending.welcome(welcome(), config(), &scope).unwrap();
        let before = cpu();
        edge(session.clone(), scope).await;
        let spent = cpu() - before;
        session.drain();
        session.closed().await;
        spent
    });
    let gate = on_thread(move || async move {
        let io = TcpStream::connect(address).await.unwrap();
        io.set_nodelay(true).unwrap();
        let tls = Arc::new(gate_config(roots).unwrap());
        let workload = HelloWorkload { name: "shop".parse().unwrap(), labels: Default::default() };
        let offer = Offer { gate_id: GateId::from_bytes([5; 16]), workloads: vec![workload], agent: String::new() };
        let scope = Scope::new();
        let seed = Seed::from_bytes([3; 32]);
        let session = connect(io.into(), tls, "edge.test", offer, &seed, config(), &scope).await.unwrap().0;
        let before = cpu();
        gate(session, scope).await;
        cpu() - before
    });
    let (near, far) = (edge.join().unwrap(), gate.join().unwrap());
    (start.elapsed().as_secs_f64(), near, far)
}

fn welcome() -> Welcome {
    let workload = WelcomeWorkload {
        name: "shop".parse().unwrap(),
        url: "https://shop.test/".to_owned(),
        workload_id: WorkloadId::from_bytes([6; 16]),
    };
    Welcome {
        version: 1,
        worker: 0,
        workers: 1,
        gate_id: GateId::from_bytes([5; 16]),
        domain: None,
        workloads: vec![workload],
        limits: Agreed::default(),
    }
}

fn context() -> Context {
    let client = "192.0.2.1:1234".parse().unwrap();
    Context { ray: RayId(7), client, scheme: Scheme::Https, port: 443, protocol: Protocol::H1 }
}

fn request() -> RequestHead {
    let mut head =
        RequestHead { host: "shop.test".to_owned(), path: "/index.html".to_owned(), ..RequestHead::default() };
    head.headers.push(b"user-agent", b"measure/1.0 (a usual length of text)").unwrap();
    head.headers.push(b"accept", b"*/*").unwrap();
    head.headers.push(b"accept-encoding", b"gzip, br").unwrap();
    head
}

fn response() -> ResponseHead {
    let mut head = ResponseHead::new(200);
    head.headers.push(b"content-type", b"text/html; charset=utf-8").unwrap();
    head.headers.push(b"content-length", b"1024").unwrap();
    head.headers.push(b"date", b"Tue, 24 Nov 2026 06:00:00 GMT").unwrap();
    head
}

async fn serve(gate: Session, scope: Scope, body: Bytes, times: usize) {
    while let Some(stream) = gate.accept().await {
        spawn_local(&scope, "serve", serve_one(stream, body.clone(), times));
    }
}

/// Reads the request and answers with `body`, `times` times.
async fn serve_one(mut stream: Stream, body: Bytes, times: usize) {
    let Incoming::Request(request) = stream.recv().await.unwrap() else { panic!() };
    let mut head = RequestHead::default();
    request.decode(&mut head).unwrap();
    if !request.ended() {
        while !matches!(stream.recv().await.unwrap(), Incoming::End) {}
    }
    let head = response();
    if times == 1 {
        stream.send_response(&head, &body, true).unwrap();
        return;
    }
    stream.send_response(&head, &[], false).unwrap();
    for n in 0..times {
        stream.send(&body, n + 1 == times).await.unwrap();
    }
}

/// 1 KiB answers.
fn exchange(count: usize, flight: usize) {
    let body = Bytes::from(vec![7; 1024]);
    let edge = move |edge: Session, scope: Scope| async move {
        let clients: Vec<_> = (0..flight)
            .map(|_| {
                let edge = edge.clone();
                spawn_local(&scope, "client", async move {
                    let head = request();
                    let mut got = ResponseHead::default();
                    for _ in 0..count / flight {
                        let options = OpenOptions { park: false, inline: &[], end: true };
                        let (mut stream, _) = edge.open(&context(), &head, 0, options).unwrap();
                        let Incoming::Response(response) = stream.recv().await.unwrap() else { panic!() };
                        response.decode(&mut got).unwrap();
                        assert_eq!(response.into_body().len(), 1024);
                    }
                })
            })
            .collect();
        for client in clients {
            client.await.unwrap();
        }
    };
    let (wall, near, far) = tunnel(edge, move |gate, scope| serve(gate, scope, body, 1));
    report("exchange", "request", count as f64, wall, near, far);
}

/// Bodies from gate to edge.
fn down(mib: usize, _: usize) {
    let body = Bytes::from(vec![7; 64 * 1024]);
    let edge = |edge: Session, _| async move {
        let options = OpenOptions { park: false, inline: &[], end: true };
        let (mut stream, _) = edge.open(&context(), &request(), 0, options).unwrap();
        while !matches!(stream.recv().await.unwrap(), Incoming::End) {}
    };
    let (wall, near, far) = tunnel(edge, move |gate, scope| serve(gate, scope, body, mib * 16));
    report("down", "GiB", mib as f64 / 1024., wall, near, far);
}

/// Bodies from edge to gate.
fn up(mib: usize, _: usize) {
    let body = vec![7; 64 * 1024];
    let edge = move |edge: Session, _| async move {
        let (mut stream, _) = edge.open(&context(), &request(), 0, OpenOptions::default()).unwrap();
        for n in 0..mib * 16 {
            stream.send(&body, n + 1 == mib * 16).await.unwrap();
        }
        stream.recv().await.unwrap();
    };
    let (wall, near, far) = tunnel(edge, move |gate, scope| serve(gate, scope, Bytes::from(vec![7; 10]), 1));
    report("up", "GiB", mib as f64 / 1024., wall, near, far);
}

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
fn tls_exchange(count: usize, flight: usize) {
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
fn shake(count: usize, _: usize) {
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

/// Resident memory per idle connection: the clients are in a process of their own.
fn idle(count: usize, _: usize) {
    if let Ok(address) = std::env::var("MEASURE_IDLE") {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        return runtime.block_on(idle_clients(address, count));
    }
    let (resolver, _) = certs();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["idle", &count.to_string()])
        .env("MEASURE_IDLE", listener.local_addr().unwrap().to_string())
        .spawn()
        .unwrap();
    let used = on_thread(move || async move {
        listener.set_nonblocking(true).unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let config = Arc::new(tls::client_facing(resolver).unwrap());
        let (mut streams, mut before) = (Vec::with_capacity(count), 0.);
        for n in 0..count {
            let sniffed = sniff(listener.accept().await.unwrap().0).await.unwrap();
            let mut stream = ServerStream::handshake(sniffed, config.clone()).await.unwrap();
            let mut got = BytesMut::new();
            poll_fn(|cx| stream.poll_read_into(cx, &mut got)).await.unwrap();
            stream.write_parts(&[&[7; 1200]]).unwrap();
            poll_fn(|cx| stream.poll_flush(cx)).await.unwrap();
            streams.push(stream);
            if n + 1 == count / 10 {
                before = resident();
            }
        }
        let used = (resident() - before) / (count - count / 10) as f64;
        println!("size of a ServerStream: {}", size_of::<ServerStream>());
        // The last client may not have read its answer yet.
        std::mem::forget(streams);
        used
    });
    println!("idle      {:.2} KiB per connection", used.join().unwrap() / 1024.);
    child.kill().unwrap();
    child.wait().unwrap();
}

fn resident() -> f64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<f64>().unwrap() * 4096.
}

#[derive(Debug)]
struct Anyone;

impl rustls::client::danger::ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        vec![rustls::SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

async fn idle_clients(address: String, count: usize) {
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    config.resumption = rustls::client::Resumption::disabled();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let mut streams = Vec::new();
    for _ in 0..count {
        let io = TcpStream::connect(&address).await.unwrap();
        io.set_nodelay(true).unwrap();
        let mut stream = connector.connect(ServerName::try_from("edge.test").unwrap(), io).await.unwrap();
        stream.write_all(&[1; 100]).await.unwrap();
        stream.read_exact(&mut [0; 1200]).await.unwrap();
        streams.push(stream);
    }
    std::future::pending::<()>().await;
}

fn tls_down(mib: usize, _: usize) {
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
