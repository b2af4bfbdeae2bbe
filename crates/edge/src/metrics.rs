//! What the edge counts, per worker, and how it is told to Prometheus.
//!
//! Every worker writes its own counters, which nobody else writes, so that counting is a plain load, add and store on
//! a cache line of its own. A scrape adds the workers up. Every refusal, shed, re-send and lost line has a counter
//! with its reason. No label is ever taken from input: the number of series is fixed when the program is built.

mod text;

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use mezu_model::Protocol;
use mezu_policy::Coding;

use crate::answer::Code;

/// All counters of an edge.
#[derive(Debug)]
pub struct Metrics {
    workers: Box<[Arc<Counters>]>,
    /// Lines of the access log that were lost.
    log_drops: Arc<AtomicU64>,
    snapshots_refused: AtomicU64,
}

impl Metrics {
    #[must_use]
    pub fn new(workers: usize) -> Arc<Self> {
        let workers = (0..workers).map(|_| Arc::default()).collect();
        Arc::new(Self { workers, log_drops: Arc::default(), snapshots_refused: AtomicU64::new(0) })
    }

    /// The counters of one worker, to be taken once, on its own thread.
    #[must_use]
    pub fn worker(&self, index: usize) -> WorkerMetrics {
        WorkerMetrics { counters: self.workers.get(index).cloned().unwrap_or_default(), here: PhantomData }
    }

    /// A snapshot could not be served from.
    pub(crate) fn refused_snapshot(&self) {
        self.snapshots_refused.fetch_add(1, Relaxed);
    }

    /// Snapshots that could not be served from.
    #[must_use]
    pub fn snapshots_refused(&self) -> u64 {
        self.snapshots_refused.load(Relaxed)
    }

    /// Where the access log counts what it had to drop.
    #[must_use]
    pub fn log_drops(&self) -> Arc<AtomicU64> {
        self.log_drops.clone()
    }

    /// What `text` is.
    pub const CONTENT_TYPE: &'static str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// Everything in the OpenMetrics format.
    #[must_use]
    pub fn text(self: &Arc<Self>) -> String {
        text::write(self)
    }
}

/// One worker's hand on its counters. It stays on the thread it was made on: there is one writer.
#[derive(Debug)]
pub struct WorkerMetrics {
    counters: Arc<Counters>,
    here: PhantomData<*const ()>,
}

/// What can be said of a request when it is over.
#[derive(Debug, Clone, Copy)]
pub struct Done {
    pub protocol: Protocol,
    pub status: u16,
    pub duration: Duration,
    /// From the request's last hop into the tunnel to the first byte of the answer, if there was one.
    pub workload: Option<Duration>,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

impl WorkerMetrics {
    pub fn connection_opened(&self, door: Door) {
        door.of(&self.counters.opened).add(1);
    }

    pub fn connection_closed(&self, door: Door) {
        door.of(&self.counters.closed).add(1);
    }

    pub fn handshake_failed(&self, reason: HandshakeFailure) {
        reason.of(&self.counters.handshakes).add(1);
    }

    /// To be followed by [`Self::request_done`], whatever becomes of it.
    #[inline]
    pub fn request_started(&self) {
        self.counters.started.add(1);
    }

    #[inline]
    pub fn request_done(&self, done: &Done) {
        let counters = &*self.counters;
        counters.finished.add(1);
        let protocol = match done.protocol {
            Protocol::H1 => &counters.h1,
            Protocol::H2 => &counters.h2,
            Protocol::H3 => &counters.h3,
        };
        Class::of_status(done.status).of(protocol).add(1);
        counters.duration.observe(done.duration);
        if let Some(workload) = done.workload {
            counters.workload.observe(workload);
        }
        counters.bytes_in.add(done.bytes_in);
        counters.bytes_out.add(done.bytes_out);
    }

    /// An answer of our own was given, or would have been had the client's not begun.
    pub fn failed(&self, code: Code) {
        if let Some(counter) = self.counters.failures.get(code as usize) {
            counter.add(1);
        }
    }

    /// Something was turned away before it became a request, or for want of room.
    pub fn shed(&self, reason: Shed) {
        reason.of(&self.counters.shed).add(1);
    }

    /// A request was given to a second gate.
    pub fn resent(&self, reason: Resend) {
        reason.of(&self.counters.resent).add(1);
    }

    /// A request found its gate on this worker, or had to hop to another one.
    #[inline]
    pub fn routed(&self, way: Way) {
        way.of(&self.counters.routed).add(1);
    }

    /// An answer that a client may have encoded: with what it was, or that there was no room for an encoder.
    pub fn encoded(&self, coding: Option<Coding>) {
        Encoding::of_coding(coding).of(&self.counters.encoded).add(1);
    }

    /// What became of the copy of a request that was to be copied.
    pub fn copied(&self, outcome: Copied) {
        outcome.of(&self.counters.copied).add(1);
    }

    pub fn gate_joined(&self) {
        self.counters.gates_joined.add(1);
    }

    pub fn gate_refused(&self, reason: GateRefusal) {
        reason.of(&self.counters.gates_refused).add(1);
    }

    /// A gate has said otherwise which of its workloads are well.
    pub fn health_told(&self) {
        self.counters.health_told.add(1);
    }

    pub fn gate_left(&self, reason: GateLeft) {
        reason.of(&self.counters.gates_left).add(1);
    }

    /// A ping of a tunnel was answered.
    pub fn tunnel_rtt(&self, rtt: Duration) {
        self.counters.tunnel_rtt.observe(rtt);
    }
}

/// An enum whose variants each have a counter and a label.
macro_rules! labels {
    ($(#[$meta:meta])* $name:ident { $($variant:ident $label:literal),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($variant),+ }

        impl $name {
            const ALL: &[Self] = &[$(Self::$variant),+];
            const COUNT: usize = Self::ALL.len();

            const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label),+ }
            }

            fn of(self, counters: &[Counter; Self::COUNT]) -> &Counter {
                // The index is below COUNT by construction, which the compiler sees too.
                counters.get(self as usize).unwrap_or(&counters[0])
            }
        }
    };
}

labels! {
    /// What a connection turned out to be.
    Door { H1 "h1", H2 "h2", Gate "gate" }
}
labels! {
    /// Why a TLS connection never came to be.
    HandshakeFailure { Timeout "timeout", Tls "tls", Closed "closed", Hello "hello" }
}
labels! {
    /// What was turned away without an answer, and for want of what.
    Shed {
        Connections "connections", Address "address", AddressRate "address_rate", Handshakes "handshakes",
        HandshakeRate "handshake_rate", RetainedHeads "retained_heads", Streams "streams", Flood "flood",
    }
}
labels! {
    /// Why a request was sent again.
    Resend {
        Refused "refused", GateLost "gate_lost", Silent "silent", ParkExpired "park_expired",
        Unreachable "unreachable",
    }
}
labels! {
    /// Where a request found its gate.
    Way { Local "local", Hop "hop" }
}
labels! {
    /// What an answer was encoded with.
    Encoding { Zstd "zstd", Brotli "br", Gzip "gzip", NoRoom "no_room" }
}
labels! {
    /// What became of a copy: it was sent; the body was too long or has trailers; too many were under way; no gate took
    /// it; the client did not send all of the request.
    Copied { Sent "sent", TooLong "too_long", Busy "busy", NoGate "no_gate", Unfinished "unfinished" }
}
labels! {
    /// Why a tunnel ended.
    GateLeft { Drained "drained", Closed "closed", Silent "silent", Protocol "protocol" }
}
labels! {
    /// Why a gate was not let in.
    GateRefusal {
        Draining "draining", Version "version", EdgeName "edge_name", UnknownKey "unknown_key", Signature "signature",
        TooMany "too_many", NotAllowed "not_allowed", Overloaded "overloaded", Other "other",
    }
}
labels! {
    /// The first digit of a status.
    Class { None "none", Interim "1xx", Success "2xx", Redirect "3xx", ClientError "4xx", ServerError "5xx" }
}

impl Encoding {
    const fn of_coding(coding: Option<Coding>) -> Self {
        match coding {
            Some(Coding::Zstd) => Self::Zstd,
            Some(Coding::Brotli) => Self::Brotli,
            Some(Coding::Gzip) => Self::Gzip,
            None => Self::NoRoom,
        }
    }
}

impl Class {
    const fn of_status(status: u16) -> Self {
        match status {
            0 => Self::None,
            1..=199 => Self::Interim,
            200..=299 => Self::Success,
            300..=399 => Self::Redirect,
            400..=499 => Self::ClientError,
            500.. => Self::ServerError,
        }
    }
}

/// One worker's counters, alone on their cache lines.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Counters {
    started: Counter,
    finished: Counter,
    h1: [Counter; Class::COUNT],
    h2: [Counter; Class::COUNT],
    h3: [Counter; Class::COUNT],
    bytes_in: Counter,
    bytes_out: Counter,
    duration: Histogram,
    workload: Histogram,
    routed: [Counter; Way::COUNT],
    encoded: [Counter; Encoding::COUNT],
    copied: [Counter; Copied::COUNT],
    opened: [Counter; Door::COUNT],
    closed: [Counter; Door::COUNT],
    handshakes: [Counter; HandshakeFailure::COUNT],
    failures: Failures,
    shed: [Counter; Shed::COUNT],
    resent: [Counter; Resend::COUNT],
    gates_joined: Counter,
    gates_refused: [Counter; GateRefusal::COUNT],
    health_told: Counter,
    gates_left: [Counter; GateLeft::COUNT],
    tunnel_rtt: Histogram,
}

/// One counter per [`Code`].
#[derive(Debug)]
struct Failures([Counter; Code::ALL.len()]);

impl Default for Failures {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Counter::default()))
    }
}

impl std::ops::Deref for Failures {
    type Target = [Counter];

    fn deref(&self) -> &[Counter] {
        &self.0
    }
}

/// Written by one thread, read by any.
#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Counter {
    /// Not a fetch-and-add: with one writer the locked instruction would only cost.
    #[inline]
    fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    fn value(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Upper bounds of the buckets, microseconds; above the last one lies infinity.
const BOUNDS: [u64; 16] = [
    250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
    10_000_000, 30_000_000,
];

#[derive(Debug, Default)]
struct Histogram {
    buckets: [Counter; BOUNDS.len() + 1],
    sum_us: Counter,
}

impl Histogram {
    #[inline]
    fn observe(&self, took: Duration) {
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|bound| us <= *bound).unwrap_or(BOUNDS.len());
        if let Some(counter) = self.buckets.get(bucket) {
            counter.add(1);
        }
        self.sum_us.add(us);
    }
}

#[cfg(test)]
mod tests;
