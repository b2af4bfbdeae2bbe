#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
//! tokio-rustls clients against [`ServerStream`].

use std::{future::poll_fn, sync::Arc};

use bytes::BytesMut;
use rustls::{
    CipherSuite, ClientConfig, ProtocolVersion, RootCertStore, SupportedCipherSuite,
    crypto::{CryptoProvider, aws_lc_rs},
};
use rustls_pki_types::ServerName;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{ServerStream, client_facing, sniff};
use crate::test_certs::Certs;

struct World {
    server: Arc<rustls::ServerConfig>,
    roots: RootCertStore,
}

impl World {
    fn new() -> Self {
        let certs = Certs::new("edge.test");
        let server = client_facing(certs.resolver).unwrap();
        Self { server: Arc::new(server), roots: certs.roots }
    }

    fn client(
        &self,
        version: &'static rustls::SupportedProtocolVersion,
        suite: Option<SupportedCipherSuite>,
    ) -> ClientConfig {
        let mut provider: CryptoProvider = aws_lc_rs::default_provider();
        if let Some(suite) = suite {
            provider.cipher_suites = vec![suite];
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[version])
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config
    }

    async fn pair(&self, config: ClientConfig) -> (TlsStream<TcpStream>, ServerStream) {
        let (client_io, server_io) = tcp_pair().await;
        let name = ServerName::try_from("Edge.Test").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let server = async {
            let sniffed = sniff(server_io).await.unwrap();
            assert!(!sniffed.is_tunnel);
            ServerStream::handshake(sniffed, self.server.clone()).await.unwrap()
        };
        let (client, server) = tokio::join!(connector.connect(name, client_io), server);
        (client.unwrap(), server)
    }
}

async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let connect = TcpStream::connect(listener.local_addr().unwrap());
    let (client, server) = tokio::join!(connect, listener.accept());
    (client.unwrap(), server.unwrap().0)
}

async fn read_into(stream: &mut ServerStream, to: &mut BytesMut) -> std::io::Result<usize> {
    poll_fn(|cx| stream.poll_read_into(cx, to)).await
}

async fn send(stream: &mut ServerStream, parts: &[&[u8]]) {
    poll_fn(|cx| stream.poll_room(cx)).await.unwrap();
    stream.write_parts(parts).unwrap();
    poll_fn(|cx| stream.poll_flush(cx)).await.unwrap();
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 % 251) as u8).collect()
}

fn suites() -> Vec<(&'static rustls::SupportedProtocolVersion, SupportedCipherSuite)> {
    aws_lc_rs::ALL_CIPHER_SUITES
        .iter()
        .filter_map(|suite| {
            let name = suite.suite();
            // The test certificate is ECDSA.
            let rsa = format!("{name:?}").contains("_RSA_");
            let version = if suite.tls13().is_some() { &rustls::version::TLS13 } else { &rustls::version::TLS12 };
            (!rsa).then_some((version, *suite))
        })
        .collect()
}

#[tokio::test]
async fn every_suite_echoes_small_and_large_both_ways() {
    let world = World::new();
    for (version, suite) in suites() {
        let (mut client, mut server) = world.pair(world.client(version, Some(suite))).await;
        assert_eq!(server.cipher_suite(), suite.suite());
        assert_eq!(server.alpn(), Some(&b"http/1.1"[..]));
        assert_eq!(server.server_name(), Some("edge.test"));
        let body = pattern(1_000_003);
        let expected = body.clone();
        let client = async move {
            client.write_all(b"hi").await.unwrap();
            let mut word = [0; 5];
            client.read_exact(&mut word).await.unwrap();
            assert_eq!(&word, b"hello");
            let (mut read, mut write) = tokio::io::split(client);
            let up = async {
                write.write_all(&body).await.unwrap();
                write.shutdown().await.unwrap();
            };
            let mut back = Vec::new();
            let down = read.read_to_end(&mut back);
            let (_, down) = tokio::join!(up, down);
            down.unwrap();
            assert!(back == body);
        };
        let server = async move {
            let mut got = BytesMut::new();
            while got.len() < 2 {
                read_into(&mut server, &mut got).await.unwrap();
            }
            assert_eq!(&got[..], b"hi");
            send(&mut server, &[b"he", b"", b"llo"]).await;
            got.clear();
            while read_into(&mut server, &mut got).await.unwrap() > 0 {}
            assert!(got == expected);
            assert!(server.read_ended());
            // Half-closed: we still answer.
            for chunk in got.chunks(50_000) {
                let (a, b) = chunk.split_at(chunk.len() / 3);
                send(&mut server, &[a, b]).await;
            }
            poll_fn(|cx| server.poll_shutdown(cx)).await.unwrap();
        };
        tokio::join!(client, server);
    }
}

#[tokio::test]
async fn works_as_async_read_and_write_with_small_buffers() {
    let world = World::new();
    let (mut client, mut server) = world.pair(world.client(&rustls::version::TLS13, None)).await;
    let body = pattern(300_000);
    let sent = body.clone();
    let client = async move {
        client.write_all(&sent).await.unwrap();
        client.flush().await.unwrap();
        let mut back = Vec::new();
        client.read_to_end(&mut back).await.unwrap();
        back
    };
    let server = async move {
        let mut got = Vec::new();
        let mut small = [0; 1_001];
        while got.len() < 300_000 {
            let n = server.read(&mut small).await.unwrap();
            assert!(n > 0);
            got.extend_from_slice(&small[..n]);
        }
        server.write_all(&got).await.unwrap();
        server.shutdown().await.unwrap();
    };
    let (back, ()) = tokio::join!(client, server);
    assert!(back == body);
}

#[tokio::test]
async fn post_quantum_first_and_resumption_works() {
    let world = World::new();
    let config = world.client(&rustls::version::TLS13, None);
    for round in 0..2 {
        let (mut client, mut server) = world.pair(config.clone()).await;
        assert_eq!(server.protocol_version(), ProtocolVersion::TLSv1_3);
        send(&mut server, &[b"x"]).await;
        let mut byte = [0];
        client.read_exact(&mut byte).await.unwrap();
        let (_, state) = client.get_ref();
        let kind = state.handshake_kind().unwrap();
        assert_eq!(kind == rustls::HandshakeKind::Resumed, round == 1, "{kind:?}");
        let group = state.negotiated_key_exchange_group().unwrap().name();
        assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
    }
}

#[tokio::test]
async fn a_cut_connection_is_an_error_and_a_closed_one_is_not() {
    let world = World::new();
    let (client, mut server) = world.pair(world.client(&rustls::version::TLS13, None)).await;
    drop(client.into_inner().0);
    let error = read_into(&mut server, &mut BytesMut::new()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);

    let (mut client, mut server) = world.pair(world.client(&rustls::version::TLS13, None)).await;
    client.shutdown().await.unwrap();
    assert_eq!(read_into(&mut server, &mut BytesMut::new()).await.unwrap(), 0);
    assert_eq!(read_into(&mut server, &mut BytesMut::new()).await.unwrap(), 0);
}

#[tokio::test]
async fn key_updates_are_followed_and_answered() {
    let world = World::new();
    let (mut client, mut server) = world.pair(world.client(&rustls::version::TLS13, None)).await;
    for round in 0..100_u8 {
        client.get_mut().1.refresh_traffic_keys().unwrap();
        client.write_all(&[round]).await.unwrap();
        client.flush().await.unwrap();
        let mut got = BytesMut::new();
        read_into(&mut server, &mut got).await.unwrap();
        assert_eq!(&got[..], [round]);
        send(&mut server, &[&[round, 1]]).await;
        let mut back = [0; 2];
        client.read_exact(&mut back).await.unwrap();
        assert_eq!(back, [round, 1]);
    }
}

#[tokio::test]
async fn a_flood_of_key_updates_ends_the_connection() {
    let world = World::new();
    let (mut client, mut server) = world.pair(world.client(&rustls::version::TLS13, None)).await;
    for _ in 0..40 {
        client.get_mut().1.refresh_traffic_keys().unwrap();
        client.flush().await.unwrap();
    }
    read_into(&mut server, &mut BytesMut::new()).await.unwrap_err();
    assert!(client.read(&mut [0; 10]).await.is_err());
}

#[tokio::test]
async fn a_forged_record_is_answered_with_an_alert_and_no_data() {
    let world = World::new();
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let (mut client, mut server) = world.pair(world.client(version, None)).await;
        let mut forged = vec![23, 3, 3, 0, 60];
        forged.extend_from_slice(&[0x55; 60]);
        client.get_mut().0.write_all(&forged).await.unwrap();
        let mut got = BytesMut::new();
        read_into(&mut server, &mut got).await.unwrap_err();
        assert!(got.is_empty());
        read_into(&mut server, &mut got).await.unwrap_err();
        let error = client.read(&mut [0; 10]).await.unwrap_err();
        assert!(error.to_string().contains("BadRecordMac"), "{error}");
    }
}

#[tokio::test]
async fn plain_http_gets_an_alert_and_no_panic() {
    let world = World::new();
    let (mut client, server) = tcp_pair().await;
    client.write_all(b"GET / HTTP/1.1\r\nhost: edge.test\r\n\r\n").await.unwrap();
    let sniffed = sniff(server).await.unwrap();
    assert!(!sniffed.is_tunnel);
    assert!(ServerStream::handshake(sniffed, world.server.clone()).await.is_err());
}

#[tokio::test]
async fn a_client_hello_in_single_bytes_is_read() {
    let world = World::new();
    let (client_io, server_io) = tcp_pair().await;
    client_io.set_nodelay(true).unwrap();
    let mut hello = Vec::new();
    let mut connection = rustls::ClientConnection::new(
        Arc::new(world.client(&rustls::version::TLS13, None)),
        ServerName::try_from("edge.test").unwrap(),
    )
    .unwrap();
    connection.write_tls(&mut hello).unwrap();
    let (last, first) = hello.split_last().unwrap();
    let mut client_io = client_io;
    let writer = async {
        for byte in first {
            client_io.write_all(&[*byte]).await.unwrap();
            tokio::task::yield_now().await;
        }
        client_io.write_all(&[*last]).await.unwrap();
    };
    let (sniffed, ()) = tokio::join!(sniff(server_io), writer);
    let sniffed = sniffed.unwrap();
    assert_eq!(sniffed.first_bytes, hello);
    assert_eq!(sniffed.server_name.as_deref(), Some("edge.test"));
}

#[tokio::test]
async fn back_pressure_holds_the_writer_until_the_client_reads() {
    let world = World::new();
    let (mut client, mut server) = world.pair(world.client(&rustls::version::TLS13, None)).await;
    let chunk = pattern(16_000);
    let mut sent = 0;
    while let std::task::Poll::Ready(room) = poll_fn(|cx| std::task::Poll::Ready(server.poll_room(cx))).await {
        room.unwrap();
        sent += server.write_parts(&[&chunk]).unwrap();
        assert!(server.unsent() < super::stream::OUT_LIMIT + 17_000);
    }
    let reader = async {
        let mut got = vec![0; sent];
        client.read_exact(&mut got).await.unwrap();
        got
    };
    let (got, flushed) = tokio::join!(reader, poll_fn(|cx| server.poll_flush(cx)));
    flushed.unwrap();
    assert!(got.chunks(chunk.len()).all(|part| part == chunk));
}

#[tokio::test]
async fn a_moved_connection_goes_on() {
    let world = World::new();
    let (mut client, mut server) = world.pair(world.client(&rustls::version::TLS12, None)).await;
    send(&mut server, &[b"one"]).await;
    let parts = server.into_parts().unwrap();
    let other = std::thread::Builder::new().spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut server = ServerStream::from_parts(parts).unwrap();
            send(&mut server, &[b"two"]).await;
            let mut got = BytesMut::new();
            read_into(&mut server, &mut got).await.unwrap();
            got
        })
    });
    let mut got = [0; 6];
    client.read_exact(&mut got).await.unwrap();
    assert_eq!(&got, b"onetwo");
    client.write_all(b"three").await.unwrap();
    assert_eq!(&other.unwrap().join().unwrap()[..], b"three");
}

#[test]
fn suites_of_both_versions_are_covered() {
    let names: Vec<_> = suites().iter().map(|(_, suite)| suite.suite()).collect();
    assert!(names.contains(&CipherSuite::TLS13_CHACHA20_POLY1305_SHA256));
    assert!(names.contains(&CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256));
    assert!(names.contains(&CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256));
}

#[tokio::test]
async fn aes_128_is_chosen_unless_the_client_has_no_aes() {
    let world = World::new();
    for (order, chosen) in [
        ([AES_256, AES_128, CHACHA], CipherSuite::TLS13_AES_128_GCM_SHA256),
        ([CHACHA, AES_256, AES_128], CipherSuite::TLS13_CHACHA20_POLY1305_SHA256),
    ] {
        let provider = CryptoProvider { cipher_suites: order.to_vec(), ..aws_lc_rs::default_provider() };
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(world.roots.clone())
            .with_no_client_auth();
        let mut config = config;
        config.alpn_protocols = vec![b"h2".to_vec()];
        let (_client, server) = world.pair(config).await;
        assert_eq!(server.cipher_suite(), chosen);
    }
}

#[tokio::test]
async fn a_client_whose_key_share_is_another_is_asked_again() {
    let world = World::new();
    let kx_groups = vec![aws_lc_rs::kx_group::MLKEM768, aws_lc_rs::kx_group::X25519];
    let provider = CryptoProvider { kx_groups, ..aws_lc_rs::default_provider() };
    let config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(world.roots.clone())
        .with_no_client_auth();
    let mut config = config;
    config.alpn_protocols = vec![b"h2".to_vec()];
    let (mut client, mut server) = world.pair(config).await;
    send(&mut server, &[b"x"]).await;
    client.read_exact(&mut [0]).await.unwrap();
    assert_eq!(client.get_ref().1.handshake_kind(), Some(rustls::HandshakeKind::FullWithHelloRetryRequest));
}

#[tokio::test]
async fn a_key_update_is_answered_before_the_next_data_even_when_output_waits() {
    let world = World::new();
    let (mut client, mut server) = world.pair(world.client(&rustls::version::TLS13, None)).await;
    server.write_parts(&[b"old key"]).unwrap();
    for round in 0..3_u8 {
        client.get_mut().1.refresh_traffic_keys().unwrap();
        client.write_all(&[round]).await.unwrap();
        client.flush().await.unwrap();
        let mut got = BytesMut::new();
        read_into(&mut server, &mut got).await.unwrap();
        assert_eq!(&got[..], [round]);
    }
    send(&mut server, &[b" new key"]).await;
    let mut back = [0; 15];
    client.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"old key new key");
}

const AES_128: SupportedCipherSuite = aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
const AES_256: SupportedCipherSuite = aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384;
const CHACHA: SupportedCipherSuite = aws_lc_rs::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256;

/// A client of TLS 1.2 that asks for renegotiation between bytes of its upload may not make us hoard our refusals.
#[tokio::test]
async fn renegotiation_is_refused_once_and_then_ends_the_connection() {
    use crate::{
        out::OutBuf,
        record::{DATA, HANDSHAKE, Sealer},
    };
    let world = World::new();
    let mut config = world.client(&rustls::version::TLS12, None);
    config.enable_secret_extraction = true;
    let (client, mut server) = world.pair(config).await;
    let (mut tcp, connection) = client.into_inner();
    let secrets = connection.dangerous_extract_secrets().unwrap();
    let mut sealer = Sealer::new(ProtocolVersion::TLSv1_2, secrets.tx).unwrap();
    let mut wire = OutBuf::default();
    for _ in 0..1_000 {
        sealer.seal(DATA, &[b"x"], &mut wire).unwrap();
        sealer.seal(HANDSHAKE, &[&[1]], &mut wire).unwrap();
    }
    tcp.write_all(wire.pending()).await.unwrap();
    let mut got = BytesMut::new();
    let ended = loop {
        match read_into(&mut server, &mut got).await {
            Ok(_) if got.len() == 1_000 => break Ok(()),
            Ok(_) => {}
            Err(error) => break Err(error),
        }
    };
    assert!(server.unsent() < 100, "{} bytes of refusals wait", server.unsent());
    assert!(ended.is_err());
}
