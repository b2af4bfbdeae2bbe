//! Where a client goes and whom it trusts.

use crate::{Client, Protocol, patiently};
use anyhow::Result;
use rustls::ClientConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub type Tls = TlsStream<TcpStream>;

/// A public name at an edge.
#[derive(Debug, Clone)]
pub struct Target {
    pub address: SocketAddr,
    /// The name in SNI and in requests.
    pub host: String,
    roots: Arc<rustls::RootCertStore>,
    source: Option<Ipv4Addr>,
}

impl Target {
    pub fn new(address: SocketAddr, host: &str, ca: &Path) -> Result<Self> {
        let mut roots = rustls::RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(ca)? {
            roots.add(certificate?)?;
        }
        Ok(Self { address, host: host.into(), roots: Arc::new(roots), source: None })
    }

    /// The same edge by another name.
    pub fn named(&self, host: &str) -> Self {
        Self { host: host.into(), ..self.clone() }
    }

    /// The same, from another address of the loopback range.
    pub fn from(&self, source: Ipv4Addr) -> Self {
        assert!(source.is_loopback(), "tests stay on loopback");
        Self { source: Some(source), ..self.clone() }
    }

    /// `host:port` as a client writes it.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.address.port())
    }

    pub async fn tcp(&self) -> Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        if let Some(source) = self.source {
            socket.bind(SocketAddr::from((source, 0)))?;
        }
        let stream = patiently("a TCP connection", socket.connect(self.address)).await??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// A finished handshake that offers these protocols.
    pub async fn tls(&self, alpn: &[&str]) -> Result<Tls> {
        let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        config.resumption = rustls::client::Resumption::disabled();
        let name = ServerName::try_from(self.host.clone())?;
        let stream = self.tcp().await?;
        let connector = TlsConnector::from(Arc::new(config));
        Ok(patiently("a TLS handshake", connector.connect(name, stream)).await??)
    }

    pub async fn client(&self, protocol: Protocol) -> Result<Client> {
        Client::connect(self, protocol).await
    }

    pub async fn h1(&self) -> Result<Client> {
        self.client(Protocol::H1).await
    }

    pub async fn h2(&self) -> Result<Client> {
        self.client(Protocol::H2).await
    }
}
