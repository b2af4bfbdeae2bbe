//! TLS towards clients, for the edge.
//!
//! [`sniff`] reads the first bytes of a connection just far enough to tell a tunnel from a client;
//! [`ServerStream::handshake`] continues as a client's connection. The caller wraps both in its handshake deadline.

pub(crate) mod config;
mod handshake;
pub mod hello;
mod scratch;
pub(crate) mod sniff;
mod stream;
#[cfg(test)]
mod tests;

use thiserror::Error;

pub(crate) use self::scratch::with_scratch;
pub use self::{
    config::{CLIENT_ALPN, client_facing},
    sniff::{Sniffed, sniff},
    stream::{OUT_LIMIT, Parts, ServerStream},
};
pub use crate::record::RecordError;

/// ALPN of the tunnel protocol on the edge's public port.
pub const TUNNEL_ALPN: &[u8] = mezu_tunnel_proto::hello::ALPN;

/// Why a TLS connection failed. Always the peer's doing unless it is `Io` or `Config`.
#[derive(Debug, Error)]
pub enum TlsError {
    #[error("the connection broke during the handshake")]
    Io(#[from] std::io::Error),
    #[error("the handshake failed: {0}")]
    Handshake(#[from] rustls::Error),
    #[error(transparent)]
    Record(#[from] RecordError),
    #[error("the peer closed during the handshake")]
    Closed,
    #[error("the handshake is larger than allowed")]
    TooLarge,
    #[error("the peer reported alert {0}")]
    Alert(u8),
    #[error("the peer does not speak the tunnel protocol")]
    NotATunnel,
    #[error("too many messages that carry no data")]
    Flood,
}

impl From<TlsError> for std::io::Error {
    fn from(error: TlsError) -> Self {
        match error {
            TlsError::Io(error) => error,
            TlsError::Closed => Self::new(std::io::ErrorKind::UnexpectedEof, error),
            other => Self::new(std::io::ErrorKind::InvalidData, other),
        }
    }
}
