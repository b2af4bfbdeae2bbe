//! Requests and bodies through a tunnel.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use mezu_model::{Context, GateId, Protocol, RayId, RequestHead, ResponseHead, Scheme, Seed, WorkloadId};
use mezu_runtime::{Scope, spawn_local};
use mezu_tunnel::{
    Offer, Session, Stream, accept_hello,
    carrier::{edge_config, gate_config},
    connect,
    tls::sniff,
};
use mezu_tunnel_proto::{
    ByteBudget, Config, Incoming, OpenOptions,
    hello::{Agreed, HelloWorkload, Welcome, WelcomeWorkload},
};
use tokio::net::{TcpListener, TcpStream};

use crate::{certs, cpu, on_thread, report};

fn config() -> Config {
    Config::new(ByteBudget::new(256 << 20))
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
        let workload = HelloWorkload { name: "shop".parse().unwrap(), label: None, labels: Default::default() };
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
pub(crate) fn exchange(count: usize, flight: usize) {
    let body = Bytes::from(vec![7; 1024]);
    let edge = move |edge: Session, scope: Scope| async move {
        let clients: Vec<_> = (0..flight)
            .map(|_| {
                let edge = edge.clone();
                spawn_local(&scope, "client", async move {
                    let head = request();
                    let mut got = ResponseHead::default();
                    for _ in 0..count / flight {
                        let options = OpenOptions { end: true, ..OpenOptions::default() };
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
pub(crate) fn down(mib: usize, _: usize) {
    let body = Bytes::from(vec![7; 64 * 1024]);
    let edge = |edge: Session, _| async move {
        let options = OpenOptions { end: true, ..OpenOptions::default() };
        let (mut stream, _) = edge.open(&context(), &request(), 0, options).unwrap();
        while !matches!(stream.recv().await.unwrap(), Incoming::End) {}
    };
    let (wall, near, far) = tunnel(edge, move |gate, scope| serve(gate, scope, body, mib * 16));
    report("down", "GiB", mib as f64 / 1024., wall, near, far);
}

/// Bodies from edge to gate.
pub(crate) fn up(mib: usize, _: usize) {
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
