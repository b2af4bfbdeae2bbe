#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use rustls::RootCertStore;
use tokio::net::TcpListener;

use super::*;
use crate::{test_certs::Certs, tls::sniff};

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connect = TcpStream::connect(listener.local_addr().unwrap());
    let (client, server) = tokio::join!(connect, listener.accept());
    (client.unwrap(), server.unwrap().0)
}

async fn accept(io: TcpStream, config: ServerConfig) -> Result<Carrier, TlsError> {
    let sniffed = sniff(io).await?;
    assert!(sniffed.is_tunnel);
    assert_eq!(sniffed.server_name.as_deref(), Some("edge.test"));
    Carrier::accept(sniffed.io, sniffed.first_bytes, Arc::new(config)).await
}

fn name() -> ServerName<'static> {
    ServerName::try_from("edge.test").unwrap()
}

async fn pair(boxed: bool) -> (Carrier, Carrier) {
    let certs = Certs::new("edge.test");
    let (near, far) = tcp_pair().await;
    let io = if boxed { Io::Boxed(Box::new(near)) } else { Io::Tcp(near) };
    let gate = async {
        let config = Arc::new(gate_config(certs.roots.clone()).unwrap());
        let mut gate = Carrier::connect(io, name(), config).await.unwrap();
        poll_fn(|cx| gate.poll_flush(cx)).await.unwrap();
        gate
    };
    let (edge, gate) = tokio::join!(accept(far, edge_config(certs.resolver.clone()).unwrap()), gate);
    (edge.unwrap(), gate)
}

async fn write(carrier: &mut Carrier, bytes: &[u8]) {
    carrier.write(bytes).unwrap();
    poll_fn(|cx| carrier.poll_flush(cx)).await.unwrap();
}

async fn read(carrier: &mut Carrier, n: usize) -> BytesMut {
    let mut got = BytesMut::new();
    while got.len() < n {
        assert!(poll_fn(|cx| carrier.poll_read_into(cx, &mut got)).await.unwrap() > 0);
    }
    got
}

#[tokio::test]
async fn both_ends_agree_on_the_exporter_and_no_two_connections_do() {
    let (edge, gate) = pair(false).await;
    assert!(edge.exporter() == gate.exporter());
    let (other, _gate) = pair(false).await;
    assert!(edge.exporter() != other.exporter());
}

#[tokio::test]
async fn bytes_pass_both_ways_and_close_is_seen() {
    for boxed in [false, true] {
        let (mut edge, mut gate) = pair(boxed).await;
        let body: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
        write(&mut gate, b"first").await;
        assert_eq!(&read(&mut edge, 5).await[..], b"first");
        let up = async {
            write(&mut gate, &body).await;
            gate.close_notify();
            poll_fn(|cx| gate.poll_flush(cx)).await.unwrap();
        };
        let (got, ()) = tokio::join!(read(&mut edge, body.len()), up);
        assert!(got == body);
        let mut rest = BytesMut::new();
        assert_eq!(poll_fn(|cx| edge.poll_read_into(cx, &mut rest)).await.unwrap(), 0);
        assert!(gate.write(b"more").is_err());
        let (got, ()) = tokio::join!(read(&mut gate, body.len()), write(&mut edge, &body));
        assert!(got == body);
    }
}

#[tokio::test]
async fn a_cut_carrier_is_an_error() {
    let (mut edge, gate) = pair(false).await;
    drop(gate);
    let mut got = BytesMut::new();
    let error = poll_fn(|cx| edge.poll_read_into(cx, &mut got)).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_carrier_moves_to_another_thread() {
    let (mut edge, mut gate) = pair(false).await;
    write(&mut gate, b"before").await;
    let moved = std::thread::Builder::new().spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            edge.adopt().unwrap();
            let got = read(&mut edge, 6).await;
            write(&mut edge, b"after").await;
            got
        })
    });
    assert_eq!(&read(&mut gate, 5).await[..], b"after");
    assert_eq!(&moved.unwrap().join().unwrap()[..], b"before");
}

#[tokio::test]
async fn a_gate_trusts_its_roots_only() {
    let certs = Certs::new("edge.test");
    let (near, far) = tcp_pair().await;
    let config = Arc::new(gate_config(RootCertStore::empty()).unwrap());
    let gate = Carrier::connect(near.into(), name(), config);
    let (edge, gate) = tokio::join!(accept(far, edge_config(certs.resolver).unwrap()), gate);
    assert!(matches!(gate, Err(TlsError::Handshake(rustls::Error::InvalidCertificate(_)))));
    assert!(edge.is_err());
}

#[tokio::test]
async fn an_edge_that_knows_no_tunnels_is_refused() {
    let certs = Certs::new("edge.test");
    let (near, far) = tcp_pair().await;
    let gate = Carrier::connect(near.into(), name(), Arc::new(gate_config(certs.roots).unwrap()));
    let mut config = edge_config(certs.resolver).unwrap();
    config.alpn_protocols.clear();
    let (edge, gate) = tokio::join!(accept(far, config), gate);
    assert!(edge.is_err());
    assert!(matches!(gate, Err(TlsError::NotATunnel)));
}
