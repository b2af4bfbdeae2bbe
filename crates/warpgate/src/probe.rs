//! One look along the way to an edge, for `warpgate diag`. No key is used and nothing is registered.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use mezu_tunnel::carrier::Io;
use rustls::pki_types::ServerName;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::{
    DialError, EdgeAddress, Proxy,
    gate::{dial, roots},
};

const HANDSHAKE: Duration = Duration::from_secs(10);

/// Where to look.
#[derive(Debug, Clone)]
pub struct Probe {
    pub edge: EdgeAddress,
    pub proxy: Option<Proxy>,
    pub ca: Option<PathBuf>,
}

/// What was seen.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// From nothing to a byte stream, proxy included.
    pub connected: Duration,
}

/// How far it got.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    #[error("{0}")]
    Setup(String),
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("{0}")]
    Tls(String),
}

/// The addresses of the edge's name.
pub async fn resolve(edge: &EdgeAddress) -> Result<Vec<SocketAddr>, DialError> {
    dial::resolve(&edge.host, edge.port).await
}

impl Probe {
    /// Connects, shakes hands as a tunnel would, and hangs up.
    pub async fn run(&self) -> Result<Seen, ProbeError> {
        let setup = |error: &dyn std::error::Error| ProbeError::Setup(error.to_string());
        let roots = roots::load(self.ca.as_deref()).map_err(|error| setup(&error))?;
        let tunnel = mezu_tunnel::carrier::gate_config(roots.clone()).map_err(|error| setup(&error))?;
        let plain = roots::client(roots).map_err(|error| setup(&error))?;
        let name = ServerName::try_from(self.edge.host.clone()).map_err(|error| setup(&error))?;
        let began = Instant::now();
        let io = dial::dial(&self.edge, self.proxy.as_ref(), Some(&plain), 0).await?;
        let connected = began.elapsed();
        let connector = TlsConnector::from(Arc::new(tunnel));
        let late = |_| ProbeError::Tls("the TLS handshake took too long".to_owned());
        let alpn = match io {
            Io::Tcp(tcp) => shake(timeout(HANDSHAKE, connector.connect(name, tcp)).await.map_err(late)?),
            Io::Boxed(io) => shake(timeout(HANDSHAKE, connector.connect(name, io)).await.map_err(late)?),
        }?;
        if alpn {
            Ok(Seen { connected })
        } else {
            Err(ProbeError::Tls("it does not speak the tunnel protocol".to_owned()))
        }
    }
}

/// Whether the peer chose our protocol.
fn shake<T>(done: std::io::Result<tokio_rustls::client::TlsStream<T>>) -> Result<bool, ProbeError> {
    match done {
        Ok(stream) => Ok(stream.get_ref().1.alpn_protocol().is_some()),
        Err(error) => Err(ProbeError::Tls(error.to_string())),
    }
}
