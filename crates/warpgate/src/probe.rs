//! One look along the way to an edge, for `warpgate diag`. No key is used and nothing is registered.

use std::{
    cell::RefCell,
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use mezu_model::date;
use mezu_runtime::Chain;
use mezu_tunnel::carrier::Io;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    DialError, EdgeAddress, Proxy,
    gate::{dial, roots},
};

pub use crate::gate::roots::Authorities;

const HANDSHAKE: Duration = Duration::from_secs(10);
/// As much of an answer as is read for its date.
const MAX_ANSWER: u64 = 16 * 1024;

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
    /// By how much this machine's clock is ahead of the edge's (negative: behind), in seconds, if the edge says.
    pub clock_ahead: Option<i64>,
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
    /// Whose word a certificate is taken on.
    ///
    /// # Errors
    /// When there is nobody.
    pub fn trust(&self) -> Result<Authorities, ProbeError> {
        let loaded = roots::load(self.ca.as_deref());
        loaded.map(|(_, authorities)| authorities).map_err(|error| ProbeError::Setup(Chain(&error).to_string()))
    }

    /// Connects, shakes hands as a tunnel would, and hangs up.
    pub async fn run(&self) -> Result<Seen, ProbeError> {
        let setup = |error: &dyn std::error::Error| ProbeError::Setup(error.to_string());
        let (roots, _) = roots::load(self.ca.as_deref()).map_err(|error| setup(&error))?;
        let tunnel = mezu_tunnel::carrier::gate_config(roots.clone()).map_err(|error| setup(&error))?;
        let plain = roots::client(roots).map_err(|error| setup(&error))?;
        let name = ServerName::try_from(self.edge.host.clone()).map_err(|error| setup(&error))?;
        let began = Instant::now();
        let (io, _) = dial::dial(&self.edge, self.proxy.as_ref(), Some(&plain), 0, &RefCell::default()).await?;
        let connected = began.elapsed();
        let stream = shake(io, name.clone(), tunnel.into()).await?;
        if stream.get_ref().1.alpn_protocol().is_none() {
            return Err(ProbeError::Tls("it does not speak the tunnel protocol".to_owned()));
        }
        drop(stream);
        let clock_ahead = timeout(HANDSHAKE, self.clock(name, plain)).await.ok().flatten();
        Ok(Seen { connected, clock_ahead })
    }

    /// Asks the edge for the time, as any web server tells it.
    async fn clock(&self, name: ServerName<'static>, plain: Arc<ClientConfig>) -> Option<i64> {
        let (io, _) = dial::dial(&self.edge, self.proxy.as_ref(), Some(&plain), 0, &RefCell::default()).await.ok()?;
        let mut stream = shake(io, name, plain).await.ok()?;
        let ask = format!("GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.edge.host);
        stream.write_all(ask.as_bytes()).await.ok()?;
        let mut answer = Vec::new();
        stream.take(MAX_ANSWER).read_to_end(&mut answer).await.ok();
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Response::new(&mut fields);
        head.parse(&answer).ok()?;
        let field = head.headers.iter().find(|field| field.name.eq_ignore_ascii_case("date"))?;
        let theirs = date::parse(field.value)?;
        date::seconds(SystemTime::now()).checked_signed_diff(theirs)
    }
}

/// Any way to the edge, as one type.
type Way = Box<dyn mezu_tunnel::carrier::AsyncIo>;

async fn shake(io: Io, name: ServerName<'static>, config: Arc<ClientConfig>) -> Result<TlsStream<Way>, ProbeError> {
    let io: Way = match io {
        Io::Tcp(tcp) => Box::new(tcp),
        Io::Boxed(io) => io,
    };
    match timeout(HANDSHAKE, TlsConnector::from(config).connect(name, io)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(ProbeError::Tls(error.to_string())),
        Err(_) => Err(ProbeError::Tls("the TLS handshake took too long".to_owned())),
    }
}
