#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
//! Edge and gate on one thread, over loopback sockets.

mod busy;
mod first;

use std::{future::Future, sync::Arc};

use bytes::Bytes;
use mezu_model::{
    GateId, Method, Protocol, RayId, ResponseHead, Scheme, WorkloadId,
    key::{PublicKey, Seed},
};
use mezu_tunnel_proto::{
    ByteBudget, Incoming, Reason, StreamError,
    hello::{Agreed, HelloWorkload, RefusedCode, Welcome, WelcomeWorkload},
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::LocalSet,
};

use super::*;
use crate::{
    accept::{PendingGate, accept_hello},
    auth,
    carrier::{Io, edge_config, gate_config},
    dial::{ConnectError, Offer, connect},
    test_certs::Certs,
    tls::sniff,
};

struct World {
    certs: Certs,
    listener: TcpListener,
    scope: Scope,
    seed: Seed,
}

impl World {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self { certs: Certs::new("edge.test"), listener, scope: Scope::new(), seed: Seed::from_bytes([3; 32]) }
    }

    fn public(&self) -> PublicKey {
        auth::public_key(&self.seed).unwrap()
    }

    async fn pending(&self) -> PendingGate {
        let sniffed = sniff(self.listener.accept().await.unwrap().0).await.unwrap();
        assert!(sniffed.is_tunnel);
        accept_hello(sniffed, Arc::new(edge_config(self.certs.resolver.clone()).unwrap())).await.unwrap()
    }

    async fn connect(&self, seed: &Seed, boxed: bool) -> Result<(Session, Welcome), ConnectError> {
        let tcp = TcpStream::connect(self.listener.local_addr().unwrap()).await.unwrap();
        let io = if boxed { Io::Boxed(Box::new(tcp)) } else { Io::Tcp(tcp) };
        let tls = Arc::new(gate_config(self.certs.roots.clone()).unwrap());
        connect(io, tls, "Edge.test", offer(), seed, config(), &self.scope).await
    }

    /// An edge's and a gate's session that belong together.
    async fn pair(&self) -> (Session, Session) {
        let edge = async {
            let pending = self.pending().await;
            pending.verify(&self.public()).unwrap();
            pending.welcome(welcome(), config(), &self.scope).unwrap()
        };
        let (edge, gate) = tokio::join!(edge, self.connect(&self.seed, false));
        (edge, gate.unwrap().0)
    }
}

fn offer() -> Offer {
    let workload = HelloWorkload { name: "shop".parse().unwrap(), label: None, labels: Default::default() };
    Offer { gate_id: GateId::from_bytes([5; 16]), workloads: vec![workload], agent: "test".to_owned() }
}

fn welcome() -> Welcome {
    let url = "https://shop.test/".to_owned();
    Welcome {
        version: 1,
        worker: 0,
        workers: 1,
        gate_id: GateId::from_bytes([5; 16]),
        domain: None,
        workloads: vec![WelcomeWorkload {
            name: "shop".parse().unwrap(),
            url,
            workload_id: WorkloadId::from_bytes([6; 16]),
        }],
        limits: Agreed::default(),
    }
}

fn config() -> Config {
    Config::new(ByteBudget::new(64 << 20))
}

fn context() -> Context {
    let client = "192.0.2.1:1234".parse().unwrap();
    Context { ray: RayId(7), client, scheme: Scheme::Https, port: 443, protocol: Protocol::H2 }
}

fn request(method: Method) -> RequestHead {
    RequestHead { method, host: "shop.test".to_owned(), path: "/a".to_owned(), ..RequestHead::default() }
}

fn local<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async { timeout(test).await })
}

async fn timeout<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), test).await.expect("the test hangs")
}

fn open(edge: &Session, method: Method, inline: &[u8], end: bool) -> (Stream, usize) {
    edge.open(&context(), &request(method), 0, OpenOptions { inline, end, ..OpenOptions::default() }).unwrap()
}

/// Answers every request with its own body, chunk by chunk.
async fn echo(gate: Session, scope: Scope) {
    while let Some(stream) = gate.accept().await {
        spawn_local(&scope, "echo", echo_one(stream));
    }
}

async fn echo_one(mut stream: Stream) {
    let Incoming::Request(request) = stream.recv().await.unwrap() else { panic!("not a request") };
    let mut head = RequestHead::default();
    assert_eq!(request.decode(&mut head), Ok(0));
    assert_eq!((head.path.as_str(), request.context().ray), ("/a", RayId(7)));
    let ended = request.ended();
    let mut rest = request.into_body();
    let taken = stream.send_response(&ResponseHead::new(200), &rest, ended).unwrap();
    rest = rest.slice(taken..);
    stream.send(&rest, ended).await.or_else(gone).unwrap();
    if ended {
        return;
    }
    loop {
        match stream.recv().await {
            Ok(Incoming::Data(data)) => stream.send(&data, false).await.unwrap(),
            Ok(Incoming::End) => return stream.send(&[], true).await.unwrap(),
            Ok(other) => panic!("{other:?}"),
            Err(_) => return,
        }
    }
}

/// After END nothing can be sent.
fn gone(error: StreamError) -> Result<(), StreamError> {
    if error == StreamError::State { Ok(()) } else { Err(error) }
}

/// The whole answer: status and body.
async fn answer(stream: &mut Stream) -> Result<(u16, Vec<u8>), StreamError> {
    let Incoming::Response(response) = stream.recv().await? else { panic!("not a response") };
    let status = response.status();
    let mut body = response.into_body().to_vec();
    loop {
        match stream.recv().await? {
            Incoming::Data(data) => body.extend_from_slice(&data),
            Incoming::End => return Ok((status, body)),
            other => panic!("{other:?}"),
        }
    }
}

fn pattern(len: usize) -> Bytes {
    (0..len).map(|i| (i * 31 % 251) as u8).collect()
}

#[test]
fn small_requests_in_great_number_are_echoed() {
    local(async {
        let world = World::new().await;
        let (edge, gate) = world.pair().await;
        spawn_local(&world.scope, "echo", echo(gate.clone(), world.scope.clone()));
        let mut clients = Vec::new();
        for n in 0..64_u8 {
            let edge = edge.clone();
            clients.push(spawn_local(&world.scope, "client", async move {
                for round in 0..50_u8 {
                    let body = vec![n ^ round; 1 + usize::from(n) * 20];
                    let (mut stream, taken) = open(&edge, Method::Post, &body, true);
                    assert_eq!(taken, body.len());
                    assert_eq!(answer(&mut stream).await.unwrap(), (200, body));
                }
            }));
        }
        for client in clients {
            client.await.unwrap();
        }
        assert_eq!((edge.in_flight(), gate.in_flight()), (0, 0));
        assert!(edge.rtt().is_some() && edge.is_open() && gate.is_open());
    });
}

#[test]
fn large_bodies_pass_both_ways_at_once_without_deadlock() {
    local(async {
        let world = World::new().await;
        let (edge, gate) = world.pair().await;
        spawn_local(&world.scope, "echo", echo(gate, world.scope.clone()));
        let body = pattern(5_000_000);
        let mut clients = Vec::new();
        for _ in 0..6 {
            let (edge, body) = (edge.clone(), body.clone());
            clients.push(spawn_local(&world.scope, "client", async move {
                let mut stream = loop {
                    match edge.open(&context(), &request(Method::Put), 0, OpenOptions::default()) {
                        Ok((stream, _)) => break stream,
                        Err(OpenError::Congested) => tokio::task::yield_now().await,
                        Err(error) => panic!("{error}"),
                    }
                };
                let (mut sent, mut got, mut ended) = (0, Vec::new(), false);
                poll_fn(|cx| {
                    while !ended && let Poll::Ready(taken) = stream.poll_send(cx, &body[sent..], true) {
                        sent += taken.unwrap();
                        ended = sent == body.len();
                    }
                    while let Poll::Ready(incoming) = stream.poll_recv(cx) {
                        match incoming.unwrap() {
                            Incoming::Response(response) => got.extend_from_slice(&response.into_body()),
                            Incoming::Data(data) => got.extend_from_slice(&data),
                            Incoming::End => return Poll::Ready(()),
                            other => panic!("{other:?}"),
                        }
                    }
                    Poll::Pending
                })
                .await;
                assert!(got == body);
            }));
        }
        for client in clients {
            client.await.unwrap();
        }
    });
}

#[test]
fn a_boxed_transport_works_too() {
    local(async {
        let world = World::new().await;
        let edge = async { world.pending().await.welcome(welcome(), config(), &world.scope).unwrap() };
        let (edge, gate) = tokio::join!(edge, world.connect(&world.seed, true));
        let (gate, welcomed) = gate.unwrap();
        assert_eq!(welcomed, welcome());
        spawn_local(&world.scope, "echo", echo(gate, world.scope.clone()));
        let body = pattern(60_000);
        let (mut stream, taken) = open(&edge, Method::Post, &body, true);
        stream.send(&body[taken..], true).await.unwrap();
        assert_eq!(answer(&mut stream).await.unwrap(), (200, body.to_vec()));
    });
}

#[test]
fn dropping_a_stream_cancels_it_at_the_other_end() {
    local(async {
        let world = World::new().await;
        let (edge, gate) = world.pair().await;
        let (stream, _) = open(&edge, Method::Post, b"half", false);
        let mut other = gate.accept().await.unwrap();
        assert!(matches!(other.recv().await, Ok(Incoming::Request(_))));
        drop(stream);
        assert_eq!(other.recv().await.unwrap_err(), StreamError::Reset(Reason::Cancelled));
        drop(other);
        let (mut stream, _) = open(&edge, Method::Get, b"", true);
        let mut other = gate.accept().await.unwrap();
        other.reset(Reason::WorkloadUnreachable);
        assert_eq!(stream.recv().await.unwrap_err(), StreamError::Reset(Reason::WorkloadUnreachable));
    });
}

#[test]
fn a_parked_request_waits_for_go() {
    local(async {
        let world = World::new().await;
        let (edge, gate) = world.pair().await;
        let options = OpenOptions { inline: b"order", end: true, park: true, narrow: false };
        let (mut stream, _) = edge.open(&context(), &request(Method::Post), 0, options).unwrap();
        let mut other = gate.accept().await.unwrap();
        assert!(matches!(other.recv().await, Ok(Incoming::Request(request)) if request.is_parked()));
        other.send_ready().unwrap();
        assert!(matches!(stream.recv().await, Ok(Incoming::Ready)));
        stream.send_go().unwrap();
        assert!(matches!(other.recv().await, Ok(Incoming::Go)));
        other.send_response(&ResponseHead::new(204), &[], true).unwrap();
        assert_eq!(answer(&mut stream).await.unwrap(), (204, Vec::new()));
    });
}

#[test]
fn either_side_drains_without_losing_what_is_open() {
    for by_edge in [true, false] {
        local(async move {
            let world = World::new().await;
            let (edge, gate) = world.pair().await;
            let (mut stream, _) = open(&edge, Method::Get, b"", true);
            let mut other = gate.accept().await.unwrap();
            if by_edge {
                edge.drain()
            } else {
                gate.drain()
            }
            // A request that crosses the gate's wish is still served; after the edge's word none is sent.
            while edge.is_open() {
                tokio::task::yield_now().await;
            }
            let options = OpenOptions { end: true, ..OpenOptions::default() };
            let refused = edge.open(&context(), &request(Method::Get), 0, options);
            assert_eq!(refused.err(), Some(OpenError::Draining));
            other.send_response(&ResponseHead::new(200), b"late", true).unwrap();
            assert_eq!(answer(&mut stream).await.unwrap(), (200, b"late".to_vec()));
            drop((stream, other));
            assert!(gate.accept().await.is_none());
            tokio::join!(edge.closed(), gate.closed());
            world.scope.finished().await;
        });
    }
}

#[test]
fn a_killed_socket_fails_what_is_open_and_nothing_hangs() {
    local(async {
        let world = World::new().await;
        let tcp = async { TcpStream::connect(world.listener.local_addr().unwrap()).await.unwrap() };
        let (gate_io, pass) = tokio::io::duplex(100_000);
        let scope = world.scope.clone();
        let mut tcp = tcp.await;
        let pump = spawn_local(&scope, "pump", async move {
            let mut pass = pass;
            let _ = tokio::io::copy_bidirectional(&mut pass, &mut tcp).await;
        });
        let edge = async { world.pending().await.welcome(welcome(), config(), &world.scope).unwrap() };
        let tls = Arc::new(gate_config(world.certs.roots.clone()).unwrap());
        let io = Io::Boxed(Box::new(gate_io));
        let gate = connect(io, tls, "edge.test", offer(), &world.seed, config(), &world.scope);
        let (edge, gate) = tokio::join!(edge, gate);
        let gate = gate.unwrap().0;
        let (mut stream, _) = open(&edge, Method::Get, b"", true);
        let mut other = gate.accept().await.unwrap();
        pump.abort();
        assert!(matches!(other.recv().await, Ok(Incoming::Request(_))));
        assert_eq!(stream.recv().await.unwrap_err(), StreamError::Dead);
        assert_eq!(edge.closed().await, Death::Closed);
        gate.closed().await;
        assert!(other.send_response(&ResponseHead::new(200), b"", true).is_err());
        assert!(!edge.is_open() && gate.accept().await.is_none());
        let options = OpenOptions::default();
        let refused = edge.open(&context(), &request(Method::Get), 0, options).err();
        assert_eq!(refused, Some(OpenError::Dead));
        drop((stream, other));
        world.scope.finished().await;
    });
}

#[test]
fn the_peer_hears_why_a_session_is_closed() {
    local(async {
        let world = World::new().await;
        let (edge, gate) = world.pair().await;
        let why = Refused::new(RefusedCode::Revoked, "the key was revoked");
        edge.close(&why);
        assert_eq!(gate.closed().await, Death::Refused(why));
        assert_eq!(edge.closed().await, Death::Local);
        world.scope.finished().await;
    });
}

#[test]
fn a_gate_with_another_key_is_refused() {
    local(async {
        let world = World::new().await;
        let wrong = auth::new_seed().unwrap();
        let edge = async {
            let pending = world.pending().await;
            assert!(pending.verify(&world.public()).is_err());
            pending.refuse(Refused::new(RefusedCode::UnknownKey, "no such key")).await.unwrap();
        };
        let ((), gate) = tokio::join!(edge, world.connect(&wrong, false));
        assert!(matches!(gate, Err(ConnectError::Refused(refused)) if refused.code == RefusedCode::UnknownKey));
    });
}

#[test]
fn a_signature_from_another_connection_is_worth_nothing() {
    local(async {
        let world = World::new().await;
        let first = async {
            let pending = world.pending().await;
            let hello = pending.hello().clone();
            assert!(pending.verify(&world.public()).is_ok());
            hello
        };
        let (stolen, _) = tokio::join!(first, world.connect(&world.seed, false));
        // The thief shakes hands itself and shows the hello that it saw.
        let thief = async {
            let tcp = TcpStream::connect(world.listener.local_addr().unwrap()).await.unwrap();
            let tls = Arc::new(gate_config(world.certs.roots.clone()).unwrap());
            let name = rustls::pki_types::ServerName::try_from("edge.test").unwrap();
            let mut carrier = Carrier::connect(tcp.into(), name, tls).await.unwrap();
            let frame = mezu_tunnel_proto::hello::HelloFrame::Hello(stolen);
            crate::accept::queue(&mut carrier, &frame).unwrap();
            poll_fn(|cx| carrier.poll_flush(cx)).await.unwrap();
            carrier
        };
        let (pending, _carrier) = tokio::join!(world.pending(), thief);
        assert_eq!(pending.verify(&world.public()), Err(auth::AuthError::BadSignature));
    });
}

#[test]
fn a_pending_gate_is_welcomed_on_another_thread() {
    local(async {
        let world = World::new().await;
        let (pending, gate) = tokio::join!(world.pending(), async {
            let (send, receive) = tokio::sync::oneshot::channel();
            let listener = world.listener.local_addr().unwrap();
            let (roots, seed) = (world.certs.roots.clone(), world.seed.clone());
            let gate = std::thread::Builder::new().spawn(move || {
                local(async move {
                    let scope = Scope::new();
                    let tcp = TcpStream::connect(listener).await.unwrap();
                    let tls = Arc::new(gate_config(roots).unwrap());
                    let gate = connect(tcp.into(), tls, "edge.test", offer(), &seed, config(), &scope).await.unwrap().0;
                    spawn_local(&scope, "echo", echo(gate.clone(), scope.clone()));
                    send.send(()).unwrap();
                    gate.closed().await;
                });
            });
            (gate.unwrap(), receive)
        });
        let (gate, connected) = gate;
        let edge = std::thread::Builder::new().spawn(move || {
            local(async move {
                let scope = Scope::new();
                let edge = pending.welcome(welcome(), config(), &scope).unwrap();
                let (mut stream, _) = open(&edge, Method::Get, b"ping", true);
                let answer = answer(&mut stream).await.unwrap();
                drop(stream);
                edge.drain();
                edge.closed().await;
                scope.finished().await;
                answer
            })
        });
        connected.await.unwrap();
        assert_eq!(edge.unwrap().join().unwrap(), (200, b"ping".to_vec()));
        gate.join().unwrap();
    });
}

/// A gate behind a line that carries little at a time.
async fn slow_pair(world: &World) -> (Session, Session) {
    let (near, far) = tokio::io::duplex(16 * 1024);
    let address = world.listener.local_addr().unwrap();
    spawn_local(&world.scope, "line", async move {
        let (mut up, mut down) = TcpStream::connect(address).await.unwrap().into_split();
        let (mut read, mut write) = tokio::io::split(far);
        let slowly = async {
            let mut some = vec![0; 4 * 1024];
            loop {
                let n = tokio::io::AsyncReadExt::read(&mut up, &mut some).await.unwrap_or(0);
                if n == 0 || tokio::io::AsyncWriteExt::write_all(&mut write, &some[..n]).await.is_err() {
                    return;
                }
                for _ in 0..20 {
                    tokio::task::yield_now().await;
                }
            }
        };
        let _ = tokio::join!(slowly, tokio::io::copy(&mut read, &mut down));
    });
    let edge = async { world.pending().await.welcome(welcome(), config(), &world.scope).unwrap() };
    let tls = Arc::new(gate_config(world.certs.roots.clone()).unwrap());
    let io = Io::Boxed(Box::new(near));
    let gate = connect(io, tls, "edge.test", offer(), &world.seed, config(), &world.scope);
    let (edge, gate) = tokio::join!(edge, gate);
    (edge, gate.unwrap().0)
}

#[test]
fn small_requests_pass_beside_a_bulk_upload() {
    local(async {
        let world = World::new().await;
        let (edge, gate) = slow_pair(&world).await;
        spawn_local(&world.scope, "sink", async move {
            while let Some(mut stream) = gate.accept().await {
                spawn_local(&Scope::new(), "sink", async move {
                    while let Ok(incoming) = stream.recv().await {
                        if matches!(incoming, Incoming::End) {
                            stream.send_response(&ResponseHead::new(204), &[], true).unwrap();
                            return;
                        }
                    }
                });
            }
        });
        let bulk: Vec<_> = (0..8)
            .map(|_| {
                let (mut stream, _) = open(&edge, Method::Put, &[], false);
                spawn_local(&world.scope, "bulk", async move {
                    let body = pattern(400_000);
                    for _ in 0..12 {
                        stream.send(&body, false).await.unwrap();
                    }
                    stream.send(&[], true).await.unwrap();
                    assert_eq!(answer(&mut stream).await.unwrap().0, 204);
                })
            })
            .collect();
        let (mut served, mut congested) = (0, 0);
        while !bulk.iter().all(|one| one.is_finished()) {
            match edge.open(&context(), &request(Method::Get), 0, OpenOptions { end: true, ..OpenOptions::default() }) {
                Ok((mut stream, _)) => {
                    assert_eq!(answer(&mut stream).await.unwrap().0, 204);
                    served += 1;
                }
                Err(_) => {
                    congested += 1;
                    tokio::task::yield_now().await;
                }
            }
        }
        for one in bulk {
            one.await.unwrap();
        }
        assert!(served > 0 && congested == 0, "{served} served, {congested} turned away");
    });
}

#[test]
fn a_session_that_nobody_holds_closes() {
    local(async {
        let world = World::new().await;
        let (edge, gate) = world.pair().await;
        let (mut stream, _) = open(&edge, Method::Get, b"", true);
        drop(edge);
        // Its stream still holds it.
        let mut other = gate.accept().await.unwrap();
        other.send_response(&ResponseHead::new(200), b"here", true).unwrap();
        assert_eq!(answer(&mut stream).await.unwrap(), (200, b"here".to_vec()));
        drop((stream, other));
        assert!(matches!(gate.closed().await, Death::Refused(why) if why.code == RefusedCode::Draining));
        world.scope.finished().await;
    });
}

#[test]
fn worn_keys_ask_for_a_replacement_before_requests_are_turned_away() {
    crate::carrier::TEST_KEY_LIFE.set(1 << 16);
    local(async {
        let world = World::new().await;
        let (edge, gate) = world.pair().await;
        spawn_local(&world.scope, "echo", echo(gate.clone(), world.scope.clone()));
        let exchange = async || {
            let body = pattern(10_000);
            let (mut stream, _) = open(&edge, Method::Post, &body, true);
            assert_eq!(answer(&mut stream).await.unwrap(), (200, body.to_vec()));
        };
        // 2^16 blocks are 1 MiB.
        for _ in 0..30 {
            exchange().await;
        }
        assert!(poll_fn(|cx| Poll::Ready(gate.0.state.borrow_mut().poll_draining(cx))).await.is_pending());
        for _ in 0..30 {
            exchange().await;
        }
        gate.draining().await;
        assert!(edge.is_open(), "requests are taken until there is a replacement");
        exchange().await;
        while edge.is_open() {
            exchange().await;
        }
        drop(edge.clone());
        tokio::join!(edge.closed(), gate.closed());
        world.scope.finished().await;
    });
}

#[test]
fn a_worn_session_retires_by_itself() {
    crate::carrier::TEST_KEY_LIFE.set(1 << 16);
    local(async {
        let world = World::new().await;
        let (edge, gate) = world.pair().await;
        spawn_local(&world.scope, "echo", echo(gate.clone(), world.scope.clone()));
        let body = pattern(60_000);
        for _ in 0..10 {
            let (mut stream, taken) = open(&edge, Method::Post, &body, true);
            stream.send(&body[taken..], true).await.unwrap();
            assert_eq!(answer(&mut stream).await.unwrap(), (200, body.to_vec()));
        }
        gate.draining().await;
        assert!(edge.is_open());
        tokio::join!(edge.closed(), gate.closed());
        world.scope.finished().await;
    });
}

/// A gate that says hello and nothing more: it neither reads nor writes.
async fn mute_pair(world: &World, scope: &Scope) -> (Session, Carrier) {
    let edge = async { world.pending().await.welcome(welcome(), config(), scope).unwrap() };
    let gate = async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        let tcp = socket.connect(world.listener.local_addr().unwrap()).await.unwrap();
        let tls = Arc::new(gate_config(world.certs.roots.clone()).unwrap());
        let name = "edge.test".try_into().unwrap();
        let mut carrier = Carrier::connect(Io::Tcp(tcp), name, tls).await.unwrap();
        let hello = mezu_tunnel_proto::hello::Hello {
            versions: vec![1],
            public_key: world.public().0,
            signature: auth::sign(&world.seed, carrier.exporter(), "edge.test").unwrap(),
            edge_name: "edge.test".to_owned(),
            gate_id: GateId::from_bytes([5; 16]),
            workloads: offer().workloads,
            agent: String::new(),
        };
        let hello = mezu_tunnel_proto::hello::HelloFrame::Hello(hello);
        crate::accept::queue(&mut carrier, &hello).unwrap();
        poll_fn(|cx| carrier.poll_flush(cx)).await.unwrap();
        carrier
    };
    tokio::join!(edge, gate)
}

#[test]
fn a_closed_session_ends_though_its_peer_says_nothing() {
    local(async {
        let (world, scope) = (World::new().await, Scope::new());
        let (edge, _mute) = mute_pair(&world, &scope).await;
        tokio::task::yield_now().await;
        edge.close(&Refused::new(RefusedCode::Revoked, "revoked"));
        assert_eq!(edge.closed().await, Death::Local);
        // No more than the farewell's own deadline.
        tokio::time::timeout(Duration::from_secs(10), scope.finished()).await.expect("the driver lives on");
    });
}

#[test]
fn closing_tells_everybody_though_the_peer_does_not_read() {
    local(async {
        let (world, scope) = (World::new().await, Scope::new());
        let (edge, _mute) = mute_pair(&world, &scope).await;
        let head = RequestHead { query: Some("x".repeat(30_000)), ..request(Method::Post) };
        let mut streams = Vec::new();
        // More than the sockets' buffers hold.
        while let Ok((stream, _)) = edge.open(&context(), &head, 0, OpenOptions::default()) {
            streams.push(stream);
            tokio::task::yield_now().await;
        }
        let mut last = streams.pop().unwrap();
        edge.close(&Refused::new(RefusedCode::Revoked, "revoked"));
        let closed = tokio::time::timeout(Duration::from_secs(5), edge.closed()).await;
        assert_eq!(closed, Ok(Death::Local));
        assert_eq!(last.recv().await.err(), Some(StreamError::Dead));
    });
}
