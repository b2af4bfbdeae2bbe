//! The server's handshake by rustls's unbuffered connection, fed one record at a time so that it never touches
//! application data: what follows the handshake belongs to our record layer.

use std::{future::poll_fn, sync::Arc};

use rustls::{
    ServerConfig,
    server::UnbufferedServerConnection,
    unbuffered::{ConnectionState, EncodeError, UnbufferedStatus},
};
use tokio::net::TcpStream;

use super::{TlsError, sniff::read_some};
use crate::{out::OutBuf, record};

/// rustls allows handshake messages of 64 KiB; a client of ours needs a few.
const MAX_INCOMING: usize = 32 * 1024;

pub(super) struct Handshake {
    pub(super) connection: UnbufferedServerConnection,
    /// Bytes received and not consumed; after the handshake, the client's first records.
    pub(super) incoming: Vec<u8>,
    /// How much of `incoming` rustls has seen: whole records.
    fed: usize,
    /// What waits to be sent; after the handshake, session tickets.
    pub(super) out: OutBuf,
}

enum Step {
    /// Go on.
    Again,
    /// rustls waits for another record.
    Blocked,
    Done,
}

impl Handshake {
    pub(super) fn new(first_bytes: Vec<u8>, config: Arc<ServerConfig>) -> Result<Self, TlsError> {
        Ok(Self {
            connection: UnbufferedServerConnection::new(config)?,
            incoming: first_bytes,
            fed: 0,
            out: OutBuf::default(),
        })
    }

    pub(super) async fn run(&mut self, io: &mut TcpStream) -> Result<(), TlsError> {
        loop {
            match self.step() {
                Ok(Step::Again) => {}
                Ok(Step::Done) => return Ok(()),
                Ok(Step::Blocked) => {
                    if !self.feed_next()? {
                        self.flush(io).await?;
                        self.read(io).await?;
                    }
                }
                Err(error) => {
                    self.say_why(io).await;
                    return Err(error);
                }
            }
        }
    }

    fn step(&mut self) -> Result<Step, TlsError> {
        let seen = self.incoming.get_mut(..self.fed).unwrap_or_default();
        let UnbufferedStatus { discard, state } = self.connection.process_tls_records(seen);
        let mut traffic = false;
        let step = match state? {
            ConnectionState::EncodeTlsData(mut data) => {
                encode(|to| data.encode(to), &mut self.out)?;
                Step::Again
            }
            ConnectionState::TransmitTlsData(data) => {
                data.done();
                Step::Again
            }
            ConnectionState::BlockedHandshake => Step::Blocked,
            ConnectionState::WriteTraffic(_) => {
                traffic = true;
                Step::Done
            }
            ConnectionState::PeerClosed | ConnectionState::Closed => return Err(TlsError::Closed),
            // Early data is off, and traffic is never fed.
            _ => return Err(TlsError::Record(record::RecordError::Unexpected)),
        };
        self.incoming.drain(..discard);
        self.fed -= discard.min(self.fed);
        // A server may write before the client has finished; we do not.
        if traffic && self.connection.is_handshaking() {
            return Ok(Step::Blocked);
        }
        Ok(step)
    }

    /// Shows rustls the next record, if it is all here.
    fn feed_next(&mut self) -> Result<bool, TlsError> {
        let rest = self.incoming.get(self.fed..).unwrap_or_default();
        match record::record_len(rest) {
            Ok(Some(len)) if len <= rest.len() => {
                self.fed += len;
                Ok(true)
            }
            Ok(_) => Ok(false),
            // Let rustls see what is not TLS: it answers with the right alert.
            Err(_) if self.fed < self.incoming.len() => {
                self.fed = self.incoming.len();
                Ok(true)
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn read(&mut self, io: &mut TcpStream) -> Result<(), TlsError> {
        if self.incoming.len() > MAX_INCOMING {
            return Err(TlsError::TooLarge);
        }
        match read_some(io, &mut self.incoming).await? {
            0 => Err(TlsError::Closed),
            _ => Ok(()),
        }
    }

    pub(super) async fn flush(&mut self, io: &mut TcpStream) -> Result<(), TlsError> {
        Ok(poll_fn(|cx| self.out.poll_flush(io, cx)).await?)
    }

    /// Sends the alert that rustls queued for its error. The peer may be gone: then there is nobody to tell.
    async fn say_why(&mut self, io: &mut TcpStream) {
        loop {
            let UnbufferedStatus { state, .. } = self.connection.process_tls_records(&mut []);
            match state {
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    if encode(|to| data.encode(to), &mut self.out).is_err() {
                        break;
                    }
                }
                Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
                _ => break,
            }
        }
        let _ = self.flush(io).await;
    }
}

fn encode(mut encode: impl FnMut(&mut [u8]) -> Result<usize, EncodeError>, out: &mut OutBuf) -> Result<(), TlsError> {
    let size = match encode(&mut []) {
        Ok(_) => return Ok(()),
        Err(EncodeError::InsufficientSize(needed)) => needed.required_size,
        Err(EncodeError::AlreadyEncoded) => return Ok(()),
    };
    match encode(out.grow(size)) {
        Ok(_) => Ok(()),
        Err(_) => Err(TlsError::Record(record::RecordError::Unexpected)),
    }
}
