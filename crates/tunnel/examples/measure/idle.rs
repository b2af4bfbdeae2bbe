//! What connections hold that only stand.

use std::{future::poll_fn, sync::Arc};

use bytes::BytesMut;
use mezu_tunnel::tls::{self, ServerStream, sniff};
use rustls::{
    ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{certs, on_thread};

/// Resident memory per idle connection: the clients are in a process of their own.
pub(crate) fn idle(count: usize, _: usize) {
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

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
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
