//! The gate's half of the first exchange.

use std::{future::poll_fn, io, sync::Arc};

use bytes::BytesMut;
use mezu_model::{GateId, Label, key::Seed};
use mezu_runtime::Scope;
use mezu_tunnel_proto::{
    Config, Violation,
    frames::Kind,
    hello::{self, Agreed, Hello, HelloFrame, HelloWorkload, Refused, Welcome},
};
use rustls::{ClientConfig, pki_types::ServerName};
use thiserror::Error;

use crate::{
    accept::{FrameError, queue, read_frame},
    auth::{self, AuthError},
    carrier::{Carrier, Io},
    session::Session,
    tls::TlsError,
};

/// What a gate brings.
#[derive(Debug, Clone)]
pub struct Offer {
    /// The same on all carriers of one process.
    pub gate_id: GateId,
    /// Requests name a workload by its position here.
    pub workloads: Vec<HelloWorkload>,
    /// Program and version, for people.
    pub agent: String,
}

/// Why a gate has no session.
#[derive(Debug, Error)]
pub enum ConnectError {
    #[error("'{0}' is neither a host name nor an address")]
    Name(String),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error("the edge refused: {} ({:?})", .0.message, .0.code)]
    Refused(Refused),
    #[error("the edge does not speak the protocol: {0}")]
    Protocol(#[from] Violation),
    #[error("the edge did not answer the hello")]
    NoWelcome,
}

impl From<io::Error> for ConnectError {
    fn from(error: io::Error) -> Self {
        Self::Tls(error.into())
    }
}

/// Shakes hands over `io`, proves the key and waits for the welcome. The caller sets the deadline. The session's driver
/// runs on this thread in `scope`.
pub async fn connect(
    io: Io,
    tls: Arc<ClientConfig>,
    edge_name: &str,
    offer: Offer,
    seed: &Seed,
    mut config: Config,
    scope: &Scope,
) -> Result<(Session, Welcome), ConnectError> {
    let edge_name = edge_name.to_ascii_lowercase();
    let name = ServerName::try_from(edge_name.clone()).map_err(|_| ConnectError::Name(edge_name.clone()))?;
    let mut carrier = Carrier::connect(io, name, tls).await?;
    let names: Vec<Label> = offer.workloads.iter().map(|workload| workload.name.clone()).collect();
    let hello = hello(&carrier, edge_name, offer, seed)?;
    let (gate_id, versions) = (hello.gate_id, hello.versions.clone());
    queue(&mut carrier, &HelloFrame::Hello(hello))?;
    poll_fn(|cx| carrier.poll_flush(cx)).await?;
    let mut input = BytesMut::new();
    match read_frame(&mut carrier, &mut input).await {
        Ok(HelloFrame::Welcome(welcome)) => {
            // Requests name a workload by its position, so both sides must mean the same list.
            let same = welcome.workloads.iter().map(|workload| &workload.name).eq(&names);
            if !same || !versions.contains(&welcome.version) {
                return Err(Violation::BadPayload(Kind::Welcome as u8).into());
            }
            config.agreed = stricter(config.agreed, welcome.limits);
            let session = Session::gate(carrier, input, gate_id, config, scope);
            Ok((session, welcome))
        }
        Ok(HelloFrame::Refused(refused)) => Err(ConnectError::Refused(refused)),
        Ok(HelloFrame::Hello(_) | HelloFrame::Ask(_) | HelloFrame::Told(_)) => Err(ConnectError::NoWelcome),
        Err(FrameError::Violation(violation)) => Err(violation.into()),
        Err(FrameError::Io(error)) => Err(error.into()),
    }
}

/// What both sides can keep.
fn stricter(a: Agreed, b: Agreed) -> Agreed {
    Agreed {
        max_streams: a.max_streams.min(b.max_streams),
        max_head: a.max_head.min(b.max_head),
        max_fields: a.max_fields.min(b.max_fields),
    }
}

fn hello(carrier: &Carrier, edge_name: String, offer: Offer, seed: &Seed) -> Result<Hello, AuthError> {
    Ok(Hello {
        versions: hello::versions(&offer.workloads),
        public_key: auth::public_key(seed)?.0,
        signature: auth::sign(seed, carrier.exporter(), &edge_name)?,
        edge_name,
        gate_id: offer.gate_id,
        workloads: offer.workloads,
        agent: offer.agent,
    })
}
