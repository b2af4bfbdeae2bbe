//! An established TLS connection with a client.
//!
//! Reads go through the thread's scratch buffer: socket → scratch → opened in place → appended to the caller's buffer;
//! between two reads the connection keeps only the bytes of an incomplete record. Writes are sealed straight into
//! an outgoing buffer that is lent from a pool while there is something to send. It must never hand out a byte that
//! failed its integrity check, nor confuse a cut connection with a closed one.

mod io_traits;

use std::{
    io,
    net::TcpStream as StdTcpStream,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use rustls::{CipherSuite, ProtocolVersion, ServerConfig, kernel::KernelConnection, server::ServerConnectionData};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::{RecordError, Sniffed, TlsError, config::client_order, handshake::Handshake, with_scratch};
use crate::{
    out::OutBuf,
    record::{self, ALERT, DATA, HANDSHAKE, KEY_LIFE, Opener, Sealer},
};

/// With more than this unsent, [`ServerStream::poll_room`] waits for the socket of a client that keeps up.
pub const OUT_LIMIT: usize = 64 * 1024;
/// The same at first, and for a client that does not keep up: there may be thousands of those.
const OUT_SLOW: usize = 16 * 1024;
/// Full buffers that the socket must take whole before the next may be larger: what it and the client's own buffers
/// swallow at first says nothing about how fast the client reads.
const KEPT_UP: u8 = 4;
/// Records without data that may follow one another (empty records, warnings, KeyUpdates).
const MAX_IDLE_RECORDS: u8 = 32;

const KEY_UPDATE: u8 = 24;
const CLIENT_HELLO: u8 = 1;
const FATAL: u8 = 2;
const WARNING: u8 = 1;
const CLOSE_NOTIFY: u8 = 0;
const UNEXPECTED_MESSAGE: u8 = 10;
const BAD_RECORD_MAC: u8 = 20;
const RECORD_OVERFLOW: u8 = 22;
const USER_CANCELED: u8 = 90;
const NO_RENEGOTIATION: u8 = 100;

/// A client's connection. Also `AsyncRead + AsyncWrite`, where writes wait for a flush or for [`OUT_LIMIT`].
pub struct ServerStream {
    io: TcpStream,
    tls: Tls,
}

/// A connection between two runtimes: `Send`, and free of any reactor.
pub struct Parts {
    io: StdTcpStream,
    tls: Tls,
}

struct Tls {
    opener: Opener,
    sealer: Sealer,
    /// Derives the next keys; TLS 1.3 only.
    keys: Box<KernelConnection<ServerConnectionData>>,
    /// The beginning of a record whose rest has not come yet.
    partial: Vec<u8>,
    /// Plaintext that did not fit into the reader's buffer (`AsyncRead` only).
    plain: BytesMut,
    out: OutBuf,
    /// What may wait in `out`, from [`OUT_SLOW`] to [`OUT_LIMIT`]: doubled after [`KEPT_UP`] full buffers that the
    /// socket took whole, halved when it did not.
    out_room: usize,
    kept_up: u8,
    facts: Facts,
    idle_records: u8,
    /// The client asked for a KeyUpdate.
    update_owed: bool,
    /// The client asked for a renegotiation, and was told that there is none.
    renegotiation_refused: bool,
    read: ReadState,
    write_closed: bool,
}

struct Facts {
    alpn: Option<Vec<u8>>,
    server_name: Option<String>,
    version: ProtocolVersion,
    suite: CipherSuite,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ReadState {
    Open,
    /// close_notify came: the client has said all it will.
    Ended,
    Failed,
}

impl ServerStream {
    /// Completes the handshake that `sniffed` began. The caller sets the deadline.
    ///
    /// In TLS 1.3 the session ticket stays in the outgoing buffer and leaves with the first answer: one system call
    /// and one packet less per connection.
    pub async fn handshake(sniffed: Sniffed, config: Arc<ServerConfig>) -> Result<Self, TlsError> {
        let Sniffed { mut io, first_bytes, server_name, prefers_chacha, .. } = sniffed;
        let config = if prefers_chacha { client_order(config) } else { config };
        let mut handshake = Handshake::new(first_bytes, config)?;
        handshake.run(&mut io).await?;
        if handshake.connection.protocol_version() != Some(ProtocolVersion::TLSv1_3) {
            handshake.flush(&mut io).await?;
        }
        Ok(Self { io, tls: Tls::new(handshake, server_name)? })
    }

    /// The protocol agreed by ALPN.
    pub fn alpn(&self) -> Option<&[u8]> {
        self.tls.facts.alpn.as_deref()
    }

    /// The name that the client asked for (SNI), in lower case.
    pub fn server_name(&self) -> Option<&str> {
        self.tls.facts.server_name.as_deref()
    }

    pub fn protocol_version(&self) -> ProtocolVersion {
        self.tls.facts.version
    }

    pub fn cipher_suite(&self) -> CipherSuite {
        self.tls.facts.suite
    }

    pub fn tcp(&self) -> &TcpStream {
        &self.io
    }

    /// Whether the client has ended its side with close_notify. A reader that got 0 bytes knows this already.
    pub fn read_ended(&self) -> bool {
        self.tls.read == ReadState::Ended
    }

    /// Leaves the reactor, with all that was read and all that is yet to be sent.
    pub fn into_parts(self) -> io::Result<Parts> {
        Ok(Parts { io: self.io.into_std()?, tls: self.tls })
    }

    /// Joins the current runtime's reactor.
    pub fn from_parts(parts: Parts) -> io::Result<Self> {
        Ok(Self { io: TcpStream::from_std(parts.io)?, tls: parts.tls })
    }

    /// Appends what the client sent to `to`: up to 128 KiB with one system call. `Ok(0)` is the client's close_notify;
    /// a connection cut without one is `UnexpectedEof`.
    pub fn poll_read_into(&mut self, cx: &mut Context<'_>, to: &mut BytesMut) -> Poll<io::Result<usize>> {
        if !self.tls.plain.is_empty() {
            let plain = std::mem::take(&mut self.tls.plain);
            to.extend_from_slice(&plain);
            return Poll::Ready(Ok(plain.len()));
        }
        let before = to.len();
        ready!(self.poll_fill(cx, &mut |plain| to.extend_from_slice(plain)))?;
        Poll::Ready(Ok(to.len() - before))
    }

    /// Ready when no more is waiting for the socket than may: at most [`OUT_LIMIT`].
    pub fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.tls.out.len() < self.tls.out_room {
            return Poll::Ready(Ok(()));
        }
        match self.poll_flush(cx) {
            Poll::Pending if self.tls.out.len() < self.tls.out_room => Poll::Ready(Ok(())),
            other => other,
        }
    }

    /// Seals `parts` as one stretch of bytes into as few records as possible. Sends nothing yet and has no limit of
    /// its own: ask [`ServerStream::poll_room`] before and keep the parts small.
    pub fn write_parts(&mut self, parts: &[&[u8]]) -> io::Result<usize> {
        self.tls.write(parts)
    }

    /// Bytes sealed and not yet taken by the socket.
    pub fn unsent(&self) -> usize {
        self.tls.out.len()
    }

    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { io, tls } = self;
        let full = tls.out.len() >= tls.out_room;
        let flushed = tls.out.poll_flush(io, cx);
        if flushed.is_pending() {
            (tls.out_room, tls.kept_up) = ((tls.out_room / 2).max(OUT_SLOW), 0);
            tls.out.fit();
        } else if full {
            tls.kept_up += 1;
            if tls.kept_up == KEPT_UP {
                (tls.out_room, tls.kept_up) = ((tls.out_room * 2).min(OUT_LIMIT), 0);
            }
        }
        flushed
    }

    /// Sends close_notify and ends our direction; the client may go on sending.
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tls.close_notify();
        ready!(self.poll_flush(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }

    /// Reads once and gives all whole records' plaintext to `sink`; ready when it gave something or the end came.
    fn poll_fill(&mut self, cx: &mut Context<'_>, sink: &mut dyn FnMut(&[u8])) -> Poll<io::Result<()>> {
        let Self { io, tls } = self;
        with_scratch(|scratch| {
            loop {
                match tls.read {
                    ReadState::Open => {}
                    ReadState::Ended => return Poll::Ready(Ok(())),
                    ReadState::Failed => return Poll::Ready(Err(io::ErrorKind::InvalidData.into())),
                }
                let kept = tls.partial.len();
                let Some((front, free)) = scratch.split_at_mut_checked(kept) else {
                    return Poll::Ready(Err(TlsError::TooLarge.into()));
                };
                // The handshake may have left whole records behind: look at them before the socket.
                let mut filled = kept;
                if !record::is_whole(&tls.partial) {
                    let mut buf = ReadBuf::new(free);
                    ready!(Pin::new(&mut *io).poll_read(cx, &mut buf))?;
                    if buf.filled().is_empty() {
                        tls.read = ReadState::Failed;
                        return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                    }
                    filled += buf.filled().len();
                }
                front.copy_from_slice(&tls.partial);
                let bytes = scratch.get_mut(..filled).unwrap_or_default();
                match tls.open_all(bytes, sink) {
                    Ok(0) => {}
                    Ok(_) => return Poll::Ready(Ok(())),
                    Err(error) => {
                        tls.fail(&error);
                        let _ = tls.out.poll_flush(io, cx);
                        return Poll::Ready(Err(error.into()));
                    }
                }
            }
        })
    }
}

impl Tls {
    fn new(handshake: Handshake, server_name: Option<String>) -> Result<Self, TlsError> {
        let Handshake { connection, incoming, mut out, .. } = handshake;
        // The ticket in it may wait for as long as the client says nothing.
        out.fit();
        let version = connection.protocol_version().unwrap_or(ProtocolVersion::TLSv1_2);
        let alpn = connection.alpn_protocol().map(<[u8]>::to_vec);
        let (secrets, keys) = connection.dangerous_into_kernel_connection()?;
        Ok(Self {
            opener: Opener::new(version, secrets.rx)?,
            sealer: Sealer::new(version, secrets.tx)?,
            facts: Facts { alpn, server_name, version, suite: keys.negotiated_cipher_suite().suite() },
            keys: Box::new(keys),
            partial: incoming,
            plain: BytesMut::new(),
            out,
            out_room: OUT_SLOW,
            kept_up: 0,
            idle_records: 0,
            update_owed: false,
            renegotiation_refused: false,
            read: ReadState::Open,
            write_closed: false,
        })
    }

    /// Opens every whole record in `bytes` and keeps the rest. Returns how many bytes of data there were.
    fn open_all(&mut self, bytes: &mut [u8], sink: &mut dyn FnMut(&[u8])) -> Result<usize, TlsError> {
        let mut rest = bytes;
        let mut data = 0;
        while self.read == ReadState::Open {
            let Some(len) = record::record_len(rest)? else { break };
            if len > rest.len() {
                break;
            }
            let (whole, after) = std::mem::take(&mut rest).split_at_mut(len);
            rest = after;
            let (typ, plain) = self.opener.open(whole)?;
            if typ == DATA && !plain.is_empty() {
                self.idle_records = 0;
                data += plain.len();
                sink(plain);
            } else {
                self.control(typ, plain)?;
            }
        }
        self.keep(rest);
        Ok(data)
    }

    fn keep(&mut self, rest: &[u8]) {
        if rest.is_empty() || self.read != ReadState::Open {
            self.partial = Vec::new();
        } else {
            self.partial.clear();
            self.partial.extend_from_slice(rest);
        }
    }

    /// A record that carries no data. Few in a row are allowed: each costs us work and the peer nothing.
    fn control(&mut self, typ: u8, plain: &[u8]) -> Result<(), TlsError> {
        self.idle_records += 1;
        if self.idle_records > MAX_IDLE_RECORDS {
            return Err(TlsError::Flood);
        }
        let tls13 = self.facts.version == ProtocolVersion::TLSv1_3;
        match (typ, plain) {
            (DATA, _) => Ok(()),
            (ALERT, &[_, CLOSE_NOTIFY]) => {
                self.read = ReadState::Ended;
                Ok(())
            }
            // RFC 8446 §6: every alert but these two ends the connection; 1.2 has harmless warnings.
            (ALERT, &[_, USER_CANCELED]) => Ok(()),
            (ALERT, &[WARNING, _]) if !tls13 => Ok(()),
            (ALERT, &[_, description]) => Err(TlsError::Alert(description)),
            (HANDSHAKE, &[KEY_UPDATE, 0, 0, 1, request @ 0..=1]) if tls13 => self.next_keys(request == 1),
            // RFC 5746 §4.4 allows refusing; rustls's own connection answers the same, and also only once: each refusal
            // waits in the outgoing buffer, which nobody empties while a client uploads.
            (HANDSHAKE, &[CLIENT_HELLO, ..]) if !tls13 && !self.renegotiation_refused => {
                self.renegotiation_refused = true;
                self.alert(WARNING, NO_RENEGOTIATION);
                Ok(())
            }
            _ => Err(TlsError::Record(RecordError::Unexpected)),
        }
    }

    /// RFC 8446 §4.6.3. Our answer goes before our next data, once, however many requests came meanwhile.
    fn next_keys(&mut self, requested: bool) -> Result<(), TlsError> {
        let secrets = self.keys.update_rx_secret()?;
        self.opener = Opener::new(self.facts.version, secrets)?;
        self.update_owed |= requested;
        Ok(())
    }

    fn refresh_sealer(&mut self) -> Result<(), TlsError> {
        let message = [KEY_UPDATE, 0, 0, 1, 0];
        self.sealer.seal(HANDSHAKE, &[&message], &mut self.out)?;
        let secrets = self.keys.update_tx_secret()?;
        self.sealer = Sealer::new(self.facts.version, secrets)?;
        Ok(())
    }

    fn write(&mut self, parts: &[&[u8]]) -> io::Result<usize> {
        if self.write_closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        // TLS 1.2 cannot change keys: its connection ends with the error that sealing gives.
        let worn = self.sealer.spent() >= KEY_LIFE && self.facts.version == ProtocolVersion::TLSv1_3;
        if worn || self.update_owed {
            self.refresh_sealer()?;
            self.update_owed = false;
        }
        let taken = self.sealer.seal(DATA, parts, &mut self.out).map_err(TlsError::Record)?;
        Ok(taken)
    }

    fn close_notify(&mut self) {
        if !self.write_closed {
            self.alert(WARNING, CLOSE_NOTIFY);
            self.write_closed = true;
        }
    }

    /// Tells the peer why we stop, as far as it is its fault.
    fn fail(&mut self, error: &TlsError) {
        self.read = ReadState::Failed;
        self.partial = Vec::new();
        let description = match error {
            TlsError::Record(RecordError::BadMac) => BAD_RECORD_MAC,
            TlsError::Record(RecordError::Oversized) => RECORD_OVERFLOW,
            TlsError::Record(_) | TlsError::Flood => UNEXPECTED_MESSAGE,
            _ => return,
        };
        if !self.write_closed {
            self.alert(FATAL, description);
            self.write_closed = true;
        }
    }

    fn alert(&mut self, level: u8, description: u8) {
        // Sealing fails only with a worn-out key: then the peer learns it from the closed socket.
        let _ = self.sealer.seal(ALERT, &[&[level, description]], &mut self.out);
    }
}
