//! One end of a tunnel connection, without the socket.
//!
//! # Contract
//!
//! Four kinds of method, in quinn's manner:
//! * `handle_*` take an event and the time. After one, ask `poll_event` until it is empty, then `poll_timeout`.
//! * `poll_event` says what the holders of streams may now do.
//! * `output` is what to send; `advance_output` says how much was taken. Any other method may add to it, `recv` too
//!   (it returns credit): check [`Connection::wants_write`] after each.
//! * stream operations (`open`, `recv`, `send_*`, `reset`, `release`) never wait.
//!
//! `poll_timeout` may name a moment that has passed: then call `handle_timeout` before waiting. This happens after an
//! `open` on an idle connection, because `open` does not know the time.
//!
//! After [`Event::Dead`] every stream operation fails, but what was received whole before can still be read.

mod control;
mod input;
mod recv;
mod relief;
mod send;
#[cfg(test)]
mod tests;
mod timers;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

pub use send::OpenOptions;

use crate::budget::{ByteBudget, Share};
use crate::credit::{CARRIER_START, RecvWindow, SendCredit, Tuning};
use crate::error::{Death, Reason, Violation};
use crate::frames::{HEADER_LEN, Kind, MAX_PAYLOAD};
use crate::heads::HeadLimits;
use crate::hello::{Agreed, Refused, RefusedCode, VERSION};
use crate::liveness::{Liveness, Timers};
use crate::output::Output;
use crate::stream::{Blocked, Item, Stream};
use crate::streams::{StreamId, Streams};
use crate::turns::{QUANTUM, Turns};

/// Which end of the tunnel this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The public proxy: opens streams.
    Edge,
    /// Warpgate: answers them.
    Gate,
}

/// Settings of one connection.
#[derive(Debug, Clone)]
pub struct Config {
    pub agreed: Agreed,
    /// The protocol's version on this carrier.
    pub version: u16,
    /// The largest window that a stream and the carrier may grow to, bytes.
    pub stream_window: u32,
    pub carrier_window: u32,
    /// Unsent bytes above which bodies wait; with twice as many no new request is taken.
    pub output: usize,
    /// Unsent bytes above which a peer that keeps sending is given up: it provokes answers and does not read them.
    pub output_max: usize,
    /// Bytes of heads that were received and not yet read.
    pub retained_heads: usize,
    pub timers: Timers,
    pub budget: ByteBudget,
}

impl Config {
    /// The protocol's defaults, under a budget that is shared by the process.
    pub fn new(budget: ByteBudget) -> Self {
        Self {
            agreed: Agreed::default(),
            version: VERSION,
            stream_window: 1024 * 1024,
            carrier_window: 16 * 1024 * 1024,
            output: 256 * 1024,
            output_max: 4 * 1024 * 1024,
            retained_heads: 512 * 1024,
            timers: Timers::default(),
            budget,
        }
    }

    fn heads(&self) -> HeadLimits {
        let bytes = (self.agreed.max_head as usize).min(65_000);
        HeadLimits { bytes, fields: self.agreed.max_fields as usize }
    }
}

/// Something the holder of a connection or of a stream waits for. At most one Readable and one Writable of a stream
/// are on their way at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Gate: a new request; its first `recv` yields it.
    Opened(StreamId),
    /// `recv` has something, or an error.
    Readable(StreamId),
    /// A write that was turned away may be tried again, or fails now.
    Writable(StreamId),
    /// Edge: the gate says otherwise which of its workloads are well. See [`Connection::unwell`].
    Health,
    /// The peer drains: open no more. A gate goes on with what it has.
    Draining,
    /// Drain is complete on this end: send what is left of the output, then close.
    Drained,
    /// See [`Connection::death`]. Every stream must be told.
    Dead,
}

/// One end of a tunnel connection. See the module's contract.
#[derive(Debug)]
pub struct Connection {
    role: Role,
    config: Config,
    heads: HeadLimits,
    /// The latest time anyone told us.
    now: Instant,
    wake: Instant,
    out: Output,
    /// Bytes that may wait in `out` before bodies do: less on a slow carrier, so that control frames get through.
    out_limit: usize,
    /// Bytes taken off `out` since `measured`.
    drained: usize,
    measured: Instant,
    streams: Streams,
    events: VecDeque<Event>,
    credit: SendCredit,
    window: RecvWindow,
    share: Share,
    turns: Turns,
    live: Liveness,
    last_id: u32,
    retained: usize,
    /// What the windows of all streams have grown by: never more than half of the carrier's.
    grown: usize,
    /// Gate: parked streams in the order of their deadlines.
    parked: VecDeque<(Instant, StreamId)>,
    /// Control frames that the peer may still send in this second.
    control: u32,
    control_since: Instant,
    drain: Drain,
    unwell: u64,
    dead: Option<Death>,
}

/// Who has said DRAIN.
#[derive(Debug, Default)]
struct Drain {
    sent: bool,
    received: bool,
    told: bool,
}

impl Connection {
    /// A connection on a carrier over which HELLO and WELCOME have gone. Begins with a PING, to learn the round trip.
    pub fn new(role: Role, config: Config, now: Instant) -> Self {
        let mut live = Liveness::new(role, config.timers, now);
        let mut out = Output::default();
        out.frame(Kind::Ping, false, 0, &live.ping(now));
        Self {
            role,
            heads: config.heads(),
            share: Share::new(config.budget.clone()),
            out_limit: config.output,
            drained: 0,
            measured: now,
            config,
            now,
            wake: live.wake(now),
            out,
            streams: Streams::default(),
            events: VecDeque::new(),
            credit: SendCredit::new(CARRIER_START),
            window: RecvWindow::new(CARRIER_START),
            turns: Turns::default(),
            live,
            last_id: 0,
            retained: 0,
            grown: 0,
            parked: VecDeque::new(),
            control: control::CONTROL_PER_SECOND,
            control_since: now,
            drain: Drain::default(),
            unwell: 0,
            dead: None,
        }
    }

    pub fn role(&self) -> Role {
        self.role
    }

    /// What happened, if something did.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        if let Event::Readable(id) = event
            && let Some(stream) = self.streams.get_mut(id)
        {
            stream.notified = false;
        }
        Some(event)
    }

    /// Encoded frames to send.
    #[inline]
    pub fn output(&self) -> &[u8] {
        self.out.as_slice()
    }

    /// Whether there is output.
    #[inline]
    pub fn wants_write(&self) -> bool {
        !self.out.is_empty()
    }

    /// `n` bytes of the output were taken. May make streams writable: ask `poll_event`.
    #[inline]
    pub fn advance_output(&mut self, n: usize) {
        self.out.advance(n);
        self.drained += n;
        self.give_turns();
    }

    /// Streams that are open on the wire.
    pub fn in_flight(&self) -> usize {
        self.streams.open_len()
    }

    /// Smoothed round trip; `None` before the first PONG.
    pub fn rtt(&self) -> Option<Duration> {
        self.live.rtt()
    }

    /// When the last bytes came.
    pub fn last_heard(&self) -> Instant {
        self.live.last_heard()
    }

    /// How long the peer has owed us a sign of life: since the first PING that was sent after the last byte heard and
    /// is not answered. Zero when nothing was asked. An edge sends requests that may be repeated elsewhere when this
    /// passes 300 ms.
    pub fn silent_for(&self, now: Instant) -> Duration {
        self.live.silent_for(now)
    }

    /// Bytes of bodies that were received and not yet read.
    pub fn held(&self) -> usize {
        self.share.held()
    }

    /// Why the connection is dead, if it is.
    pub fn death(&self) -> Option<&Death> {
        self.dead.as_ref()
    }

    /// The workloads of the gate that shall get no requests now: bit *n* for the one at place *n* of its HELLO.
    pub fn unwell(&self) -> u64 {
        self.unwell
    }

    /// Gate: says which of its workloads shall get no requests from now on. All the others shall.
    pub fn tell_health(&mut self, unwell: u64) {
        if self.dead.is_none() && self.role == Role::Gate && unwell != self.unwell {
            self.unwell = unwell;
            self.out.frame(Kind::Health, false, 0, &unwell.to_be_bytes());
        }
    }

    /// Whether new streams are out of the question.
    pub fn is_draining(&self) -> bool {
        self.drain.sent || self.drain.received
    }

    /// Ends with no new streams: an edge opens none from here on, a gate asks its edge not to and takes those that
    /// were under way. Existing ones go on; [`Event::Drained`] comes when the last has ended.
    pub fn drain(&mut self) {
        if self.dead.is_none() && !self.drain.sent {
            self.send_drain();
            self.check_drained();
        }
    }

    /// Closes at once and tells the peer why. What is in the output may still be sent.
    pub fn close(&mut self, refused: &Refused) {
        if self.dead.is_none() {
            self.send_refused(refused);
            self.die(Death::Local);
        }
    }

    /// The carrier has ended, by the peer or by the network.
    pub fn handle_closed(&mut self) {
        self.die(Death::Closed);
    }

    fn die(&mut self, death: Death) {
        if self.dead.is_none() {
            if let Death::Violation(violation) = &death {
                self.send_refused(&Refused::new(RefusedCode::Violation, violation.to_string()));
            }
            self.dead = Some(death);
            self.events.push_back(Event::Dead);
        }
    }

    fn send_refused(&mut self, refused: &Refused) {
        if let Ok(json) = serde_json::to_vec(&refused.clone().tamed()) {
            self.out.frame(Kind::Refused, false, 0, &json);
        }
    }

    fn send_drain(&mut self) {
        self.drain.sent = true;
        self.out.frame(Kind::Drain, false, 0, &self.last_id.to_be_bytes());
    }

    /// Drain is complete when the edge has promised to open no more and nothing is open.
    fn check_drained(&mut self) {
        let promised = match self.role {
            Role::Edge => self.drain.sent,
            Role::Gate => self.drain.received,
        };
        if promised && !self.drain.told && self.streams.open_len() == 0 {
            self.drain.told = true;
            self.events.push_back(Event::Drained);
        }
    }

    /// Body bytes that all streams together may send now. What is free in the buffer is meant for their headers too, so
    /// that bulk fills whole records of the carrier and leaves no scrap behind.
    #[inline]
    fn room(&self) -> usize {
        let limit = if self.config.budget.is_short() { self.out_limit / 4 } else { self.out_limit };
        let free = limit.saturating_sub(self.out.len());
        self.credit.left().min(free.saturating_sub(free.div_ceil(HEADER_LEN + MAX_PAYLOAD) * HEADER_LEN))
    }

    #[inline]
    fn give_turns(&mut self) {
        if !self.turns.is_empty() {
            self.divide_room();
        }
    }

    fn divide_room(&mut self) {
        let room = self.room();
        if room >= QUANTUM || self.out.is_empty() {
            let events = &mut self.events;
            self.turns.divide(room, &mut self.streams, |id| events.push_back(Event::Writable(id)));
        }
    }

    /// Takes a stream out of the tables if it has ended.
    #[inline]
    fn sweep(&mut self, id: StreamId) {
        let Some(extra) = self.streams.sweep(id) else { return };
        self.grown = self.grown.saturating_sub(extra);
        if self.streams.open_len() == 0 {
            self.live.active(self.now);
            if self.drain.sent || self.drain.received {
                self.check_drained();
            }
        }
    }
}

fn tuning(now: Instant, live: &Liveness, config: &Config, carrier: bool) -> Tuning {
    Tuning {
        now,
        rtt: live.floor(),
        max: if carrier { config.carrier_window } else { config.stream_window },
        may_grow: !config.budget.is_tight(),
        must_shrink: config.budget.is_short(),
    }
}

/// A stream's reader has something to read.
#[inline]
fn notify(events: &mut VecDeque<Event>, id: StreamId, stream: &mut Stream) {
    if stream.held && !stream.notified {
        stream.notified = true;
        events.push_back(Event::Readable(id));
    }
}

/// A stream has ended before its time: wakes whoever waits on it.
fn alarm(events: &mut VecDeque<Event>, id: StreamId, stream: &mut Stream) {
    notify(events, id, stream);
    if stream.held && stream.blocked != Blocked::No {
        stream.blocked = Blocked::No;
        events.push_back(Event::Writable(id));
    }
}
