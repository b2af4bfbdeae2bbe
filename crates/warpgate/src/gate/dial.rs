//! From a name to a byte stream to the edge: resolve, connect, and get through a proxy where there is one.

use std::{cell::RefCell, io, net::SocketAddr, sync::Arc, time::Duration};

use mezu_tunnel::carrier::Io;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{
    proxy::{Kind, Proxy, ProxyError},
    ways::{Way, Ways},
};
use crate::EdgeAddress;

/// One TCP connect, and one conversation with a proxy.
const CONNECT: Duration = Duration::from_secs(5);
const PROXY: Duration = Duration::from_secs(10);

/// Why there is no way to the edge.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error("the name {0} cannot be resolved")]
    Name(String, #[source] io::Error),
    #[error("the name {0} has no address")]
    NoAddress(String),
    #[error("cannot connect to {0}")]
    Connect(String, #[source] io::Error),
    #[error("connecting to {0} took too long")]
    Timeout(String),
    #[error("the proxy {0} does not let us through")]
    Proxy(String, #[source] ProxyError),
    #[error("TLS to the proxy {0} failed")]
    ProxyTls(String, #[source] io::Error),
}

/// How to get out. `turn` chooses among several addresses, so that the next try goes elsewhere; `ways` knows those of
/// the edge, and hears which of them cannot be reached.
pub(crate) async fn dial(
    edge: &EdgeAddress,
    proxy: Option<&Proxy>,
    proxy_tls: Option<&Arc<ClientConfig>>,
    turn: usize,
    ways: &RefCell<Ways>,
) -> Result<(Io, Way), DialError> {
    match proxy {
        None => {
            let (tcp, address) = connect(&edge.host, edge.port, turn, ways).await?;
            Ok((Io::Tcp(tcp), Some(address)))
        }
        Some(proxy) => Ok((through(proxy, edge, proxy_tls, turn).await?, None)),
    }
}

async fn through(
    proxy: &Proxy,
    edge: &EdgeAddress,
    tls: Option<&Arc<ClientConfig>>,
    turn: usize,
) -> Result<Io, DialError> {
    // The proxy's own addresses say nothing about the edge.
    let (mut tcp, _) = connect(&proxy.host, proxy.port, turn, &RefCell::default()).await?;
    let late = || DialError::Timeout(proxy.to_string());
    if proxy.kind == Kind::Https {
        let fault = |error| DialError::ProxyTls(proxy.to_string(), error);
        let name = ServerName::try_from(proxy.host.clone()).map_err(|error| fault(io::Error::other(error)))?;
        let config = tls.ok_or_else(|| fault(io::ErrorKind::Unsupported.into()))?;
        let tls = TlsConnector::from(config.clone()).connect(name, tcp);
        let mut tls = timeout(PROXY, tls).await.map_err(|_| late())?.map_err(fault)?;
        ask(proxy, &mut tls, edge).await?;
        return Ok(Io::Boxed(Box::new(tls)));
    }
    ask(proxy, &mut tcp, edge).await?;
    Ok(Io::Tcp(tcp))
}

async fn ask<T>(proxy: &Proxy, io: &mut T, edge: &EdgeAddress) -> Result<(), DialError>
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    timeout(PROXY, proxy.open(io, &edge.host, edge.port))
        .await
        .map_err(|_| DialError::Timeout(proxy.to_string()))?
        .map_err(|error| DialError::Proxy(proxy.to_string(), error))
}

/// Connects to one of the name's addresses, beginning with the `turn`th and going on to the others.
async fn connect(
    host: &str,
    port: u16,
    turn: usize,
    ways: &RefCell<Ways>,
) -> Result<(TcpStream, SocketAddr), DialError> {
    let addresses = resolve(host, port).await?;
    let addresses = ways.borrow_mut().order(addresses, turn);
    let place = format!("{host}:{port}");
    let mut last = DialError::NoAddress(host.to_owned());
    for address in addresses {
        match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(tcp)) => {
                let _ = tcp.set_nodelay(true);
                return Ok((tcp, address));
            }
            Ok(Err(error)) => last = DialError::Connect(format!("{place} ({address})"), error),
            Err(_) => last = DialError::Timeout(format!("{place} ({address})")),
        }
        ways.borrow_mut().silent(Some(address));
    }
    Err(last)
}

/// All addresses of a name, IPv4 and IPv6 taking turns as the resolver gives them. Names under `localhost` are
/// loopback (RFC 6761 §6.3), which not every resolver knows.
pub(crate) async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, DialError> {
    if host == "localhost" || host.ends_with(".localhost") {
        return Ok(vec![
            SocketAddr::from(([127, 0, 0, 1], port)),
            SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, port)),
        ]);
    }
    let found: Vec<SocketAddr> = timeout(CONNECT, lookup_host((host, port)))
        .await
        .map_err(|_| DialError::Timeout(format!("the name {host}")))?
        .map_err(|error| DialError::Name(host.to_owned(), error))?
        .collect();
    if found.is_empty() { Err(DialError::NoAddress(host.to_owned())) } else { Ok(found) }
}
