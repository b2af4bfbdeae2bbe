//! Opening a connection to a workload: the one place that dials, and only ever to the target given locally.

use std::{
    cell::Cell,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{Fault, io::Io};
use crate::{
    Target,
    target::{Address, is_denied},
};

/// Dials one target.
pub(crate) struct Dialer {
    target: Target,
    tls: Option<Arc<ClientConfig>>,
    connect: Duration,
    /// Which of several addresses answered last.
    good: Cell<usize>,
}

impl Dialer {
    /// `tls` is needed for `https` targets only.
    pub(crate) fn new(target: Target, tls: Option<Arc<ClientConfig>>, connect: Duration) -> Self {
        Self { target, tls, connect, good: Cell::new(0) }
    }

    /// A fresh connection.
    pub(crate) async fn dial(&self) -> Result<Io, Fault> {
        match timeout(self.connect, self.open()).await {
            Ok(Ok(io)) => Ok(io),
            Ok(Err(error)) => {
                tracing::debug!(target = %self.target, %error, "the workload cannot be reached");
                Err(if error.kind() == io::ErrorKind::TimedOut { Fault::ConnectTimeout } else { Fault::Refused })
            }
            Err(_) => Err(Fault::ConnectTimeout),
        }
    }

    async fn open(&self) -> io::Result<Io> {
        match &self.target {
            Target::Http(at) | Target::H2c(at) => self.tcp(at).await.map(Io::Tcp),
            Target::Https(at) => {
                let Some(config) = &self.tls else { return Err(io::ErrorKind::Unsupported.into()) };
                let name = ServerName::try_from(at.host.clone()).map_err(io::Error::other)?;
                let tcp = self.tcp(at).await?;
                let stream = TlsConnector::from(config.clone()).connect(name, tcp).await?;
                Ok(Io::Tls(Box::new(stream)))
            }
            Target::Unix(path) => UnixStream::connect(path).await.map(Io::Unix),
            Target::InProcess(connector) => connector.connect().map(Io::InProcess),
            Target::Folder(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    async fn tcp(&self, at: &Address) -> io::Result<TcpStream> {
        let addresses = resolve(at).await?;
        let first = self.good.get();
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for step in 0..addresses.len() {
            let index = (first + step) % addresses.len();
            let Some(address) = addresses.get(index) else { continue };
            match TcpStream::connect(address).await {
                Ok(tcp) => {
                    self.good.set(index);
                    let _ = tcp.set_nodelay(true);
                    return Ok(tcp);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

/// The addresses that may be dialled. `localhost` is both loopback addresses without asking anyone: development
/// servers listen on one or the other.
async fn resolve(at: &Address) -> io::Result<Vec<SocketAddr>> {
    if at.host == "localhost" {
        let v4 = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), at.port);
        let v6 = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), at.port);
        return Ok(vec![v4, v6]);
    }
    if let Ok(ip) = at.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, at.port)]);
    }
    let found: Vec<SocketAddr> = tokio::net::lookup_host((at.host.as_str(), at.port)).await?.collect();
    // A name may change its mind about where it points; what it must never reach is checked each time.
    let allowed: Vec<SocketAddr> = found.into_iter().filter(|address| !is_denied(address.ip())).collect();
    if allowed.is_empty() { Err(io::ErrorKind::AddrNotAvailable.into()) } else { Ok(allowed) }
}

#[cfg(test)]
mod tests;
