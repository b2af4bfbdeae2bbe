//! The edge's half of the first exchange: a gate says who it is, the edge decides, then both have a session.
//!
//! Between the two steps the edge looks up the key and picks the worker that shall hold the tunnel; a [`PendingGate`]
//! may therefore be sent to another thread.

use std::{future::poll_fn, io, net::SocketAddr, sync::Arc};

use bytes::BytesMut;
use mezu_model::key::PublicKey;
use mezu_runtime::Scope;
use mezu_tunnel_proto::{
    Config, Violation,
    hello::{self, Hello, HelloFrame, Refused, RefusedCode, Welcome},
};
use rustls::ServerConfig;
use thiserror::Error;

use crate::{
    ask::PendingAsk,
    auth::{self, AuthError},
    carrier::Carrier,
    session::Session,
    tls::{Sniffed, TlsError},
};

/// Bytes that a gate may send before it is welcome.
const MAX_INPUT: usize = 64 * 1024;

/// Why a gate did not get as far as saying who it is.
#[derive(Debug, Error)]
pub enum AcceptError {
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the gate's hello: {0}")]
    Hello(#[from] Violation),
    #[error("the gate did not begin with a hello")]
    NoHello,
}

impl From<io::Error> for AcceptError {
    fn from(error: io::Error) -> Self {
        Self::Tls(error.into())
    }
}

/// A gate that waits for an answer. Dropping it closes the connection without one.
pub struct PendingGate {
    hello: Hello,
    carrier: Carrier,
    /// Nothing, unless the gate is impatient.
    input: BytesMut,
    peer: Option<SocketAddr>,
    server_name: Option<String>,
}

/// Who is at the door.
pub enum Knock {
    /// A gate that wants a tunnel.
    Gate(PendingGate),
    /// A machine that wants its key let in, or revoked.
    Ask(PendingAsk),
}

/// [`accept`] for who takes gates only.
pub async fn accept_hello(sniffed: Sniffed, config: Arc<ServerConfig>) -> Result<PendingGate, AcceptError> {
    match accept(sniffed, config).await? {
        Knock::Gate(gate) => Ok(gate),
        Knock::Ask(_) => Err(AcceptError::NoHello),
    }
}

/// Shakes hands and reads what the peer begins with. The caller sets the deadline.
pub async fn accept(sniffed: Sniffed, config: Arc<ServerConfig>) -> Result<Knock, AcceptError> {
    let peer = sniffed.io.peer_addr().ok();
    let mut carrier = Carrier::accept(sniffed.io, sniffed.first_bytes, config).await?;
    let mut input = BytesMut::new();
    match read_frame(&mut carrier, &mut input).await {
        Ok(HelloFrame::Hello(hello)) => {
            Ok(Knock::Gate(PendingGate { hello, carrier, input, peer, server_name: sniffed.server_name }))
        }
        Ok(HelloFrame::Ask(ask)) => {
            Ok(Knock::Ask(PendingAsk { ask, carrier, input, peer, server_name: sniffed.server_name }))
        }
        Ok(_) => Err(AcceptError::NoHello),
        Err(FrameError::Violation(violation)) => {
            let refused = Refused::new(RefusedCode::BadHello, violation.to_string());
            let _ = say(&mut carrier, &HelloFrame::Refused(refused)).await;
            Err(violation.into())
        }
        Err(FrameError::Io(error)) => Err(error.into()),
    }
}

impl PendingGate {
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// The name in the TLS handshake; the hello's `edge_name` is what the gate signed.
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// Whether the gate holds the secret half of `key`, shown on this very connection.
    pub fn verify(&self, key: &PublicKey) -> Result<(), AuthError> {
        if self.hello.public_key != key.0 {
            return Err(AuthError::BadKey);
        }
        auth::verify(key, self.carrier.exporter(), &self.hello.edge_name, &self.hello.signature)
    }

    /// Takes the gate in. Call it on the thread that shall hold the tunnel; its driver runs there in `scope`.
    pub fn welcome(mut self, welcome: Welcome, config: Config, scope: &Scope) -> io::Result<Session> {
        self.carrier.adopt()?;
        let config = Config { version: welcome.version, ..config };
        queue(&mut self.carrier, &HelloFrame::Welcome(welcome))?;
        Ok(Session::edge(self.carrier, self.input, self.hello.gate_id, config, scope))
    }

    /// Sends it away. The caller sets the deadline.
    pub async fn refuse(mut self, refused: Refused) -> io::Result<()> {
        say(&mut self.carrier, &HelloFrame::Refused(refused)).await
    }
}

pub(crate) enum FrameError {
    Io(io::Error),
    Violation(Violation),
}

/// The next frame of the first exchange.
pub(crate) async fn read_frame(carrier: &mut Carrier, input: &mut BytesMut) -> Result<HelloFrame, FrameError> {
    loop {
        match hello::decode(input) {
            Ok(Some(frame)) => return Ok(frame),
            Ok(None) if input.len() > MAX_INPUT => return Err(FrameError::Io(io::ErrorKind::InvalidData.into())),
            Ok(None) => {}
            Err(violation) => return Err(FrameError::Violation(violation)),
        }
        match poll_fn(|cx| carrier.poll_read_into(cx, input)).await {
            Ok(0) => return Err(FrameError::Io(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => {}
            Err(error) => return Err(FrameError::Io(error)),
        }
    }
}

/// Seals a frame; it leaves with the next flush.
pub(crate) fn queue(carrier: &mut Carrier, frame: &HelloFrame) -> io::Result<()> {
    let bytes = hello::encode(frame).ok_or(io::ErrorKind::InvalidInput)?;
    carrier.write(&bytes)
}

/// Sends a last word and closes.
pub(crate) async fn say(carrier: &mut Carrier, frame: &HelloFrame) -> io::Result<()> {
    queue(carrier, frame)?;
    carrier.close_notify();
    poll_fn(|cx| carrier.poll_flush(cx)).await?;
    poll_fn(|cx| carrier.poll_shutdown(cx)).await
}
