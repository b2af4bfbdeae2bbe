//! Workloads behind TLS and on unix sockets.

use std::{rc::Rc, time::Duration};

use mezu_model::Limits;
use rustls::{RootCertStore, ServerConfig, crypto::aws_lc_rs, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, UnixListener},
};
use tokio_rustls::TlsAcceptor;

use super::{
    super::{
        BadResponse, Fault, Shared, Workload,
        request::Rewrite,
        tests::{Said, request, stream},
    },
    *,
};
use crate::gate::roots;

fn local<R>(test: impl Future<Output = R>) -> R {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let set = Rc::new(tokio::task::LocalSet::new());
    set.block_on(&runtime, async { timeout(Duration::from_secs(20), test).await.expect("test hangs") })
}

async fn ask(workload: &Workload, path: &str) -> Result<Said, Fault> {
    let (mut stream, _edge, said) = stream();
    workload.serve(&mut stream, &mut request("GET", path, b"")).await?;
    Ok(said.take())
}

/// `/cut` is answered without a length and cut off without TLS's word of the end.
async fn serve<T: AsyncRead + AsyncWrite + Unpin>(mut io: T, number: usize) {
    let mut heard = Vec::new();
    while io.read_buf(&mut heard).await.unwrap_or(0) > 0 {
        if heard.starts_with(b"GET /cut") && heard.ends_with(b"\r\n\r\n") {
            io.write_all(b"HTTP/1.1 200 OK\r\n\r\nhalf of i").await.unwrap();
            io.flush().await.unwrap();
            return;
        }
        if heard.ends_with(b"\r\n\r\n") {
            heard.clear();
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{number}");
            io.write_all(answer.as_bytes()).await.unwrap();
            io.flush().await.unwrap();
        }
    }
}

/// A TLS workload called `localhost`, and the roots that vouch for it.
async fn tls_workload() -> (Target, RootCertStore) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("https://localhost:{}", listener.local_addr().unwrap().port()).parse().unwrap();
    mezu_runtime::spawn_local(&mezu_runtime::Scope::new(), "workload", async move {
        for number in 0.. {
            let (tcp, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            mezu_runtime::spawn_local(&mezu_runtime::Scope::new(), "connection", async move {
                if let Ok(io) = acceptor.accept(tcp).await {
                    serve(io, number).await;
                }
            });
        }
    });
    (target, roots)
}

fn workload(target: &Target, tls: Option<Arc<ClientConfig>>) -> Workload {
    let shared = Shared::new(Limits::default(), Arc::default());
    Workload::new(target.clone(), Rewrite::default(), Dialer::new(target.clone(), tls, Duration::from_secs(5)), shared)
}

#[test]
fn a_certificate_is_believed_only_when_somebody_vouches_for_it() {
    local(async {
        let (target, roots) = tls_workload().await;
        let trusting = workload(&target, Some(roots::client(roots).unwrap()));
        let first = ask(&trusting, "/").await.unwrap().body;
        assert_eq!(ask(&trusting, "/").await.unwrap().body, first, "the connection was not used again");
        let mut others = RootCertStore::empty();
        let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        others.add(stranger.cert.der().clone()).unwrap();
        let wary = workload(&target, Some(roots::client(others).unwrap()));
        assert_eq!(ask(&wary, "/").await.unwrap_err(), Fault::Refused);
        let careless = workload(&target, Some(roots::unverified().unwrap()));
        assert_eq!(ask(&careless, "/").await.unwrap().status(), 200);
    });
}

#[test]
fn a_body_cut_off_without_close_notify_is_no_whole_body() {
    local(async {
        let (target, roots) = tls_workload().await;
        let workload = workload(&target, Some(roots::client(roots).unwrap()));
        assert_eq!(ask(&workload, "/cut").await.unwrap_err(), Fault::BadResponse(BadResponse::ClosedInBody));
    });
}

#[test]
fn unix_sockets() {
    local(async {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.sock");
        let listener = UnixListener::bind(&path).unwrap();
        mezu_runtime::spawn_local(&mezu_runtime::Scope::new(), "workload", async move {
            for number in 0.. {
                let (unix, _) = listener.accept().await.unwrap();
                mezu_runtime::spawn_local(&mezu_runtime::Scope::new(), "connection", serve(unix, number));
            }
        });
        let target = format!("unix:{}", path.display()).parse().unwrap();
        let workload = workload(&target, None);
        for _ in 0..3 {
            assert_eq!(ask(&workload, "/").await.unwrap().body, b"0");
        }
    });
}
