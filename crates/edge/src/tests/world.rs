//! An edge with a snapshot, gates with scripts, and clients that speak raw HTTP/1.

use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mezu_model::{
    GateId, GateLabel, KeyId, Label, Limits, OrgId, RequestHead, ResponseHead, RouteId, Seed, WorkloadId, known,
};
use mezu_policy::PipelineSpec;
use mezu_runtime::{Scope, spawn_local};
use mezu_snapshot::{KeyEntry, KeyScope, OrgEntry, Parts, PathRule, RouteEntry, Snapshot, WorkloadEntry};
use mezu_tunnel::carrier::Io;
use mezu_tunnel::proto::hello::{HelloWorkload, Welcome};
use mezu_tunnel::proto::{ByteBudget, Config, Incoming};
use mezu_tunnel::{ConnectError, Offer, Session, Stream, auth, carrier, connect};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::LocalSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::{CertStore, Certificate, Edge, EdgeConfig, EdgeHandle, Enrol, Enrolled, EnrolledWorkload, Enrolment};

pub(super) const HOST: &str = "shop.base.test";
pub(super) const ORG: OrgId = OrgId::from_bytes([1; 16]);
const WORKLOAD: WorkloadId = WorkloadId::from_bytes([2; 16]);
/// Nothing in a test takes this long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a test on its own thread's tasks, against an edge with so many workers.
pub(super) fn with_edge<F: Future<Output = ()>>(workers: usize, test: impl FnOnce(Rc<World>) -> F) {
    with_limits(workers, Limits { drain: Duration::from_secs(5), ..Limits::default() }, test);
}

pub(super) fn with_limits<F: Future<Output = ()>>(workers: usize, limits: Limits, test: impl FnOnce(Rc<World>) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let world = Rc::new(World::start(workers, limits));
        tokio::time::timeout(PATIENCE, test(world)).await.expect("the test takes too long");
    });
}

pub(super) struct World {
    pub(super) edge: EdgeHandle,
    pub(super) snapshots: watch::Sender<Arc<Snapshot>>,
    /// Whether gates are kept waiting for their workloads.
    pub(super) enrolment: watch::Sender<Enrolling>,
    roots: RootCertStore,
    seed: Seed,
    scope: Scope,
}

/// Enrols everybody for the one workload.
struct Registry(watch::Sender<Enrolling>);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Enrolling {
    AtOnce,
    /// Not before a test says so.
    Held,
    /// And somebody waits.
    Asked,
}

impl Enrol for Registry {
    fn enrol(&self, enrolment: Enrolment) -> Pin<Box<dyn Future<Output = Enrolled> + Send>> {
        let workload = |name| EnrolledWorkload { name, id: WORKLOAD, hostname: HOST.parse().unwrap() };
        let enrolled = Ok(enrolment.names.into_iter().map(workload).collect());
        let mut state = self.0.subscribe();
        self.0.send_if_modified(|state| {
            let held = *state == Enrolling::Held;
            *state = if held { Enrolling::Asked } else { *state };
            held
        });
        Box::pin(async move {
            let _ = state.wait_for(|state| *state == Enrolling::AtOnce).await;
            enrolled
        })
    }
}

impl World {
    fn start(workers: usize, limits: Limits) -> Self {
        let (certs, roots) = certificate();
        let seed = Seed::from_bytes([5; 32]);
        let public = auth::public_key(&seed).unwrap();
        let parts = Parts {
            orgs: vec![OrgEntry { id: ORG, name: label("org") }].into(),
            keys: vec![KeyEntry { id: KeyId::from_bytes([3; 16]), org: ORG, public, scope: KeyScope::default() }]
                .into(),
            workloads: vec![WorkloadEntry { id: WORKLOAD, org: ORG, name: label("shop") }].into(),
            routes: vec![
                RouteEntry::new(
                    RouteId::from_bytes([4; 16]),
                    HOST.parse().unwrap(),
                    PathRule::root(),
                    WORKLOAD,
                    PipelineSpec::default(),
                )
                .into(),
            ],
        };
        let snapshot = Snapshot::new(1, "base.test".parse().unwrap(), parts);
        let (snapshots, receiver) = watch::channel(Arc::new(snapshot));
        let any = "127.0.0.1:0".parse().unwrap();
        let mut config = EdgeConfig::new(any, Some(any), Arc::new(certs));
        config.workers = NonZeroUsize::new(workers).unwrap();
        config.limits = limits;
        let (enrolment, _) = watch::channel(Enrolling::AtOnce);
        let edge = Edge::start(config, receiver, Arc::new(Registry(enrolment.clone()))).unwrap();
        Self { edge, snapshots, enrolment, roots, seed, scope: Scope::new() }
    }

    /// One tunnel of a gate whose workload is `script`.
    pub(super) async fn tunnel(&self, gate: u8, script: Script) -> Result<Tunnel, ConnectError> {
        let socket = TcpStream::connect(self.edge.https_addr()).await.unwrap();
        self.tunnel_over(socket.into(), gate, script).await
    }

    /// The same over a path of the test's own.
    pub(super) async fn tunnel_over(&self, io: Io, gate: u8, script: Script) -> Result<Tunnel, ConnectError> {
        self.offer_over(io, gate, None, script).await
    }

    /// A tunnel of a gate that wears a label.
    pub(super) async fn labelled(&self, gate: u8, label: &str, script: Script) -> Result<Tunnel, ConnectError> {
        let socket = TcpStream::connect(self.edge.https_addr()).await.unwrap();
        self.offer_over(socket.into(), gate, Some(label.parse().unwrap()), script).await
    }

    async fn offer_over(
        &self,
        io: Io,
        gate: u8,
        worn: Option<GateLabel>,
        script: Script,
    ) -> Result<Tunnel, ConnectError> {
        let workloads = vec![HelloWorkload { name: label("shop"), label: worn, labels: Default::default() }];
        let offer = Offer { gate_id: GateId::from_bytes([gate; 16]), workloads, agent: "test".into() };
        let tls = Arc::new(carrier::gate_config(self.roots.clone()).unwrap());
        let config = Config::new(ByteBudget::new(64 << 20));
        let dialled = connect(io, tls, "tunnel.base.test", offer, &self.seed, config, &self.scope);
        let (session, welcome) = dialled.await?;
        let (serving, scope) = (session.clone(), self.scope.clone());
        spawn_local(&self.scope, "gate", async move {
            while let Some(stream) = serving.accept().await {
                spawn_local(&scope, "script", script(Asked::new(stream)));
            }
        });
        Ok(Tunnel { session, welcome })
    }

    /// A gate with a tunnel to every worker.
    pub(super) async fn gate(&self, gate: u8, workers: usize, script: Script) -> Vec<Tunnel> {
        let mut tunnels = Vec::new();
        for _ in 0..workers {
            tunnels.push(self.tunnel(gate, script.clone()).await.unwrap());
        }
        tunnels
    }

    pub(super) async fn client(&self) -> Client {
        self.client_over(TcpStream::connect(self.edge.https_addr()).await.unwrap()).await
    }

    pub(super) async fn client_over(&self, socket: TcpStream) -> Client {
        Client { tls: self.tls(HOST, socket, b"http/1.1").await, read: Vec::new() }
    }

    /// A client whose connection is for another host.
    pub(super) async fn client_of(&self, host: &'static str) -> Client {
        let socket = TcpStream::connect(self.edge.https_addr()).await.unwrap();
        Client { tls: self.tls(host, socket, b"http/1.1").await, read: Vec::new() }
    }

    /// An HTTP/2 client.
    pub(super) async fn client_h2(&self) -> h2::client::SendRequest<Bytes> {
        let socket = TcpStream::connect(self.edge.https_addr()).await.unwrap();
        let (client, connection) = h2::client::handshake(self.tls(HOST, socket, b"h2").await).await.unwrap();
        spawn_local(&self.scope, "h2 client", async move { drop(connection.await) });
        client
    }

    async fn tls(&self, host: &'static str, socket: TcpStream, protocol: &[u8]) -> TlsStream<TcpStream> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = vec![protocol.to_vec()];
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(ServerName::try_from(host).unwrap(), socket).await.unwrap()
    }

    /// A request on a connection of its own.
    pub(super) async fn ask(&self, request: &str) -> Answer {
        let mut client = self.client().await;
        client.send(request).await;
        client.answer().await
    }
}

pub(super) struct Tunnel {
    pub(super) session: Session,
    pub(super) welcome: Welcome,
}

/// What the workload behind a gate does with a request.
pub(super) type Script = Rc<dyn Fn(Asked) -> Pin<Box<dyn Future<Output = ()>>>>;

pub(super) fn script<F: Future<Output = ()> + 'static>(does: impl Fn(Asked) -> F + 'static) -> Script {
    Rc::new(move |asked| Box::pin(does(asked)))
}

/// Answers with the name of the gate, the request line and the body.
pub(super) fn echo(name: &'static str) -> Script {
    script(move |mut asked| async move {
        let Some(head) = asked.head().await else { return };
        let body = asked.rest().await;
        let text = format!("{name} {} {} {}", head.method.as_str(), head.path, String::from_utf8_lossy(&body));
        asked.answer(200, text.as_bytes()).await;
    })
}

/// A request at the gate.
pub(super) struct Asked {
    pub(super) stream: Stream,
    inline: Bytes,
    ended: bool,
}

impl Asked {
    fn new(stream: Stream) -> Self {
        Self { stream, inline: Bytes::new(), ended: false }
    }

    /// The head; a parked request is told ready and waited for.
    pub(super) async fn head(&mut self) -> Option<RequestHead> {
        let parked = self.parked_head().await?;
        if parked.1 {
            self.stream.send_ready().unwrap();
            if !matches!(self.stream.recv().await, Ok(Incoming::Go)) {
                return None;
            }
        }
        Some(parked.0)
    }

    /// The head, and whether the request waits for a word from us.
    pub(super) async fn parked_head(&mut self) -> Option<(RequestHead, bool)> {
        let Ok(Incoming::Request(request)) = self.stream.recv().await else { return None };
        let mut head = RequestHead::default();
        request.decode(&mut head).unwrap();
        let parked = request.is_parked();
        self.ended = request.ended();
        self.inline = request.into_body();
        Some((head, parked))
    }

    /// The body up to its end.
    pub(super) async fn rest(&mut self) -> Vec<u8> {
        let mut body = std::mem::take(&mut self.inline).to_vec();
        while !self.ended {
            match self.stream.recv().await {
                Ok(Incoming::Data(data)) => body.extend_from_slice(&data),
                Ok(Incoming::End) => self.ended = true,
                Ok(_) => {}
                Err(_) => break,
            }
        }
        body
    }

    pub(super) async fn answer(&mut self, status: u16, body: &[u8]) {
        let mut head = ResponseHead::new(status);
        head.headers.push_known(known::CONTENT_LENGTH, body.len().to_string().as_bytes());
        // Whoever asked may be gone; that is for the test to see at the other end.
        let Ok(taken) = self.stream.send_response(&head, body, true) else { return };
        if taken < body.len() {
            let _ = self.stream.send(&body[taken..], true).await;
        }
    }
}

pub(super) struct Client {
    tls: TlsStream<TcpStream>,
    read: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: String,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().filter_map(|line| line.split_once(": ")).find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}

impl Client {
    pub(super) async fn send(&mut self, bytes: &str) {
        self.tls.write_all(bytes.as_bytes()).await.unwrap();
        self.tls.flush().await.unwrap();
    }

    /// Up to and with the end of the next head.
    pub(super) async fn head(&mut self) -> String {
        loop {
            if let Some(at) = self.read.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = self.read.drain(..at + 4).collect();
                return String::from_utf8(head).unwrap();
            }
            assert!(self.more().await, "closed instead of a head");
        }
    }

    /// The next answer, whole. Chunked bodies are taken apart.
    pub(super) async fn answer(&mut self) -> Answer {
        let head = self.head().await;
        let status = head[9..12].parse().unwrap();
        let mut answer = Answer { status, head, body: Vec::new() };
        if let Some(length) = answer.field("content-length") {
            let length = length.parse().unwrap();
            answer.body = self.take(length).await;
        } else if answer.field("transfer-encoding").is_some() {
            while let Some(chunk) = self.chunk().await {
                answer.body.extend(chunk);
            }
        }
        answer
    }

    /// The next chunk; `None` for the last one, whose trailers are skipped.
    pub(super) async fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = self.line().await;
        let length = usize::from_str_radix(&line, 16).unwrap();
        if length == 0 {
            while !self.line().await.is_empty() {}
            return None;
        }
        let chunk = self.take(length).await;
        assert_eq!(self.line().await, "");
        Some(chunk)
    }

    pub(super) async fn line(&mut self) -> String {
        loop {
            if let Some(at) = self.read.windows(2).position(|window| window == b"\r\n") {
                let line: Vec<u8> = self.read.drain(..at + 2).take(at).collect();
                return String::from_utf8(line).unwrap();
            }
            assert!(self.more().await, "closed instead of a line");
        }
    }

    pub(super) async fn take(&mut self, length: usize) -> Vec<u8> {
        while self.read.len() < length {
            assert!(self.more().await, "closed instead of a body");
        }
        self.read.drain(..length).collect()
    }

    /// Whether the edge has closed, cleanly or not, with nothing more to read.
    pub(super) async fn is_closed(&mut self) -> bool {
        self.read.is_empty() && !self.more().await
    }

    async fn more(&mut self) -> bool {
        self.tls.read_buf(&mut self.read).await.is_ok_and(|n| n > 0)
    }
}

fn label(text: &str) -> Label {
    text.parse().unwrap()
}

fn certificate() -> (CertStore, RootCertStore) {
    let names = ["*.base.test".to_owned()];
    let made = rcgen::generate_simple_self_signed(names.clone()).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let key = CertifiedKey::from_der(vec![made.cert.der().clone()], key, &provider).unwrap();
    (CertStore::new(vec![Certificate { names: names.into(), key: Arc::new(key) }]), roots)
}
