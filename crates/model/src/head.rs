//! Request and response heads, the same for every HTTP version.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::{Headers, Method, Protocol, RayId, Scheme};

/// What a connection is asked to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Upgrade {
    /// RFC 6455 over h1, RFC 8441 over h2.
    WebSocket,
}

/// A request as every stage sees it: parsed once, acted on and forwarded in this form.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestHead {
    pub method: Method,
    pub scheme: Scheme,
    /// Lowercased name without port.
    pub host: String,
    /// The port as the client wrote it, if it did.
    pub port: Option<u16>,
    /// Normalised (see [`crate::path`]); begins with `/`, or is `*` for `OPTIONS *`.
    pub path: String,
    /// Without the question mark; `Some("")` when a bare one was sent.
    pub query: Option<String>,
    /// Neither `host` nor hop-by-hop fields nor reserved names.
    pub headers: Headers,
    pub upgrade: Option<Upgrade>,
}

impl RequestHead {
    /// Empties it, keeping what it has allocated.
    pub fn clear(&mut self) {
        self.method = Method::Get;
        self.scheme = Scheme::Https;
        self.host.clear();
        self.port = None;
        self.path.clear();
        self.query = None;
        self.headers.clear();
        self.upgrade = None;
    }
}

/// A response head. Hop-by-hop fields are not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResponseHead {
    /// 100 to 999.
    pub status: u16,
    pub headers: Headers,
}

impl ResponseHead {
    /// A head with a status and no fields.
    pub fn new(status: u16) -> Self {
        Self { status, headers: Headers::new() }
    }

    /// Empties it, keeping what it has allocated.
    pub fn clear(&mut self) {
        self.status = 0;
        self.headers.clear();
    }

    /// Whether it announces another head to come (RFC 9110 §15.2). 101 is final here.
    pub fn is_interim(&self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }
}

/// What the edge knows of a client and tells Warpgate beside the head, never inside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context {
    pub ray: RayId,
    /// From the socket, never from a header.
    pub client: SocketAddr,
    pub scheme: Scheme,
    /// The edge's public port that the client reached.
    pub port: u16,
    pub protocol: Protocol,
}

impl Default for Context {
    fn default() -> Self {
        Self {
            ray: RayId(0),
            client: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0),
            scheme: Scheme::Https,
            port: 443,
            protocol: Protocol::H1,
        }
    }
}
