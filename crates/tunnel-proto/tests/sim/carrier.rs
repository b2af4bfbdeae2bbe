//! Two connections and the network between them.

use std::time::{Duration, Instant};

use bytes::BytesMut;
use mezu_tunnel_proto::{Config, Connection, Event, Role, Violation};

use crate::net::{Link, Quality};
use crate::rng::Rng;

pub(crate) struct Side {
    pub connection: Connection,
    input: BytesMut,
    output_limit: usize,
    held_limit: usize,
    pub violation: Option<Violation>,
    pub drained: bool,
    pub died: Option<Duration>,
}

pub(crate) struct Carrier {
    pub edge: Side,
    pub gate: Side,
    pub up: Link,
    pub down: Link,
    /// When the TCP connection ends.
    pub closes: Option<Duration>,
    closed: bool,
    epoch: Instant,
}

impl Side {
    fn new(role: Role, config: &Config, now: Instant) -> Self {
        Self {
            connection: Connection::new(role, config.clone(), now),
            input: BytesMut::new(),
            output_limit: 2 * config.output + 64 * 1024,
            held_limit: config.carrier_window as usize,
            violation: None,
            drained: false,
            died: None,
        }
    }

    fn check(&self) {
        assert!(self.connection.held() <= self.held_limit, "holds {}", self.connection.held());
        // Requests are taken up to twice the limit of bodies; beside them credit and resets, few of them here.
        assert!(self.connection.output().len() <= self.output_limit, "{} unsent", self.connection.output().len());
    }

    fn receive(&mut self, link: &mut Link, now: Duration, at: Instant) {
        let input = &mut self.input;
        if link.receive(now, |bytes| input.extend_from_slice(bytes))
            && let Err(violation) = self.connection.handle_input(at, &mut self.input)
        {
            self.violation.get_or_insert(violation);
        }
    }

    fn send(&mut self, link: &mut Link, now: Duration, rng: &mut Rng) {
        loop {
            let n = link.send(now, self.connection.output(), rng);
            if n == 0 {
                return;
            }
            self.connection.advance_output(n);
        }
    }

    fn tick(&mut self, at: Instant) {
        if self.connection.poll_timeout().is_some_and(|due| due <= at) {
            self.connection.handle_timeout(at);
            let next = self.connection.poll_timeout();
            assert!(next.is_none_or(|next| next > at), "a timer that is due at once again");
        }
    }

    pub(crate) fn event(&mut self, now: Duration) -> Option<Event> {
        let event = self.connection.poll_event()?;
        match event {
            Event::Drained => self.drained = true,
            Event::Dead => self.died = Some(now),
            _ => {}
        }
        Some(event)
    }
}

impl Carrier {
    pub(crate) fn new(config: &Config, quality: &[Quality; 2], now: Duration, epoch: Instant) -> Self {
        let [up, down] = quality.clone();
        Self {
            edge: Side::new(Role::Edge, config, epoch + now),
            gate: Side::new(Role::Gate, config, epoch + now),
            up: Link::new(up),
            down: Link::new(down),
            closes: None,
            closed: false,
            epoch,
        }
    }

    /// When something happens next.
    pub(crate) fn next(&self) -> Option<Duration> {
        let timer = |side: &Side| side.connection.poll_timeout().map(|at| at.saturating_duration_since(self.epoch));
        let closes = self.closes.filter(|_| !self.closed);
        [self.up.next(), self.down.next(), closes, timer(&self.edge), timer(&self.gate)].into_iter().flatten().min()
    }

    /// Bytes and time reach both sides.
    pub(crate) fn deliver(&mut self, now: Duration) {
        let at = self.epoch + now;
        self.gate.receive(&mut self.up, now, at);
        self.edge.receive(&mut self.down, now, at);
        if self.closes.is_some_and(|closes| closes <= now) && !self.closed {
            self.closed = true;
            self.edge.connection.handle_closed();
            self.gate.connection.handle_closed();
        }
        self.edge.tick(at);
        self.gate.tick(at);
    }

    /// What both sides have to say goes on its way.
    pub(crate) fn flush(&mut self, now: Duration, rng: &mut Rng) {
        if !self.closed {
            self.edge.send(&mut self.up, now, rng);
            self.gate.send(&mut self.down, now, rng);
        }
        self.edge.check();
        self.gate.check();
    }
}
