//! An edge of two hundred lines: it welcomes gates and asks them things.

use std::{future::Future, net::Ipv6Addr, path::PathBuf, rc::Rc, sync::Arc, time::Duration};

use mezu_model::{Context, RequestHead, ResponseHead};
use mezu_runtime::{Scope, spawn_local};
use mezu_tunnel::{
    Session, accept_hello, carrier,
    proto::{
        ByteBudget, Config, Incoming, OpenOptions, Reason, StreamError,
        hello::{Refused, RefusedCode, Welcome, WelcomeWorkload},
    },
    tls::sniff,
};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::PrivateKeyDer,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, mpsc},
    task::LocalSet,
    time::timeout,
};
use warpgate::{Builder, EdgeAddress, Seed, Warpgate};

/// What a mini edge does with gates.
#[derive(Clone)]
pub(crate) struct Rules {
    pub workers: u32,
    pub refuse: Option<RefusedCode>,
    /// Hears of each refusal.
    pub refused: Option<mpsc::Sender<()>>,
    /// Each welcome but the first waits for one of these.
    pub permits: Option<Arc<Semaphore>>,
}

pub(crate) struct MiniEdge {
    pub port: u16,
    pub ca: PathBuf,
    /// Gates as they come.
    pub sessions: mpsc::Receiver<Session>,
    config: Arc<ServerConfig>,
    sender: mpsc::Sender<Session>,
    _dir: tempfile::TempDir,
}

#[derive(Debug)]
struct One(Arc<CertifiedKey>);

impl ResolvesServerCert for One {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

impl MiniEdge {
    pub(crate) async fn start(rules: Rules) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let ca = dir.path().join("ca.pem");
        std::fs::write(&ca, made.cert.pem()).unwrap();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let chain = vec![made.cert.der().clone()];
        let certified = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).unwrap();
        let config = Arc::new(carrier::edge_config(Arc::new(One(Arc::new(certified)))).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, sessions) = mpsc::channel(64);
        spawn_local(&Scope::new(), "edge", accept(listener, config.clone(), sender.clone(), rules));
        Self { port, ca, sessions, config, sender, _dir: dir }
    }

    /// The same edge at another address of its name, `localhost`, with rules of its own.
    pub(crate) async fn also_at_ipv6(&self, rules: Rules) {
        let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, self.port)).await.unwrap();
        spawn_local(&Scope::new(), "edge", accept(listener, self.config.clone(), self.sender.clone(), rules));
    }

    /// A Warpgate that knows how to find this edge.
    pub(crate) fn gate(&self) -> Builder {
        let edge: EdgeAddress = format!("localhost:{}", self.port).parse().unwrap();
        Warpgate::builder().edge(edge).key(Seed::from_bytes([7; 32])).ca(&self.ca)
    }

    pub(crate) async fn next(&mut self) -> Session {
        self.sessions.recv().await.unwrap()
    }
}

async fn accept(listener: TcpListener, config: Arc<ServerConfig>, sender: mpsc::Sender<Session>, rules: Rules) {
    for number in 0.. {
        let (tcp, _) = listener.accept().await.unwrap();
        let pending = accept_hello(sniff(tcp).await.unwrap(), config.clone()).await;
        let Ok(pending) = pending else { continue };
        if let Some(code) = rules.refuse {
            let _ = pending.refuse(Refused::new(code, "because the test says so")).await;
            if let Some(tell) = &rules.refused {
                tell.send(()).await.unwrap();
            }
            continue;
        }
        let hello = pending.hello();
        let workloads = hello.workloads.iter().map(|it| WelcomeWorkload {
            url: format!("https://{}.edge.test", it.name),
            name: it.name.clone(),
            workload_id: mezu_runtime::id::new(),
        });
        let welcome = Welcome {
            version: 1,
            worker: number % rules.workers,
            workers: rules.workers,
            gate_id: hello.gate_id,
            domain: None,
            workloads: workloads.collect(),
            limits: Default::default(),
        };
        if let Some(permits) = rules.permits.as_ref().filter(|_| number > 0) {
            permits.acquire().await.unwrap().forget();
        }
        let config = Config::new(ByteBudget::new(1 << 20));
        let session = pending.welcome(welcome, config, &Scope::new()).unwrap();
        sender.send(session).await.unwrap();
    }
}

/// Asks for a path and gives status and body.
pub(crate) async fn get(session: &Session, workload: u32, path: &str) -> Result<(u16, Vec<u8>), Reason> {
    let head = RequestHead { host: "web.edge.test".into(), path: path.into(), ..Default::default() };
    let options = OpenOptions { end: true, ..OpenOptions::default() };
    let (mut stream, _) = session.open(&Context::default(), &head, workload, options).unwrap();
    let (mut answer, mut body) = (ResponseHead::default(), Vec::new());
    loop {
        match stream.recv().await {
            Ok(Incoming::Response(response)) => {
                response.decode(&mut answer).unwrap();
                body.extend_from_slice(&response.into_body());
            }
            Ok(Incoming::Data(data)) => body.extend_from_slice(&data),
            Ok(Incoming::End) => return Ok((answer.status, body)),
            Ok(_) => {}
            Err(StreamError::Reset(reason)) => return Err(reason),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Runs a test on one thread, within 20 s.
pub(crate) fn local<R>(test: impl Future<Output = R>) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let set = Rc::new(LocalSet::new());
    set.block_on(&runtime, async { timeout(Duration::from_secs(20), test).await.expect("test hangs") })
}
