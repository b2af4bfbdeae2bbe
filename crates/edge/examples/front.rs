//! The HTTP fronts alone, on one core over real TLS: every request is answered with 1 KiB at once. Prints CPU per
//! request, to be driven by `h2load -c64 https://127.0.0.1:PORT/` (h2) or with `--h1`. A second argument ends it after
//! so many requests: the difference of two runs under callgrind is the instructions per request.

#![allow(clippy::unwrap_used, clippy::print_stderr, clippy::disallowed_methods, reason = "a tool for one's own desk")]

use std::{
    cell::Cell,
    future::poll_fn,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use mezu_edge::http::{Alpn, BadRequest, ConnInfo, Drain, Exchange, ResponseLength, Serve, serve_connection};
use mezu_model::{Limits, RequestHead, ResponseHead};
use mezu_tunnel::tls::{ServerStream, client_facing, sniff};
use rustls::{crypto::aws_lc_rs, pki_types::PrivateKeyDer, server::ResolvesServerCert, sign::CertifiedKey};
use tokio::{net::TcpListener, sync::Notify, task::LocalSet};

struct Fixed {
    head: ResponseHead,
    body: Bytes,
    large: Bytes,
    served: Cell<u64>,
    last: u64,
    enough: Notify,
}

impl Serve for Fixed {
    async fn serve<X: Exchange>(&self, _: &ConnInfo, head: &mut RequestHead, exchange: &mut X) {
        self.served.set(self.served.get() + 1);
        if self.served.get() == self.last {
            self.enough.notify_one();
        }
        if head.path == "/large" {
            exchange.start(&self.head, ResponseLength::Sized(self.large.len() as u64 * 1024));
            for _ in 0..1024 {
                let mut piece = self.large.clone();
                if poll_fn(|cx| exchange.poll_send(cx, &mut piece)).await.is_err() {
                    return;
                }
            }
            return exchange.finish();
        }
        let mut body = self.body.clone();
        exchange.start(&self.head, ResponseLength::Sized(body.len() as u64));
        let _ = poll_fn(|cx| exchange.poll_send(cx, &mut body)).await;
        exchange.finish();
    }

    fn refuse(&self, _: &ConnInfo, problem: BadRequest, answer: &mut ResponseHead) -> Bytes {
        answer.status = problem.status();
        Bytes::new()
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, run());
}

async fn run() {
    let last = std::env::args().nth(2).and_then(|n| n.parse().ok()).unwrap_or(u64::MAX);
    let tls = Arc::new(client_facing(Arc::new(SelfSigned(certificate()))).unwrap());
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8843".to_owned());
    let listener = TcpListener::bind(&address).await.unwrap();
    eprintln!("https://{}/", listener.local_addr().unwrap());
    let mut head = ResponseHead::new(200);
    head.headers.push(b"content-type", b"text/plain").unwrap();
    head.headers.push(b"mezu-ray", b"00000000000000000000000000000000").unwrap();
    let (body, large) = (Bytes::from(vec![b'x'; 1024]), Bytes::from(vec![b'x'; 16 * 1024]));
    let service = Rc::new(Fixed { head, body, large, served: Cell::new(0), last, enough: Notify::new() });
    tokio::task::spawn_local(report(service.clone()));
    let (limits, drain) = (Rc::new(Limits { streams_per_connection: u32::MAX, ..Limits::default() }), Drain::new());
    loop {
        let (socket, client) = tokio::select! {
            accepted = listener.accept() => accepted.unwrap(),
            () = service.enough.notified() => return,
        };
        let _ = socket.set_nodelay(true);
        let (tls, service, limits, drain) = (tls.clone(), service.clone(), limits.clone(), drain.clone());
        tokio::task::spawn_local(async move {
            let Ok(sniffed) = sniff(socket).await else { return };
            let Ok(stream) = ServerStream::handshake(sniffed, tls).await else { return };
            let alpn = if stream.alpn() == Some(b"h2") { Alpn::H2 } else { Alpn::H1 };
            let conn = ConnInfo { client, local_port: 443, sni: None, alpn };
            serve_connection(stream, conn, service, limits, drain).await;
        });
    }
}

async fn report(service: Rc<Fixed>) {
    let (mut served, mut cpu, mut since) = (0, 0.0, Instant::now());
    loop {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let (now_served, now_cpu) = (service.served.get(), cpu_seconds());
        let n = now_served - served;
        if n > 0 {
            let seconds = since.elapsed().as_secs_f64();
            let spent = now_cpu - cpu;
            eprintln!("{:.0} requests/s, {:.2} µs of CPU each", n as f64 / seconds, spent * 1e6 / n as f64);
        }
        (served, cpu, since) = (now_served, now_cpu, Instant::now());
    }
}

/// User and system time of this process so far.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    stat.split(' ').next().and_then(|n| n.parse::<f64>().ok()).unwrap_or(0.0) / 1e9
}

#[derive(Debug)]
struct SelfSigned(Arc<CertifiedKey>);

impl ResolvesServerCert for SelfSigned {
    fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}

fn certificate() -> Arc<CertifiedKey> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let key = aws_lc_rs::sign::any_supported_type(&key).unwrap();
    Arc::new(CertifiedKey::new(vec![made.cert.der().clone()], key))
}
