//! Is the peer alive, and how far away is it (docs/protocol.md §7).
//!
//! While streams are open both sides ping every 500 ms, so that each hears the other without having asked; silence of
//! 1.5 s is death. On an idle carrier only the gate pings, every 15 s, so that 100,000 idle gates cost an edge little.
//! An edge that has just sent a request asks sooner, because it may want to send it elsewhere after 300 ms of silence.

use std::time::{Duration, Instant};

use crate::Role;

/// All the timers of a connection. The defaults are the protocol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// Between pings while a stream is open.
    pub ping_busy: Duration,
    /// Silence that is death while a stream is open.
    pub dead_busy: Duration,
    /// Between the gate's pings on an idle carrier. Vary it a little from carrier to carrier.
    pub ping_idle: Duration,
    /// Silence that is death on an idle carrier.
    pub dead_idle: Duration,
    /// Edge: silence after which it asks, if it sent a request in the last second.
    pub ask: Duration,
    /// Gate: how long a request stays parked without GO.
    pub park: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            ping_busy: Duration::from_millis(500),
            dead_busy: Duration::from_millis(1500),
            ping_idle: Duration::from_secs(15),
            dead_idle: Duration::from_secs(30),
            ask: Duration::from_millis(100),
            park: Duration::from_secs(1),
        }
    }
}

const RECENT: Duration = Duration::from_secs(1);

/// What is due at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    /// Send a PING with these bytes.
    Ping([u8; 8]),
    Death,
}

#[derive(Debug)]
pub(crate) struct Liveness {
    role: Role,
    timers: Timers,
    last_heard: Instant,
    last_ping: Option<Instant>,
    busy_since: Option<Instant>,
    /// A request was sent lately: silence is questioned soon.
    asks_until: Option<Instant>,
    active_until: Option<Instant>,
    /// A stream was opened at a time not yet known.
    opened: bool,
    /// Sent and unanswered, by the low bits of their number.
    asked: [Option<(u64, Instant)>; 4],
    next: u64,
    answered: u64,
    rtt: Option<Duration>,
    floor: Option<Duration>,
}

impl Liveness {
    pub(crate) fn new(role: Role, timers: Timers, now: Instant) -> Self {
        Self {
            role,
            timers,
            last_heard: now,
            last_ping: None,
            busy_since: None,
            asks_until: None,
            active_until: None,
            opened: false,
            asked: [None; 4],
            next: 1,
            answered: 0,
            rtt: None,
            floor: None,
        }
    }

    pub(crate) fn last_heard(&self) -> Instant {
        self.last_heard
    }

    /// Smoothed round trip.
    pub(crate) fn rtt(&self) -> Option<Duration> {
        self.rtt
    }

    /// Round trip without the queues: the smallest of late.
    pub(crate) fn floor(&self) -> Option<Duration> {
        self.floor
    }

    #[inline]
    pub(crate) fn heard(&mut self, now: Instant) {
        self.last_heard = now;
    }

    /// The edge has opened a stream, the first one if `alone`, at a time that the connection does not know; `lately` is
    /// the last it knew. True when [`Self::due`] must be asked at once, so that silence is measured from now: seldom
    /// under steady load.
    #[inline]
    pub(crate) fn opened(&mut self, alone: bool, lately: Instant) -> bool {
        self.opened = true;
        if alone {
            self.busy_since = None;
        }
        alone || self.asks_until.is_none_or(|until| lately + RECENT / 2 >= until)
    }

    /// Since the first unanswered question after the last sign of life; zero when there is none.
    pub(crate) fn silent_for(&self, now: Instant) -> Duration {
        let oldest = self.asked.iter().flatten().map(|(_, at)| *at).filter(|at| *at > self.last_heard).min();
        oldest.map_or(Duration::ZERO, |at| now.saturating_duration_since(at))
    }

    /// A PONG; false when nobody asked for it. On a slow carrier it may come when its PING is no longer remembered.
    pub(crate) fn pong(&mut self, bytes: [u8; 8], now: Instant) -> bool {
        let number = u64::from_be_bytes(bytes);
        if number <= self.answered || number >= self.next {
            return false;
        }
        self.answered = number;
        let entry = self.asked.get_mut((number & 3) as usize);
        let Some((_, at)) = entry.and_then(|entry| entry.take_if(|(asked, _)| *asked == number)) else { return true };
        let sample = now.saturating_duration_since(at);
        self.rtt = Some(self.rtt.map_or(sample, |rtt| (rtt * 7 + sample) / 8));
        self.floor = Some(self.floor.map_or(sample, |floor| sample.min(floor + floor / 16)));
        true
    }

    /// The bytes of a new PING.
    pub(crate) fn ping(&mut self, now: Instant) -> [u8; 8] {
        let number = self.next;
        self.next += 1;
        self.last_ping = Some(now);
        if let Some(entry) = self.asked.get_mut((number & 3) as usize) {
            *entry = Some((number, now));
        }
        number.to_be_bytes()
    }

    /// The gate has got its first stream.
    #[inline]
    pub(crate) fn became_busy(&mut self, now: Instant) {
        self.busy_since = Some(now);
    }

    /// Something of a stream has come, if only a piece of it: a gate goes on pinging for a while, so that an edge whose
    /// requests are still under way hears it.
    #[inline]
    pub(crate) fn active(&mut self, now: Instant) {
        self.active_until = Some(now + RECENT);
    }

    /// What is due, given whether streams are open.
    pub(crate) fn due(&mut self, busy: bool, now: Instant) -> Due {
        if busy {
            self.busy_since.get_or_insert(now);
        } else {
            self.busy_since = None;
        }
        if std::mem::take(&mut self.opened) {
            self.asks_until = Some(now + RECENT);
        }
        if now >= self.death() {
            return Due::Death;
        }
        if self.next_ping(now).is_some_and(|at| now >= at) { Due::Ping(self.ping(now)) } else { Due::Nothing }
    }

    /// When to ask [`Self::due`] again.
    pub(crate) fn wake(&self, now: Instant) -> Instant {
        let death = self.death();
        self.next_ping(now).map_or(death, |at| at.min(death))
    }

    fn death(&self) -> Instant {
        match self.busy_since {
            Some(since) => self.last_heard.max(since) + self.timers.dead_busy,
            None => self.last_heard + self.timers.dead_idle,
        }
    }

    fn next_ping(&self, now: Instant) -> Option<Instant> {
        let last = self.last_ping.unwrap_or(self.last_heard);
        match (self.busy_since, self.role) {
            (None, Role::Edge) => None,
            (None, Role::Gate) => {
                let active = self.active_until.is_some_and(|until| now < until);
                Some(last + if active { self.timers.ping_busy } else { self.timers.ping_idle })
            }
            (Some(since), Role::Gate) => Some(last.max(since) + self.timers.ping_busy),
            (Some(since), Role::Edge) => {
                let at = last + self.timers.ping_busy;
                Some(self.next_question(since, now).map_or(at, |question| at.min(question)))
            }
        }
    }

    /// Shortly after a request the edge asks as soon as the gate has been silent for a while, once per silence.
    fn next_question(&self, since: Instant, now: Instant) -> Option<Instant> {
        let asked = self.asked.iter().flatten().any(|(_, at)| *at > self.last_heard);
        let asks = !asked && self.asks_until.is_some_and(|until| now < until);
        asks.then(|| self.last_heard.max(since) + self.timers.ask)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn gate() -> (Liveness, Instant) {
        let now = Instant::now();
        (Liveness::new(Role::Gate, Timers::default(), now), now)
    }

    #[test]
    fn an_idle_gate_pings_slowly_and_an_idle_edge_only_listens() {
        let (mut gate, now) = gate();
        assert_eq!(gate.due(false, now + 14_999 * MS), Due::Nothing);
        assert!(matches!(gate.due(false, now + 15_000 * MS), Due::Ping(_)));
        let mut edge = Liveness::new(Role::Edge, Timers::default(), now);
        assert_eq!(edge.due(false, now + 29_999 * MS), Due::Nothing);
        assert_eq!(edge.wake(now), now + 30_000 * MS);
        assert_eq!(edge.due(false, now + 30_000 * MS), Due::Death);
    }

    #[test]
    fn a_busy_silence_is_counted_from_its_request() {
        let (_, now) = gate();
        let mut edge = Liveness::new(Role::Edge, Timers::default(), now);
        let start = now + 20_000 * MS;
        assert!(edge.opened(true, now));
        assert!(matches!(edge.due(true, start), Due::Ping(_)), "long unasked: asks at once");
        assert_eq!(edge.due(true, start + 499 * MS), Due::Nothing);
        assert_eq!(edge.silent_for(start + 499 * MS), 499 * MS);
        assert!(matches!(edge.due(true, start + 500 * MS), Due::Ping(_)));
        assert!(matches!(edge.due(true, start + 1000 * MS), Due::Ping(_)));
        assert_eq!(edge.wake(start + 1499 * MS), start + 1500 * MS);
        assert_eq!(edge.due(true, start + 1500 * MS), Due::Death);
    }

    #[test]
    fn after_a_request_the_edge_asks_once_per_silence() {
        let (_, now) = gate();
        let mut edge = Liveness::new(Role::Edge, Timers::default(), now);
        edge.ping(now);
        assert!(edge.pong(1u64.to_be_bytes(), now + MS));
        edge.heard(now + MS);
        assert!(edge.opened(true, now));
        assert_eq!(edge.due(true, now + 10 * MS), Due::Nothing);
        assert!(!edge.opened(false, now + 10 * MS));
        assert_eq!(edge.wake(now + 10 * MS), now + 110 * MS);
        assert!(matches!(edge.due(true, now + 110 * MS), Due::Ping(_)));
        assert_eq!(edge.silent_for(now + 310 * MS), 200 * MS);
        assert_eq!(edge.due(true, now + 310 * MS), Due::Nothing, "already asked");
        edge.heard(now + 320 * MS);
        assert_eq!(edge.silent_for(now + 400 * MS), Duration::ZERO);
        assert!(matches!(edge.due(true, now + 420 * MS), Due::Ping(_)));
    }

    #[test]
    fn round_trips_are_measured_and_false_pongs_noticed() {
        let (mut gate, now) = gate();
        let first = gate.ping(now);
        assert!(gate.pong(first, now + 40 * MS));
        assert!(!gate.pong(first, now + 40 * MS));
        assert!(!gate.pong([0xff; 8], now));
        assert!(!gate.pong([0; 8], now));
        assert_eq!((gate.rtt(), gate.floor()), (Some(40 * MS), Some(40 * MS)));
        let second = gate.ping(now);
        assert!(gate.pong(second, now + 120 * MS));
        assert_eq!(gate.rtt(), Some(50 * MS));
        assert!(gate.floor().unwrap() < 43 * MS);
        let forgotten = gate.ping(now);
        for _ in 0..9 {
            gate.ping(now);
        }
        assert!(gate.pong(forgotten, now + 9000 * MS));
        assert_eq!(gate.rtt(), Some(50 * MS));
    }
}
