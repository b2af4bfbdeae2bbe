//! Getting out through a proxy: HTTP CONNECT (RFC 9110 §9.3.6) and SOCKS5 (RFC 1928, 1929).
//!
//! The proxy resolves the edge's name: in networks that need a proxy, names are often resolved nowhere else.

use std::{fmt, io, net::IpAddr, str::FromStr};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::workload::websocket::base64;

/// Longest answer to CONNECT.
const MAX_ANSWER: usize = 8 * 1024;

/// A proxy and how to speak to it.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    pub kind: Kind,
    pub host: String,
    pub port: u16,
    user: Option<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Http,
    /// CONNECT inside TLS to the proxy.
    Https,
    Socks5,
}

/// Why a text is no proxy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProxy {
    #[error("a proxy is http://, https:// or socks5:// with host and port, such as http://proxy.lan:3128")]
    Scheme,
    #[error("the proxy has no valid host")]
    Host,
    #[error("the proxy's port is no number from 1 to 65535")]
    Port,
    #[error("the proxy's user name or password is not valid percent-encoded text of at most 255 bytes")]
    User,
}

/// Why a proxy did not let us through.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    #[error("the proxy broke off")]
    Io(#[from] io::Error),
    #[error("the proxy answered CONNECT with {0}")]
    Refused(u16),
    #[error("the proxy wants a user name and password, or refuses those given")]
    Auth,
    #[error("the proxy cannot reach the edge: {0}")]
    Unreachable(&'static str),
    #[error("the proxy does not speak its protocol")]
    Protocol,
}

impl FromStr for Proxy {
    type Err = InvalidProxy;

    fn from_str(text: &str) -> Result<Self, InvalidProxy> {
        let text = text.trim();
        let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
        let kind = match scheme.to_ascii_lowercase().as_str() {
            "http" => Kind::Http,
            "https" => Kind::Https,
            "socks5" | "socks5h" | "socks" => Kind::Socks5,
            _ => return Err(InvalidProxy::Scheme),
        };
        let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (user, address) = match rest.rsplit_once('@') {
            Some((user, address)) => (Some(user_info(user)?), address),
            None => (None, rest),
        };
        let (host, port) = split(address).ok_or(InvalidProxy::Host)?;
        let port = match (port, kind) {
            (Some(port), _) => port.parse().ok().filter(|p| *p != 0).ok_or(InvalidProxy::Port)?,
            (None, Kind::Http) => 80,
            (None, Kind::Https) => 443,
            (None, Kind::Socks5) => 1080,
        };
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b':');
        if host.is_empty() || !host.bytes().all(good) {
            return Err(InvalidProxy::Host);
        }
        Ok(Self { kind, host: host.to_ascii_lowercase(), port, user })
    }
}

/// Host without brackets, and port.
fn split(address: &str) -> Option<(&str, Option<&str>)> {
    if let Some(rest) = address.strip_prefix('[') {
        let (host, after) = rest.split_once(']')?;
        return Some((host, after.strip_prefix(':')));
    }
    match address.split_once(':') {
        Some((host, port)) => Some((host, Some(port))),
        None => Some((address, None)),
    }
}

fn user_info(text: &str) -> Result<(String, String), InvalidProxy> {
    let (user, password) = text.split_once(':').unwrap_or((text, ""));
    let (user, password) = (percent_decode(user)?, percent_decode(password)?);
    if user.is_empty() || user.len() > 255 || password.len() > 255 {
        return Err(InvalidProxy::User);
    }
    Ok((user, password))
}

fn percent_decode(text: &str) -> Result<String, InvalidProxy> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            out.push(*first);
            continue;
        }
        let hex = rest.get(..2).and_then(|hex| std::str::from_utf8(hex).ok()).ok_or(InvalidProxy::User)?;
        out.push(u8::from_str_radix(hex, 16).map_err(|_| InvalidProxy::User)?);
        rest = rest.get(2..).unwrap_or_default();
    }
    String::from_utf8(out).map_err(|_| InvalidProxy::User)
}

/// The proxy that the environment names for this edge, if any. `variable` reads the environment.
pub fn from_env(
    host: &str,
    port: u16,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Proxy>, InvalidProxy> {
    let any = |names: &[&str]| names.iter().find_map(|name| variable(name).filter(|v| !v.trim().is_empty()));
    let Some(text) = any(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]) else { return Ok(None) };
    if any(&["NO_PROXY", "no_proxy"]).is_some_and(|list| is_exempt(&list, host, port)) {
        return Ok(None);
    }
    text.parse().map(Some)
}

/// Whether NO_PROXY covers a host: `*`, a name and all below it, an address, or a network in CIDR form.
pub fn is_exempt(list: &str, host: &str, port: u16) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let ip = host.parse::<IpAddr>().ok();
    list.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        if entry == "*" {
            return true;
        }
        if let (Some(ip), Some((network, bits))) = (ip, entry.split_once('/')) {
            return in_network(ip, network, bits);
        }
        let (name, wanted) = match split(entry) {
            Some((name, Some(wanted))) if entry.starts_with('[') || entry.matches(':').count() == 1 => {
                (name, Some(wanted))
            }
            _ => (entry.trim_matches(['[', ']']), None),
        };
        if wanted.is_some_and(|wanted| wanted.parse() != Ok(port)) {
            return false;
        }
        let name = name.trim_start_matches("*.").trim_start_matches('.').trim_end_matches('.').to_ascii_lowercase();
        match ip {
            Some(ip) => name.parse() == Ok(ip),
            None => host == name || host.strip_suffix(&name).is_some_and(|front| front.ends_with('.')),
        }
    })
}

fn in_network(ip: IpAddr, network: &str, bits: &str) -> bool {
    let (Ok(network), Ok(bits)) = (network.parse::<IpAddr>(), bits.parse::<u32>()) else { return false };
    match (ip, network) {
        (IpAddr::V4(ip), IpAddr::V4(net)) if bits <= 32 => {
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            ip.to_bits() & mask == net.to_bits() & mask
        }
        (IpAddr::V6(ip), IpAddr::V6(net)) if bits <= 128 => {
            let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
            ip.to_bits() & mask == net.to_bits() & mask
        }
        _ => false,
    }
}

impl Proxy {
    /// Asks the proxy at the other end of `io` for a way to the edge. Afterwards `io` is that way.
    pub async fn open<T>(&self, io: &mut T, host: &str, port: u16) -> Result<(), ProxyError>
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        match self.kind {
            Kind::Http | Kind::Https => self.connect(io, host, port).await,
            Kind::Socks5 => self.socks5(io, host, port).await,
        }
    }

    async fn connect<T: AsyncRead + AsyncWrite + Unpin>(
        &self,
        io: &mut T,
        host: &str,
        port: u16,
    ) -> Result<(), ProxyError> {
        let authority = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let mut ask = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
        if let Some((user, password)) = &self.user {
            ask.push_str("Proxy-Authorization: Basic ");
            ask.push_str(&base64(format!("{user}:{password}").as_bytes()));
            ask.push_str("\r\n");
        }
        ask.push_str("\r\n");
        io.write_all(ask.as_bytes()).await?;
        io.flush().await?;
        match connect_answer(io).await? {
            200..=299 => Ok(()),
            407 => Err(ProxyError::Auth),
            status => Err(ProxyError::Refused(status)),
        }
    }

    async fn socks5<T: AsyncRead + AsyncWrite + Unpin>(
        &self,
        io: &mut T,
        host: &str,
        port: u16,
    ) -> Result<(), ProxyError> {
        let methods: &[u8] = if self.user.is_some() { &[5, 2, 0, 2] } else { &[5, 1, 0] };
        io.write_all(methods).await?;
        io.flush().await?;
        let mut choice = [0u8; 2];
        io.read_exact(&mut choice).await?;
        match (choice, &self.user) {
            ([5, 0], _) => {}
            ([5, 2], Some((user, password))) => socks5_login(io, user, password).await?,
            ([5, _], _) => return Err(ProxyError::Auth),
            _ => return Err(ProxyError::Protocol),
        }
        let mut ask = vec![5, 1, 0];
        push_socks5_address(&mut ask, host)?;
        ask.extend_from_slice(&port.to_be_bytes());
        io.write_all(&ask).await?;
        io.flush().await?;
        socks5_answer(io).await
    }
}

/// Reads the answer to CONNECT byte by byte, so as not to read into what follows it; a few hundred bytes, once.
async fn connect_answer<T: AsyncRead + Unpin>(io: &mut T) -> Result<u16, ProxyError> {
    let mut answer = Vec::with_capacity(256);
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() == MAX_ANSWER {
            return Err(ProxyError::Protocol);
        }
        answer.push(io.read_u8().await?);
    }
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut parsed = httparse::Response::new(&mut fields);
    match parsed.parse(&answer) {
        Ok(httparse::Status::Complete(_)) => parsed.code.ok_or(ProxyError::Protocol),
        _ => Err(ProxyError::Protocol),
    }
}

async fn socks5_login<T>(io: &mut T, user: &str, password: &str) -> Result<(), ProxyError>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut ask = vec![1];
    for text in [user, password] {
        ask.push(u8::try_from(text.len()).map_err(|_| ProxyError::Auth)?);
        ask.extend_from_slice(text.as_bytes());
    }
    io.write_all(&ask).await?;
    io.flush().await?;
    let mut verdict = [0u8; 2];
    io.read_exact(&mut verdict).await?;
    if verdict == [1, 0] { Ok(()) } else { Err(ProxyError::Auth) }
}

fn push_socks5_address(ask: &mut Vec<u8>, host: &str) -> Result<(), ProxyError> {
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => {
            ask.push(1);
            ask.extend_from_slice(&ip.octets());
        }
        Ok(IpAddr::V6(ip)) => {
            ask.push(4);
            ask.extend_from_slice(&ip.octets());
        }
        Err(_) => {
            ask.push(3);
            ask.push(u8::try_from(host.len()).map_err(|_| ProxyError::Protocol)?);
            ask.extend_from_slice(host.as_bytes());
        }
    }
    Ok(())
}

async fn socks5_answer<T: AsyncRead + Unpin>(io: &mut T) -> Result<(), ProxyError> {
    let mut head = [0u8; 4];
    io.read_exact(&mut head).await?;
    let [5, code, _, kind] = head else { return Err(ProxyError::Protocol) };
    let address = match kind {
        1 => 4,
        4 => 16,
        3 => usize::from(io.read_u8().await?),
        _ => return Err(ProxyError::Protocol),
    };
    let mut bound = vec![0u8; address + 2];
    io.read_exact(&mut bound).await?;
    match code {
        0 => Ok(()),
        2 => Err(ProxyError::Unreachable("its rules forbid it")),
        3 => Err(ProxyError::Unreachable("network unreachable")),
        4 => Err(ProxyError::Unreachable("host unreachable")),
        5 => Err(ProxyError::Unreachable("connection refused")),
        6 => Err(ProxyError::Unreachable("time ran out")),
        _ => Err(ProxyError::Unreachable("general failure")),
    }
}

/// Without the password.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            Kind::Http => "http",
            Kind::Https => "https",
            Kind::Socks5 => "socks5",
        };
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
