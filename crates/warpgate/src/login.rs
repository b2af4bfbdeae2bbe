//! Asks an edge to let this machine's key in, or to revoke it (docs/protocol.md §4.1). The key's secret half stays here.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mezu_model::{Label, MachineCode, Seed};
use mezu_runtime::{Backoff, Chain};
use mezu_tunnel::ask::{Asking, Question, ask};
use mezu_tunnel::proto::ask::{Told, Wish, claim};
use mezu_tunnel::proto::hello::{Refused, RefusedCode};
use mezu_tunnel::{ConnectError, carrier};
use rustls::ClientConfig;
use tokio::time::{sleep, timeout};

use crate::gate::{dial, roots};
use crate::{DialError, EdgeAddress, Proxy};

/// TLS handshake and the first answer.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// The edge says every 20 s that nobody has decided; one that is silent for so long is gone.
const SILENCE: Duration = Duration::from_secs(65);
/// A connection that was lost is made again so many times in a row: an edge may be restarting.
const TRIES: u32 = 12;
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Where to ask, and what this machine says of itself.
#[derive(Debug, Clone)]
pub struct Login {
    pub edge: EdgeAddress,
    pub proxy: Option<Proxy>,
    /// PEM file with further certificate authorities to trust for the edge.
    pub ca: Option<PathBuf>,
    /// The only org that may let the machine in.
    pub org: Option<Label>,
    /// What the machine is called, and who asks. Shown as what it is: a claim.
    pub host: String,
    pub user: String,
}

/// What happens while nobody has decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// The code is good for so long.
    Code(MachineCode, Duration),
    /// The connection was lost and is made again.
    Lost(String),
}

/// The key is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetIn {
    pub org: Label,
    /// The service account.
    pub account: Label,
    /// When the key ends, RFC 3339, if it does.
    pub expires_at: Option<String>,
}

/// Why the machine was not let in, or its key not revoked.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    #[error("{0}")]
    Setup(String),
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the edge does not answer")]
    Silent,
    #[error("{0}")]
    Refused(String),
    /// It was revoked before, or never let in.
    #[error("the edge does not know this key (any more)")]
    Unknown,
    #[error(
        "this edge is older than `warpgate login`: make a key there with `mezusphere key create` and keep it here with \
         `warpgate login --with-key`"
    )]
    Old,
}

/// TLS towards the edge and towards proxies.
struct Trust {
    tunnel: Arc<ClientConfig>,
    plain: Arc<ClientConfig>,
}

impl Login {
    /// Asks, and waits until somebody has decided. Nothing is left behind at the edge when this is dropped.
    ///
    /// # Errors
    /// When the edge is not reached, the request is refused, or nobody decides in time.
    pub async fn ask(&self, seed: &Seed, mut tell: impl FnMut(News)) -> Result<LetIn, LoginError> {
        let trust = self.trust()?;
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let (mut shown, mut tries) = (None, 0);
        loop {
            let mut stood = false;
            let mut waits = |code: MachineCode, left: Duration| {
                stood = true;
                // The edge says it again and again.
                if shown.replace(code) != Some(code) {
                    tell(News::Code(code, left));
                }
            };
            let error = match self.once(&trust, seed, tries, &mut waits).await {
                Ok(let_in) => return Ok(let_in),
                Err(error) => error,
            };
            if stood {
                tries = 0;
                backoff.reset();
            }
            tries += 1;
            if shown.is_none() || tries > TRIES || !error.may_pass() {
                return Err(error);
            }
            tell(News::Lost(Chain(&error).to_string()));
            sleep(backoff.next_wait()).await;
        }
    }

    /// Revokes the key.
    ///
    /// # Errors
    /// When the edge is not reached or does not do it.
    pub async fn give_up(&self, seed: &Seed) -> Result<(), LoginError> {
        let trust = self.trust()?;
        let mut asking = self.begin(&trust, seed, Wish::GiveUp, 0).await?;
        match hear(&mut asking).await? {
            Told::GivenUp => Ok(()),
            Told::Waiting { .. } | Told::LetIn { .. } => Err(ConnectError::NoWelcome.into()),
        }
    }

    async fn once(
        &self,
        trust: &Trust,
        seed: &Seed,
        turn: u32,
        waits: &mut impl FnMut(MachineCode, Duration),
    ) -> Result<LetIn, LoginError> {
        let mut asking = self.begin(trust, seed, Wish::LetIn, turn).await?;
        loop {
            match hear(&mut asking).await? {
                Told::Waiting { code, seconds } => waits(code, Duration::from_secs(seconds.into())),
                Told::LetIn { org, account, expires_at } => return Ok(LetIn { org, account, expires_at }),
                Told::GivenUp => return Err(ConnectError::NoWelcome.into()),
            }
        }
    }

    async fn begin(&self, trust: &Trust, seed: &Seed, wish: Wish, turn: u32) -> Result<Asking, LoginError> {
        let (proxy, turn, ways) = (self.proxy.as_ref(), turn as usize, RefCell::default());
        let (io, _) = dial::dial(&self.edge, proxy, Some(&trust.plain), turn, &ways).await?;
        let question = Question {
            wish,
            org: self.org.clone(),
            host: claim(&self.host),
            user: claim(&self.user),
            agent: concat!("warpgate/", env!("CARGO_PKG_VERSION")).to_owned(),
        };
        let asked = ask(io, trust.tunnel.clone(), &self.edge.host, question, seed);
        Ok(timeout(HANDSHAKE, asked).await.map_err(|_| LoginError::Silent)??)
    }

    fn trust(&self) -> Result<Trust, LoginError> {
        let setup = |error: &(dyn std::error::Error + 'static)| LoginError::Setup(Chain(error).to_string());
        let (roots, _) = roots::load(self.ca.as_deref()).map_err(|error| setup(&error))?;
        let tunnel = carrier::gate_config(roots.clone()).map_err(|error| setup(&error))?;
        let plain = roots::client(roots).map_err(|error| setup(&error))?;
        Ok(Trust { tunnel: tunnel.into(), plain })
    }
}

/// What the edge says next.
async fn hear(asking: &mut Asking) -> Result<Told, LoginError> {
    match timeout(SILENCE, asking.told()).await {
        Ok(Ok(told)) => Ok(told),
        Ok(Err(ConnectError::Refused(refused))) => Err(LoginError::of(refused)),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => Err(LoginError::Silent),
    }
}

impl LoginError {
    fn of(refused: Refused) -> Self {
        match refused.code {
            RefusedCode::BadHello => Self::Old,
            RefusedCode::UnknownKey | RefusedCode::Revoked => Self::Unknown,
            RefusedCode::Draining | RefusedCode::Overloaded | RefusedCode::Internal => {
                Self::Connect(ConnectError::Refused(refused))
            }
            _ => Self::Refused(refused.message),
        }
    }

    /// Whether it may be otherwise in a moment.
    fn may_pass(&self) -> bool {
        matches!(self, Self::Dial(_) | Self::Connect(_) | Self::Silent)
    }
}
