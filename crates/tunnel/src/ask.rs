//! A machine asks to be let in, or gives its key up: both ends of that carrier (docs/protocol.md §4.1).
//!
//! The request lives as long as its connection: whoever goes away has withdrawn it.

use std::{future::poll_fn, io, net::SocketAddr, sync::Arc};

use bytes::BytesMut;
use mezu_model::Label;
use mezu_model::key::{PublicKey, Seed};
use mezu_tunnel_proto::{
    ask::{Ask, Told, Wish},
    hello::{HelloFrame, Refused, VERSION},
};
use rustls::{ClientConfig, pki_types::ServerName};

use crate::{
    accept::{FrameError, queue, read_frame, say},
    auth::{self, AuthError},
    carrier::{Carrier, Io},
    dial::ConnectError,
};

/// A machine that waits for an answer, at the edge. Dropping it closes the connection without one.
pub struct PendingAsk {
    pub(crate) ask: Ask,
    pub(crate) carrier: Carrier,
    pub(crate) input: BytesMut,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) server_name: Option<String>,
}

impl PendingAsk {
    pub fn ask(&self) -> &Ask {
        &self.ask
    }

    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// The name in the TLS handshake; the `edge_name` of the ASK is what was signed.
    pub fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    /// The key, if the machine holds its secret half: shown on this very connection.
    pub fn verify(&self) -> Result<PublicKey, AuthError> {
        let key = PublicKey(self.ask.public_key);
        auth::verify_ask(&key, self.carrier.exporter(), &self.ask.edge_name, &self.ask.signature).map(|()| key)
    }

    /// Says how it stands. The caller sets the deadline.
    pub async fn tell(&mut self, told: &Told) -> io::Result<()> {
        queue(&mut self.carrier, &HelloFrame::Told(told.clone()))?;
        poll_fn(|cx| self.carrier.poll_flush(cx)).await
    }

    /// Waits until the machine has gone. One that says anything more does not keep to the protocol and counts as gone.
    pub async fn gone(&mut self) {
        if self.input.is_empty() {
            let _ = poll_fn(|cx| self.carrier.poll_read_into(cx, &mut self.input)).await;
        }
    }

    /// Says a last word and closes. The caller sets the deadline.
    pub async fn end(mut self, told: &Told) -> io::Result<()> {
        say(&mut self.carrier, &HelloFrame::Told(told.clone())).await
    }

    /// Sends it away. The caller sets the deadline.
    pub async fn refuse(mut self, refused: Refused) -> io::Result<()> {
        say(&mut self.carrier, &HelloFrame::Refused(refused)).await
    }
}

/// What a machine asks, and what it says of itself.
#[derive(Debug, Clone)]
pub struct Question {
    pub wish: Wish,
    /// The only org that may let it in.
    pub org: Option<Label>,
    /// See [`mezu_tunnel_proto::ask::claim`].
    pub host: String,
    pub user: String,
    /// Program and version, for people.
    pub agent: String,
}

/// A machine that has asked, at the gate. Dropping it withdraws the request.
pub struct Asking {
    carrier: Carrier,
    input: BytesMut,
}

/// Shakes hands over `io`, shows that the key is held, and asks. The caller sets the deadline.
pub async fn ask(
    io: Io,
    tls: Arc<ClientConfig>,
    edge_name: &str,
    question: Question,
    seed: &Seed,
) -> Result<Asking, ConnectError> {
    let edge_name = edge_name.to_ascii_lowercase();
    let name = ServerName::try_from(edge_name.clone()).map_err(|_| ConnectError::Name(edge_name.clone()))?;
    let mut carrier = Carrier::connect(io, name, tls).await?;
    let Question { wish, org, host, user, agent } = question;
    let ask = Ask {
        versions: vec![VERSION],
        wish,
        public_key: auth::public_key(seed)?.0,
        signature: auth::sign_ask(seed, carrier.exporter(), &edge_name)?,
        edge_name,
        org,
        host,
        user,
        agent,
    };
    queue(&mut carrier, &HelloFrame::Ask(ask))?;
    poll_fn(|cx| carrier.poll_flush(cx)).await?;
    Ok(Asking { carrier, input: BytesMut::new() })
}

impl Asking {
    /// What the edge says next. The caller sets the deadline.
    pub async fn told(&mut self) -> Result<Told, ConnectError> {
        match read_frame(&mut self.carrier, &mut self.input).await {
            Ok(HelloFrame::Told(told)) => Ok(told),
            Ok(HelloFrame::Refused(refused)) => Err(ConnectError::Refused(refused)),
            Ok(_) => Err(ConnectError::NoWelcome),
            Err(FrameError::Violation(violation)) => Err(violation.into()),
            Err(FrameError::Io(error)) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests;
