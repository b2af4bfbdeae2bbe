//! A machine without a key asks to be let in, or one gives its key up (docs/protocol.md §4.1).
//!
//! The edge checks that the machine holds the key and hands the rest to control, through [`Asked`]. While nobody has
//! decided the connection stays: it is the request, and whoever goes away has withdrawn it. Such a connection counts as
//! one of a stranger's and never becomes a tunnel.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use mezu_model::{KeyId, Label, MachineCode, OrgId, PublicKey};
use mezu_runtime::spawn_local;
use mezu_tunnel::PendingAsk;
use mezu_tunnel::proto::ask::{Told, Wish};
use mezu_tunnel::proto::hello::{Refused, RefusedCode};
use tokio::time::{Instant, timeout};
use tracing::{debug, info};

use crate::gate_accept::{LAST_WORD, is_dialled_name, refusal, refused};
use crate::gates::Claim;
use crate::guard;
use crate::listen::Place;
use crate::worker::Worker;

/// How often a machine hears that nobody has decided: often enough for whatever forgets quiet connections on the way.
const STILL: Duration = Duration::from_secs(20);
/// How long control may take to revoke a key.
const PATIENCE: Duration = Duration::from_secs(10);

/// A machine that asks. That it holds the key is checked; what it says of itself is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    pub key: PublicKey,
    /// Where its connection comes from.
    pub address: IpAddr,
    /// The only org that may let it in.
    pub org: Option<Label>,
    pub host: String,
    pub user: String,
    pub agent: String,
}

/// A key that is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetIn {
    pub org: Label,
    /// The service account.
    pub account: Label,
    /// When it ends, RFC 3339, if it does.
    pub expires_at: Option<String>,
}

/// What a request comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decided {
    LetIn(LetIn),
    Refused,
    Expired,
}

/// What becomes of a request at first.
pub enum Request {
    /// The key has been let in before: the machine only did not hear of it.
    Known(LetIn),
    Waiting(Waiting),
}

/// A request that waits. Dropping it withdraws the request.
pub struct Waiting {
    pub code: MachineCode,
    /// How long the code is good.
    pub lasts: Duration,
    pub decided: Pin<Box<dyn Future<Output = Decided> + Send>>,
}

/// Why a request cannot be taken now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRoom {
    /// When to try again.
    pub wait: Duration,
}

/// The control side, as far as it concerns machines without a key.
pub trait Asked: Send + Sync + 'static {
    /// A machine asks to be let in.
    ///
    /// # Errors
    /// When there is no room for its request.
    fn ask(&self, asker: Asker) -> Result<Request, NoRoom>;

    /// Revokes a key, at the word of who holds it. Whether that was done.
    fn give_up(&self, key: KeyId, org: OrgId, address: IpAddr) -> Pin<Box<dyn Future<Output = bool> + Send>>;
}

impl fmt::Debug for dyn Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("dyn Asked")
    }
}

/// Attends to a machine, in a task of its own: it may wait for long, and the handshake is over.
pub(crate) fn attend(worker: &Rc<Worker>, pending: PendingAsk, place: Place) {
    let here = Rc::clone(worker);
    spawn_local(&worker.stops.clients, "ask", async move {
        let _place = place;
        let _ = guard::isolate(answer(here, pending)).await;
    });
}

async fn answer(worker: Rc<Worker>, mut pending: PendingAsk) {
    let last = match tend(&worker, &mut pending).await {
        Ok(Some(told)) => timeout(LAST_WORD, pending.end(&told)).await,
        Ok(None) => return debug!("the machine that asked has gone"),
        Err(word) => {
            worker.metrics.gate_refused(refusal(word.code));
            debug!(code = ?word.code, message = word.message, "ask refused");
            timeout(LAST_WORD, pending.refuse(word)).await
        }
    };
    if !matches!(last, Ok(Ok(()))) {
        debug!("the machine did not hear the last word");
    }
}

/// What to say in the end; nothing to who has gone.
async fn tend(worker: &Worker, pending: &mut PendingAsk) -> Result<Option<Told>, Refused> {
    let (key, address) = check(worker, pending)?;
    let asked = worker.shared.asked.as_ref();
    let asked = asked.ok_or_else(|| refused(RefusedCode::NotAllowed, "this edge lets no machine in by approval"))?;
    let ask = pending.ask();
    if ask.wish == Wish::GiveUp {
        let claim = Claim { key, address: Some(address), names: Vec::new() };
        let (id, org) = claim.check(&worker.table()).map(|key| (key.id, key.org)).map_err(|barred| barred.word())?;
        let done = timeout(PATIENCE, asked.give_up(id, org, address)).await.unwrap_or_default();
        info!(key = %id, done, "a machine gives its key up");
        let failed = || refused(RefusedCode::Overloaded, "the key cannot be revoked at the moment; try again");
        return done.then_some(Some(Told::GivenUp)).ok_or_else(failed);
    }
    let asker = Asker {
        key,
        address,
        org: ask.org.clone(),
        host: ask.host.clone(),
        user: ask.user.clone(),
        agent: ask.agent.clone(),
    };
    match asked.ask(asker) {
        Ok(Request::Known(known)) => Ok(Some(let_in(known))),
        Ok(Request::Waiting(waiting)) => wait(worker, pending, waiting).await,
        Err(NoRoom { wait }) => Err(Refused {
            retry_after_ms: u64::try_from(wait.as_millis()).ok(),
            ..refused(RefusedCode::TooMany, "too many machines ask to be let in; try again later")
        }),
    }
}

/// The key, shown to be held, and where the machine is.
fn check(worker: &Worker, pending: &PendingAsk) -> Result<(PublicKey, IpAddr), Refused> {
    let ask = pending.ask();
    if worker.stops.clients.is_stopping() {
        return Err(refused(RefusedCode::Draining, "this edge is going away"));
    }
    if ask.version().is_none() {
        return Err(refused(RefusedCode::Version, "no protocol version in common; update Warpgate"));
    }
    if !is_dialled_name(&ask.edge_name, pending.server_name()) {
        return Err(refused(RefusedCode::EdgeName, "the signed edge name is not the name that was dialled"));
    }
    let key = pending
        .verify()
        .map_err(|_| refused(RefusedCode::Signature, "the signature does not fit the key and this connection"))?;
    let gone = || refused(RefusedCode::Internal, "your address is not known any more");
    Ok((key, pending.peer().ok_or_else(gone)?.ip().to_canonical()))
}

/// Says how it stands until there is a decision, or nobody who waits for one.
async fn wait(worker: &Worker, pending: &mut PendingAsk, waiting: Waiting) -> Result<Option<Told>, Refused> {
    let Waiting { code, lasts, mut decided } = waiting;
    let end = Instant::now() + lasts;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let told = Told::Waiting { code, seconds: u32::try_from(left.as_secs()).unwrap_or(u32::MAX) };
        if !matches!(timeout(STILL, pending.tell(&told)).await, Ok(Ok(()))) {
            return Ok(None);
        }
        tokio::select! {
            // A decision first: it may be what made the machine's person hang up.
            biased;
            decided = &mut decided => return match decided {
                Decided::LetIn(known) => Ok(Some(let_in(known))),
                Decided::Refused => Err(refused(RefusedCode::Denied, "the request was refused")),
                Decided::Expired => Err(refused(RefusedCode::Expired, "nobody has approved in time; ask again")),
            },
            () = worker.stops.clients.stopping() => {
                return Err(refused(RefusedCode::Draining, "this edge is going away"));
            }
            () = pending.gone() => return Ok(None),
            () = tokio::time::sleep(STILL) => {}
        }
    }
}

fn let_in(LetIn { org, account, expires_at }: LetIn) -> Told {
    Told::LetIn { org, account, expires_at }
}
