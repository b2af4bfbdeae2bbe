//! The TLS 1.3 connection that carries a tunnel.
//!
//! rustls shakes hands, because the exporter is needed; then our record layer takes over with the same keys. A
//! carrier has no session tickets and changes no keys: its session is drained before the keys wear out. Nothing but
//! application data and close_notify is accepted after the handshake.

use std::{
    future::poll_fn,
    io::{self, Read},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use mezu_tunnel_proto::hello::EXPORTER_LABEL;
use rustls::{
    ClientConfig, ClientConnection, Connection, ProtocolVersion, RootCertStore, ServerConfig, ServerConnection,
    pki_types::ServerName, server::ResolvesServerCert,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use crate::{
    auth::Exporter,
    out::OutBuf,
    record::{self, ALERT, DATA, KEY_LIFE, Opener, RecordError, Sealer},
    tls::{TUNNEL_ALPN, TlsError, config::provider, sniff::read_some, with_scratch},
};

const MAX_HANDSHAKE: usize = 64 * 1024;
/// Records without data that may follow one another.
const MAX_EMPTY: u8 = 32;

/// What a gate may dial through: a socket, or whatever a proxy made of it.
pub trait AsyncIo: AsyncRead + AsyncWrite + Send + Unpin + 'static {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> AsyncIo for T {}

/// A socket takes the fast path; anything else costs a dynamic call.
pub enum Io {
    Tcp(TcpStream),
    Boxed(Box<dyn AsyncIo>),
}

impl From<TcpStream> for Io {
    fn from(tcp: TcpStream) -> Self {
        Self::Tcp(tcp)
    }
}

/// The edge's configuration for tunnels. The certificates are those that clients see.
pub fn edge_config(certs: Arc<dyn ResolvesServerCert>) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_cert_resolver(certs);
    config.alpn_protocols = vec![TUNNEL_ALPN.to_vec()];
    config.enable_secret_extraction = true;
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    Ok(config)
}

/// A gate's configuration: it trusts `roots` and nobody else.
pub fn gate_config(roots: RootCertStore) -> Result<ClientConfig, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![TUNNEL_ALPN.to_vec()];
    config.enable_secret_extraction = true;
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}

/// An established carrier.
pub struct Carrier {
    io: Io,
    opener: Opener,
    sealer: Sealer,
    exporter: Exporter,
    /// The beginning of a record whose rest has not come yet.
    partial: Vec<u8>,
    out: OutBuf,
    empty_records: u8,
    /// close_notify came.
    ended: bool,
    write_closed: bool,
}

impl Carrier {
    /// The edge's side. `first_bytes` were read while finding out that this is a tunnel.
    pub async fn accept(io: TcpStream, first_bytes: Vec<u8>, config: Arc<ServerConfig>) -> Result<Self, TlsError> {
        let connection = Connection::from(ServerConnection::new(config)?);
        Self::establish(Io::Tcp(io), connection, first_bytes).await
    }

    /// The gate's side. The last flight leaves with the first data, not before.
    pub async fn connect(io: Io, name: ServerName<'static>, config: Arc<ClientConfig>) -> Result<Self, TlsError> {
        let connection = Connection::from(ClientConnection::new(config, name)?);
        Self::establish(io, connection, Vec::new()).await
    }

    async fn establish(mut io: Io, mut connection: Connection, mut incoming: Vec<u8>) -> Result<Self, TlsError> {
        let mut out = OutBuf::default();
        let shaken = shake(&mut io, &mut connection, &mut incoming, &mut out).await;
        if let Err(error) = shaken {
            // The alert that rustls queued. The peer may be gone: then there is nobody to tell.
            queue(&mut connection, &mut out)?;
            let _ = poll_fn(|cx| io.poll_flush(&mut out, cx)).await;
            return Err(error);
        }
        if connection.alpn_protocol() != Some(TUNNEL_ALPN) {
            return Err(TlsError::NotATunnel);
        }
        let exporter = connection.export_keying_material([0; 32], EXPORTER_LABEL, None)?;
        let secrets = connection.dangerous_extract_secrets()?;
        Ok(Self {
            io,
            opener: Opener::new(ProtocolVersion::TLSv1_3, secrets.rx)?,
            sealer: Sealer::new(ProtocolVersion::TLSv1_3, secrets.tx)?,
            exporter: Exporter(exporter),
            partial: incoming,
            out,
            empty_records: 0,
            ended: false,
            write_closed: false,
        })
    }

    pub fn exporter(&self) -> &Exporter {
        &self.exporter
    }

    pub fn peer(&self) -> Option<SocketAddr> {
        match &self.io {
            Io::Tcp(tcp) => tcp.peer_addr().ok(),
            Io::Boxed(_) => None,
        }
    }

    /// How much of the keys' life is spent, in the direction that is further: 0 to 100.
    pub fn wear(&self) -> u64 {
        self.sealer.spent().max(self.opener.spent()) / (key_life() / 100)
    }

    /// Moves a socket to the current runtime's reactor.
    pub fn adopt(&mut self) -> io::Result<()> {
        if let Io::Tcp(_) = &self.io {
            let idle = Io::Boxed(Box::new(tokio::io::empty()));
            if let Io::Tcp(tcp) = std::mem::replace(&mut self.io, idle) {
                self.io = Io::Tcp(TcpStream::from_std(tcp.into_std()?)?);
            }
        }
        Ok(())
    }

    /// One read of up to 128 KiB; appends the plaintext of all whole records. `Ok(0)` is the peer's close_notify.
    pub fn poll_read_into(&mut self, cx: &mut Context<'_>, to: &mut BytesMut) -> Poll<io::Result<usize>> {
        with_scratch(|scratch| self.read(cx, scratch, to))
    }

    fn read(&mut self, cx: &mut Context<'_>, scratch: &mut [u8], to: &mut BytesMut) -> Poll<io::Result<usize>> {
        let before = to.len();
        while !self.ended {
            let kept = self.partial.len();
            let Some((front, free)) = scratch.split_at_mut_checked(kept) else {
                return Poll::Ready(Err(TlsError::TooLarge.into()));
            };
            let mut filled = kept;
            // The handshake may have left whole records behind: they come before the socket's.
            if !record::is_whole(&self.partial) {
                let n = ready!(self.io.poll_read(cx, free))?;
                if n == 0 {
                    return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                }
                filled += n;
            }
            front.copy_from_slice(&self.partial);
            self.open_all(scratch.get_mut(..filled).unwrap_or_default(), to)?;
            if to.len() > before {
                break;
            }
        }
        Poll::Ready(Ok(to.len() - before))
    }

    fn open_all(&mut self, bytes: &mut [u8], to: &mut BytesMut) -> Result<(), TlsError> {
        to.reserve(bytes.len());
        let mut rest = bytes;
        while let Some(len) = record::record_len(rest)? {
            if len > rest.len() || self.ended {
                break;
            }
            let (whole, after) = std::mem::take(&mut rest).split_at_mut(len);
            rest = after;
            match self.opener.open(whole)? {
                (DATA, plain) if !plain.is_empty() => {
                    self.empty_records = 0;
                    to.extend_from_slice(plain);
                }
                (DATA, _) if self.empty_records < MAX_EMPTY => self.empty_records += 1,
                (DATA, _) => return Err(TlsError::Flood),
                (ALERT, &[_, 0]) => self.ended = true,
                (ALERT, &[_, alert]) => return Err(TlsError::Alert(alert)),
                _ => return Err(TlsError::Record(RecordError::Unexpected)),
            }
        }
        self.partial.clear();
        if rest.is_empty() {
            self.partial = Vec::new();
        } else {
            self.partial.extend_from_slice(rest);
        }
        Ok(())
    }

    /// Seals `plain` into as few records as possible; nothing is sent before [`Carrier::poll_flush`].
    pub fn write(&mut self, plain: &[u8]) -> io::Result<()> {
        if self.write_closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.sealer.seal(DATA, &[plain], &mut self.out).map_err(TlsError::Record)?;
        Ok(())
    }

    /// Ciphertext that the socket has not taken.
    pub fn unsent(&self) -> usize {
        self.out.len()
    }

    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.io.poll_flush(&mut self.out, cx)
    }

    /// Queues close_notify: nothing can be written after it.
    pub fn close_notify(&mut self) {
        if !self.write_closed {
            self.write_closed = true;
            // Fails with worn-out keys only: then the peer learns it from the closed socket.
            let _ = self.sealer.seal(ALERT, &[&[1, 0]], &mut self.out);
        }
    }

    /// After [`Carrier::close_notify`] is flushed: ends our direction of the socket.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Tcp(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Io::Boxed(boxed) => Pin::new(boxed).poll_shutdown(cx),
        }
    }
}

impl Io {
    fn poll_read(&mut self, cx: &mut Context<'_>, to: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buf = ReadBuf::new(to);
        ready!(match self {
            Self::Tcp(tcp) => Pin::new(tcp).poll_read(cx, &mut buf),
            Self::Boxed(boxed) => Pin::new(boxed).poll_read(cx, &mut buf),
        })?;
        Poll::Ready(Ok(buf.filled().len()))
    }

    fn poll_flush(&mut self, out: &mut OutBuf, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(tcp) => out.poll_flush(tcp, cx),
            Self::Boxed(boxed) => {
                ready!(out.poll_flush(boxed, cx))?;
                Pin::new(boxed).poll_flush(cx)
            }
        }
    }

    async fn read_some(&mut self, to: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Tcp(tcp) => read_some(tcp, to).await,
            Self::Boxed(boxed) => read_some(boxed, to).await,
        }
    }
}

#[cfg(not(test))]
const fn key_life() -> u64 {
    KEY_LIFE
}

#[cfg(test)]
thread_local! {
    /// Tests wear keys out faster.
    pub(crate) static TEST_KEY_LIFE: std::cell::Cell<u64> = const { std::cell::Cell::new(KEY_LIFE) };
}

#[cfg(test)]
fn key_life() -> u64 {
    TEST_KEY_LIFE.get()
}

/// Runs the handshake; rustls sees one record at a time, so that data after the handshake stays in `incoming`. What
/// is to be sent last stays in `out`.
async fn shake(
    io: &mut Io,
    connection: &mut Connection,
    incoming: &mut Vec<u8>,
    out: &mut OutBuf,
) -> Result<(), TlsError> {
    loop {
        queue(connection, out)?;
        if !connection.is_handshaking() {
            return Ok(());
        }
        match record::record_len(incoming)? {
            Some(len) if len <= incoming.len() => {
                let mut record = incoming.get(..len).unwrap_or_default();
                while !record.is_empty() {
                    connection.read_tls(&mut record.by_ref())?;
                    connection.process_new_packets()?;
                }
                incoming.drain(..len);
            }
            _ => {
                poll_fn(|cx| io.poll_flush(out, cx)).await?;
                if incoming.len() > MAX_HANDSHAKE {
                    return Err(TlsError::TooLarge);
                }
                if io.read_some(incoming).await? == 0 {
                    return Err(TlsError::Closed);
                }
            }
        }
    }
}

fn queue(connection: &mut Connection, out: &mut OutBuf) -> Result<(), TlsError> {
    while connection.wants_write() {
        connection.write_tls(out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
