//! Finding a gate for a request: here, on another worker, or one that is about to come back.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::time::Instant;

use mezu_tunnel::proto::OpenOptions;
use tokio::time::timeout_at;

use super::Tried;
use super::failure::Failure;
use super::relay::Relay;
use crate::answer::EdgeError;
use crate::gates::{Miss, Ways};
use crate::hop::{self, GateStream};
use crate::http::{BadRequest, Exchange};
use crate::metrics::Way;
use crate::presence::{Passed, Reach};

/// Most body bytes that travel in the frame of the head.
const INLINE: usize = 16 * 1024;

/// A stream that carries the request.
pub(super) struct Opened {
    pub(super) stream: GateStream,
    /// The gate waits for our word before it delivers the request.
    pub(super) parked: bool,
    /// Another gate may be asked if this one falls silent.
    pub(super) impatient: bool,
}

/// Sends the request to a gate of its workload, to none that was tried.
pub(super) async fn open<X: Exchange>(
    relay: &mut Relay<'_, '_, X>,
    ways: &Ways,
    repeatable: bool,
    tried: &mut Tried,
) -> Result<Opened, Failure> {
    loop {
        let arrivals = ways.reach.arrivals();
        match open_now(relay, ways, repeatable, tried)? {
            Ok(opened) => return Ok(opened),
            Err(Miss::Busy) => return Err(Failure::Final(EdgeError::GateBusy)),
            Err(Miss::HeadTooLarge) => return Err(Failure::Final(BadRequest::HeadersTooLarge.into())),
            Err(Miss::None) => {
                wait_for_gate(relay, &ways.reach, arrivals, tried).await?;
                tried.avoid.workers = Passed::default();
            }
        }
    }
}

fn open_now<X: Exchange>(
    relay: &mut Relay<'_, '_, X>,
    ways: &Ways,
    repeatable: bool,
    tried: &Tried,
) -> Result<Result<Opened, Miss>, Failure> {
    let worker = relay.worker;
    let others = ways.reach.gates() > 1;
    // With nobody else to turn to, parking would cost a round trip and gain nothing.
    let park = !repeatable && others && relay.permitted.head().upgrade.is_none();
    let narrow = relay.exchange.takes_little();
    let (inline, end) = relay.upload.opening(&mut *relay.exchange, INLINE, relay.permitted.body())?;
    let (head, context) = (relay.permitted.head(), relay.permitted.context());
    let offered = inline.len();
    let impatient = repeatable && others && end && inline.is_empty();
    let options = OpenOptions { park, narrow, inline, end };
    let (stream, gate, taken) = match worker.gates.open(ways, tried.avoid.gate, context, head, &options) {
        Ok(sent) => (GateStream::Local(sent.stream, sent.place), Some(sent.gate), sent.taken),
        Err(Miss::None) => match hop::open(worker, ways, context, head, &options, tried.avoid, impatient) {
            Some(stream) => (GateStream::Hop(stream), None, offered),
            None => return Ok(Err(Miss::None)),
        },
        Err(miss) => return Ok(Err(miss)),
    };
    relay.record.gate = gate;
    worker.metrics.routed(if gate.is_some() { Way::Local } else { Way::Hop });
    relay.upload.opened(taken, end && taken == offered);
    Ok(Ok(Opened { stream, parked: park, impatient }))
}

/// Waits for a gate to come, if there is hope: one is there and not usable, or one left a moment ago.
async fn wait_for_gate<X: Exchange>(
    relay: &mut Relay<'_, '_, X>,
    reach: &Reach,
    arrivals: u32,
    tried: &mut Tried,
) -> Result<(), Failure> {
    if reach.gates() == 0 && reach.unwell() > 0 {
        return Err(Failure::Final(EdgeError::NoHealthyGate));
    }
    let limits = relay.worker.limits();
    // All the waiting of one request together.
    let until = *tried.patience.get_or_insert_with(|| Instant::now() + limits.pending_wait);
    let hope = reach.gates() > 0 || reach.left_within(limits.gate_return);
    if !hope || Instant::now() >= until {
        return Err(Failure::Final(EdgeError::NoGate));
    }
    let Some(_place) = Place::take(reach, limits.pending_per_workload) else {
        return Err(Failure::Final(EdgeError::GateBusy));
    };
    let mut came = pin!(reach.came.notified());
    came.as_mut().enable();
    if reach.arrivals() != arrivals {
        return Ok(());
    }
    let exchange = &mut *relay.exchange;
    let gone = std::future::poll_fn(|cx| exchange.poll_gone(cx));
    let waited = timeout_at(until.into(), first(came, gone)).await;
    match waited {
        Ok(Some(gone)) => Err(Failure::Client(gone)),
        // Come or not: looked again, and if the time is up that look says so.
        Ok(None) | Err(_) => Ok(()),
    }
}

/// Whichever comes first; `Some` if it is the second.
async fn first<T>(one: impl Future<Output = ()>, two: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = one => None,
        two = two => Some(two),
    }
}

/// One of the places to wait in.
struct Place<'a>(&'a Reach);

impl<'a> Place<'a> {
    fn take(reach: &'a Reach, most: usize) -> Option<Self> {
        let waiting = reach.waiting.fetch_add(1, Ordering::Relaxed);
        let place = Self(reach);
        (usize::try_from(waiting).unwrap_or(usize::MAX) < most).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
