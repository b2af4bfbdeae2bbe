//! A TLS client for what the ready load generators cannot do: many connections from many loopback addresses,
//! either kept idle or each used for one handshake and one request.

use anyhow::{Context as _, Result};
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Connections spread over this many source addresses, so that the limit per address is not what is measured.
const SOURCES: usize = 100;

pub(crate) struct Client {
    connector: TlsConnector,
    name: ServerName<'static>,
    host: String,
    port: u16,
    next: usize,
}

impl Client {
    /// Trusts `ca` alone, offers HTTP/1.1, never resumes. `hybrid` offers X25519MLKEM768, else X25519.
    pub(crate) fn new(ca: &Path, host: &str, port: u16, hybrid: bool) -> Result<Self> {
        let mut provider = aws_lc_rs::default_provider();
        let group = if hybrid { aws_lc_rs::kx_group::X25519MLKEM768 } else { aws_lc_rs::kx_group::X25519 };
        provider.kx_groups = vec![group];
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(ca)? {
            roots.add(certificate?)?;
        }
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = rustls::client::Resumption::disabled();
        let name = ServerName::try_from(host.to_owned())?;
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name, host: host.into(), port, next: 0 })
    }

    /// The source address to begin with, so that several clients do not share one.
    pub(crate) fn start_at(&mut self, source: usize) {
        self.next = source;
    }

    /// A finished handshake from the next source address.
    pub(crate) async fn connect(&mut self) -> Result<TlsStream<TcpStream>> {
        let source = Ipv4Addr::new(127, 0, 10, u8::try_from(self.next % SOURCES)? + 1);
        self.next += 1;
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::V4(SocketAddrV4::new(source, 0)))?;
        let stream = socket.connect(SocketAddr::from(([127, 0, 0, 1], self.port))).await?;
        stream.set_nodelay(true)?;
        let handshake = self.connector.connect(self.name.clone(), stream);
        Ok(tokio::time::timeout(Duration::from_secs(10), handshake).await.context("handshake")??)
    }

    /// One request on it; the whole answer must be there in ten seconds.
    pub(crate) async fn request(&self, stream: &mut TlsStream<TcpStream>, close: bool) -> Result<()> {
        let connection = if close { "close" } else { "keep-alive" };
        let request =
            format!("GET / HTTP/1.1\r\nHost: {}:{}\r\nConnection: {connection}\r\n\r\n", self.host, self.port);
        stream.write_all(request.as_bytes()).await?;
        stream.flush().await?;
        tokio::time::timeout(Duration::from_secs(10), answer(stream)).await.context("answer")?
    }
}

async fn answer(stream: &mut TlsStream<TcpStream>) -> Result<()> {
    let mut bytes = Vec::with_capacity(4096);
    loop {
        anyhow::ensure!(stream.read_buf(&mut bytes).await? > 0, "connection closed before the answer's end");
        let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        anyhow::ensure!(bytes.starts_with(b"HTTP/1.1 200"), "not a 200: {}", String::from_utf8_lossy(&bytes));
        if bytes.len() >= head + 4 + 1024 {
            return Ok(());
        }
    }
}
